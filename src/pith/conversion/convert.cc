#include "pith/conversion/convert.h"

#include <malloc.h>

#include <chrono>
#include <future>
#include <utility>

#include "pith/base/error.h"
#include "pith/base/log.h"
#include "pith/base/memory.h"
#include "pith/base/progress.h"
#include "pith/codec/transcode.h"
#include "pith/conversion/conversion_plan.h"
#include "pith/conversion/encode_parameter.h"
#include "pith/conversion/forward_probe.h"
#include "pith/conversion/size_report.h"
#include "pith/conversion/verify.h"
#include "pith/text/tokenizer.h"

namespace pith {
namespace {

// Below it the pages are not worth a system call.
constexpr std::size_t kTrimBytes = std::size_t{1} << 20;

// Writes one weight at a time on a thread of its own while the next is being encoded: at most two
// are in memory.
class OverlappedWriter {
 public:
  explicit OverlappedWriter(ModelWriter& writer) : writer_(writer) {}

  void submit(std::string name, PackedMatrix weight) {
    wait();
    pending_ = std::async(std::launch::async,
                          [this, name = std::move(name), weight = std::move(weight)]() mutable {
                            write(name, std::move(weight));
                          });
  }

  std::vector<WrittenParameter> finish() {
    wait();
    return std::move(written_);
  }

 private:
  void wait() {
    if (pending_.valid()) pending_.get();
  }

  // `weight` goes as soon as it is written, not when the next one comes.
  void write(const std::string& name, PackedMatrix weight) {
    writer_.write(name, weight);
    written_.push_back(note_of(name, weight));
    const std::size_t bytes = weight.storage_bytes();
    weight = {};
    // glibc keeps freed blocks of up to 32 MiB for later ones: several times the largest weight.
    if (bytes >= kTrimBytes) ::malloc_trim(0);
  }

  ModelWriter& writer_;
  std::vector<WrittenParameter> written_;
  std::future<void> pending_;  // last, so that its thread ends before the others go
};

EncodedParameter make_parameter(const Checkpoint& source,
                                const ConversionPlan& plan,
                                const PlannedParameter& planned) {
  const std::string place = place_of(source, planned.parameter);
  const PackedMatrix stored =
      in_context(place, [&] { return source.load(planned.parameter.name); });
  EncodedParameter result;
  if (planned.copied || planned.transcoded) {
    require_finite(source_of(stored), place);
    result.weight = planned.copied ? stored : transcode(stored);
  } else {
    const WeightSource weight = planned_source(plan, planned.parameter, stored);
    result = encode_parameter(
        weight, planned.plan.encoding, planned.plan.round, place, planned.plan.importance);
  }
  result.weight.activation = planned.plan.activation;
  return result;
}

MatrixReport report_of(const Parameter& parameter, const EncodedParameter& encoded) {
  const auto elements = static_cast<double>(parameter.rows * parameter.cols);
  return {.name = parameter.name,
          .encoding = encoded.weight.encoding(),
          .bits = 8.0 * static_cast<double>(encoded.weight.storage_bytes()) / elements,
          .relative_error = encoded.relative_error,
          .fallback = {}};
}

// A tokenizer that Pith cannot use may serve others; one that contradicts the model serves nobody.
void check_tokenizer(const Checkpoint& source) {
  if (!has_tokenizer(source)) return;
  try {
    Tokenizer::of(source);
  } catch (const TokenizerMismatch&) {
    throw;
  } catch (const FormatError& error) {
    log_warning("the tokenizer goes along, but Pith cannot use it: {}", error.what());
  }
}

Cost forecast_of(const Checkpoint& source,
                 const std::filesystem::path& folder,
                 const Planner& planner,
                 const ConversionOptions& options) {
  if (options.forecast) return *options.forecast;
  ConversionOptions probing = options;
  probing.probe_folder = folder;
  return forecast_conversion(source, planner, probing);
}

void write_side_files(const Checkpoint& source, const std::filesystem::path& folder) {
  copy_side_files(source, folder);
  if (source.gguf() && has_tokenizer(source)) write_tokenizer_files(*source.gguf(), folder);
}

}  // namespace

ConversionResult convert_checkpoint(const Checkpoint& source,
                                    const std::filesystem::path& folder,
                                    const Planner& planner,
                                    const ConversionOptions& options) {
  ConversionResult result;
  check_tokenizer(source);
  result.forecast = forecast_of(source, folder, planner, options);
  start_memory_meter();
  reset_memory_peak();
  const auto start = std::chrono::steady_clock::now();

  const ConversionPlan plan = make_conversion_plan(source, planner, options);
  const std::unique_ptr<ModelWriter> writer =
      make_model_writer(options.format, folder, source, plan.stored(), options.shard_bytes);
  OverlappedWriter overlapped(*writer);
  ForwardProbe probe(source.spec());
  Progress progress("converting", plan.parameters.size(), "parameters");
  for (const PlannedParameter& planned : plan.parameters) {
    EncodedParameter encoded = make_parameter(source, plan, planned);
    if (!is_vector(planned.parameter.kind) || !is_dense(planned.plan.encoding))
      result.matrices.push_back(report_of(planned.parameter, encoded));
    if (options.verify) probe.take(planned.parameter, encoded.weight);
    overlapped.submit(planned.parameter.name, std::move(encoded.weight));
    progress.advance();
  }
  std::vector<WrittenParameter> written = overlapped.finish();
  writer->finish();
  if (!options.format.is_gguf()) write_side_files(source, folder);
  const std::filesystem::path written_to = written_model(options.format, folder);
  if (options.verify) {
    const std::span<const float> forward = probe.result();
    result.verified = verify_model(
        written_to, {std::move(written), writer->file_bytes(), {forward.begin(), forward.end()}});
  }

  result.size = size_report(Checkpoint::open(written_to));
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  result.measured = {.peak_bytes = memory_peak_bytes(),
                     .disk_bytes = result.size.total_bytes,
                     .seconds = seconds.count()};
  return result;
}

}  // namespace pith

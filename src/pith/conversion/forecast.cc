// The cost of a conversion before it runs: sizes are counted, times come from a probe of a few rows
// and a small file.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>

#include "pith/base/atomic_file.h"
#include "pith/base/memory.h"
#include "pith/base/threads.h"
#include "pith/conversion/conversion_plan.h"
#include "pith/conversion/encode_parameter.h"
#include "pith/conversion/size_report.h"

namespace pith {
namespace {

// Large enough that starting the threads does not show, small enough that a plan answers at once.
constexpr std::size_t kProbeElements = std::size_t{1} << 20;
constexpr std::size_t kProbeFileBytes = std::size_t{32} << 20;
// A thread's pieces of 64 KiB, their codes and decoded values, its stack and its part of the heap.
constexpr std::uint64_t kPieceBytes = std::uint64_t{2} << 20;
// Rereading is a checksum of pages that are still cached: bound by memory, hence a cautious figure.
constexpr double kVerifyBytesPerSecond = 2e9;

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

WeightSource first_rows(const WeightSource& weight) {
  const std::size_t rows =
      std::max<std::size_t>(1, kProbeElements / std::max<std::size_t>(1, weight.cols));
  return {std::min(rows, weight.rows), weight.cols, weight.read_rows};
}

double seconds_an_element(const Checkpoint& source,
                          const ConversionPlan& plan,
                          const PlannedParameter& planned) {
  const PackedMatrix stored = source.load(planned.parameter.name);
  const WeightSource sample = first_rows(planned_source(plan, planned.parameter, stored));
  const std::string place = place_of(source, planned.parameter);
  const Clock::time_point start = Clock::now();
  if (planned.copied || planned.transcoded)
    require_finite(sample, place);
  else
    encode_parameter(
        sample, planned.plan.encoding, planned.plan.round, place, planned.plan.importance);
  return seconds_since(start) / static_cast<double>(sample.rows * sample.cols);
}

// One probe for each pair of old and new encoding, on the largest parameter that has it.
double encoding_seconds(const Checkpoint& source, const ConversionPlan& plan) {
  struct Class {
    const PlannedParameter* largest = nullptr;
    double elements = 0;
  };
  const auto elements = [](const PlannedParameter& p) {
    return p.parameter.rows * p.parameter.cols;
  };
  std::map<std::string, Class> classes;
  for (const PlannedParameter& planned : plan.parameters) {
    Class& group = classes[to_string(source.encoding(planned.parameter.name)) + " > " +
                           to_string(planned.plan.encoding)];
    group.elements += static_cast<double>(elements(planned));
    if (!group.largest || elements(*group.largest) < elements(planned)) group.largest = &planned;
  }
  double seconds = 0;
  for (const auto& [name, group] : classes)
    seconds += group.elements * seconds_an_element(source, plan, *group.largest);
  return seconds;
}

// 0 where no probe can be written: what is wrong there shows when the output is made.
double write_seconds(std::uint64_t bytes, const std::filesystem::path& folder) {
  if (bytes == 0) return 0;
  const std::filesystem::path path = folder / fmt::format(".pith-probe-{}", getpid());
  const std::vector<std::byte> probe(std::min<std::uint64_t>(bytes, kProbeFileBytes),
                                     std::byte{0x5a});
  try {
    const Clock::time_point start = Clock::now();
    AtomicFile file(path);  // never committed: nothing stays
    file.write(probe);
    file.sync();
    return seconds_since(start) * static_cast<double>(bytes) / static_cast<double>(probe.size());
  } catch (const Error&) {
    return 0;
  }
}

// Bytes that are allocated while a parameter is under way.
std::uint64_t held_bytes(const Checkpoint& source, const PlannedParameter& planned) {
  const Parameter& p = planned.parameter;
  const Encoding& stored = source.encoding(p.name);
  // Conv1D matrices are turned when read and turned back when written dense; GGUF's rows of q and k
  // are put in order.
  const bool conv1d = source.spec().family == Family::kGpt2 && p.kind == ParameterKind::kLinear;
  const bool ordered = source.container() == Container::kGguf &&
                       (p.name.ends_with("attn.q") || p.name.ends_with("attn.k"));
  std::uint64_t bytes = planned.copied ? 0 : storage_bytes(planned.plan.encoding, p.rows, p.cols);
  if ((conv1d && is_dense(stored)) || ordered) bytes += storage_bytes(stored, p.rows, p.cols);
  if (conv1d && is_dense(planned.plan.encoding))
    bytes += storage_bytes(planned.plan.encoding, p.rows, p.cols);
  return bytes;
}

// One parameter is encoded while the one before is being written.
std::uint64_t peak_bytes(const Checkpoint& source, const ConversionPlan& plan) {
  std::uint64_t before = 0, peak = 0;
  for (const PlannedParameter& planned : plan.parameters) {
    const std::uint64_t now = held_bytes(source, planned);
    peak = std::max(peak, before + now);
    before = now;
  }
  return peak + memory_now().resident_bytes +
         static_cast<std::uint64_t>(num_threads()) * kPieceBytes;
}

// Tensors with their headers. A header entry is its name and about 80 bytes of type, shape and
// offsets; a matrix that is not dense has an entry of some 120 bytes in config.json as well.
std::uint64_t weight_bytes(const Checkpoint& source, const ConversionPlan& plan) {
  std::uint64_t bytes = 0;
  for (const PlannedParameter& planned : plan.parameters) {
    const Encoding& encoding = planned.plan.encoding;
    const std::size_t name_bytes = source.stored_name(planned.parameter.name).size();
    for (const BufferSpec& buffer :
         buffer_specs(encoding, planned.parameter.rows, planned.parameter.cols))
      bytes += buffer.bytes() + name_bytes + buffer.part.size() + 80;
    if (!is_dense(encoding)) bytes += name_bytes + 120;
  }
  return bytes;
}

std::uint64_t side_file_bytes(const Checkpoint& source) {
  return source.file_bytes() - weight_file_bytes(source);
}

}  // namespace

Cost forecast_conversion(const Checkpoint& source,
                         const Planner& planner,
                         const ConversionOptions& options) {
  const ConversionPlan plan = make_conversion_plan(source, planner, options);
  Cost cost;
  cost.peak_bytes = peak_bytes(source, plan);
  const std::uint64_t weights = weight_bytes(source, plan);
  cost.disk_bytes = weights + side_file_bytes(source);
  cost.seconds =
      std::max(encoding_seconds(source, plan), write_seconds(weights, options.probe_folder));
  if (options.verify) cost.seconds += static_cast<double>(weights) / kVerifyBytesPerSecond;
  return cost;
}

}  // namespace pith

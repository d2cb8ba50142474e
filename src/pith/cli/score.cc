// pith score: log-probabilities of given texts, a JSON line each.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

#include "pith/base/atomic_file.h"
#include "pith/base/error.h"
#include "pith/cli/torch_bodies.h"
#include "pith/cli/torch_engine.h"
#include "pith/evaluation/perplexity.h"
#include "pith/formats/safetensors.h"
#include "pith/text/dataset.h"

namespace pith {
namespace {

constexpr std::size_t kBlockBytes = std::size_t{64} << 20;  // of logits held at a time

// What a line asks for, with its token ids.
struct ScoreRequest {
  std::size_t line = 0;
  std::int64_t top = 0;
  std::vector<std::int32_t> ids;
};

// Turns records into checked ids.
class RequestMaker {
 public:
  RequestMaker(const Checkpoint& checkpoint, const ScoreOptions& options)
      : checkpoint_(checkpoint), options_(options), tokenizer_(checkpoint) {}

  ScoreRequest make(const JsonlRecord& record) {
    const std::string place = fmt::format("{}: line {}", options_.input.string(), record.line + 1);
    return in_context(place, [&] {
      ScoreRequest request{
          record.line, record.top, record.ids ? *record.ids : encode(*record.text)};
      try {
        check_ids(request.ids, checkpoint_.spec().vocab, longest_sequence(checkpoint_.spec()));
      } catch (const UserError& error) {
        throw FormatError(error.what());  // the file's fault, not the command line's
      }
      return request;
    });
  }

 private:
  std::vector<std::int32_t> encode(const std::string& text) const {
    return tokenizer_.get().encode(text, {.special_ends = options_.special});
  }

  const Checkpoint& checkpoint_;
  const ScoreOptions& options_;
  LazyTokenizer tokenizer_;
};

// The k most likely tokens of a row of logits with their log-probabilities, most likely first,
// lower id first on ties.
Json top_tokens(std::span<const float> logits, std::int64_t k) {
  std::vector<std::int32_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  const auto count = std::min<std::size_t>(static_cast<std::size_t>(k), order.size());
  const auto likelier = [&](std::int32_t a, std::int32_t b) {
    const float x = logits[static_cast<std::size_t>(a)], y = logits[static_cast<std::size_t>(b)];
    return x != y ? x > y : a < b;
  };
  std::partial_sort(
      order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count), order.end(), likelier);
  Json list = Json::array();
  for (std::size_t i = 0; i < count; ++i)
    list.push_back({order[i], log_probability(logits, order[i])});
  return list;
}

// Calls use(row, logits after ids[0..row]) for every position, in blocks of rows.
template <class Use>
void each_row(Scorer& scorer, std::size_t rows, std::vector<float>& block, const Use& use) {
  const auto vocab = static_cast<std::size_t>(scorer.vocab());
  const std::size_t step = std::max<std::size_t>(1, kBlockBytes / (vocab * sizeof(float)));
  block.resize(std::min(step, rows) * vocab);
  for (std::size_t first = 0; first < rows; first += step) {
    const std::size_t count = std::min(step, rows - first);
    scorer.logits(first, count, std::span(block).first(count * vocab));
    for (std::size_t i = 0; i < count; ++i)
      use(first + i, std::span<const float>(block).subspan(i * vocab, vocab));
  }
}

Json score_line(Scorer& scorer, const ScoreRequest& request, SafetensorsWriter* logits_file) {
  scorer.run(request.ids);
  Json logprobs = Json::array({nullptr});
  Json top = Json::array({nullptr});
  const std::string tensor = fmt::format("logits.{}", request.line);
  std::vector<float> block;
  const std::size_t rows = request.ids.size();
  each_row(scorer, rows, block, [&](std::size_t row, std::span<const float> logits) {
    if (logits_file != nullptr)
      logits_file->write_part(tensor, row * logits.size_bytes(), std::as_bytes(logits));
    if (row + 1 == rows) return;  // nothing follows to be scored
    const double logprob = log_probability(logits, request.ids[row + 1]);
    if (!std::isfinite(logprob)) throw NonfiniteError(fmt::format("logits after position {}", row));
    logprobs.push_back(logprob);
    if (request.top > 0) top.push_back(top_tokens(logits, request.top));
  });
  Json out{{"ids", request.ids}, {"logprobs", logprobs}};
  if (request.top > 0) out["top"] = top;
  return out;
}

// Every line's tensor is declared before the first is scored; this also finds a bad line before any
// work.
std::vector<TensorSpec> logits_specs(const ScoreOptions& options, const Checkpoint& checkpoint) {
  std::vector<TensorSpec> specs;
  RequestMaker maker(checkpoint, options);
  const std::int64_t vocab = checkpoint.spec().vocab;
  read_jsonl(options.input, vocab, [&](const JsonlRecord& record) {
    const auto tokens = static_cast<std::int64_t>(maker.make(record).ids.size());
    specs.push_back({fmt::format("logits.{}", record.line), DType::kF32, {tokens, vocab}});
  });
  return specs;
}

}  // namespace

int run_score(const ScoreOptions& options, const GlobalOptions&) {
  prepare_engine(options.engine);
  // Refuses a target that cannot be before any work; the file lies in it until it is complete.
  std::optional<AtomicFolder> staging;
  if (options.logits) staging.emplace(*options.logits);
  const LoadedModel model = load_model(options.model);
  std::unique_ptr<SafetensorsWriter> logits_file;
  if (staging)
    logits_file = std::make_unique<SafetensorsWriter>(
        staging->path(), logits_specs(options, model.checkpoint), UINT64_MAX);
  RequestMaker maker(model.checkpoint, options);
  explain_nonfinite({&model.checkpoint}, [&] {
    read_jsonl(options.input, model.scorer->vocab(), [&](const JsonlRecord& record) {
      const ScoreRequest request = maker.make(record);
      fmt::print("{}\n", score_line(*model.scorer, request, logits_file.get()).dump());
      std::fflush(stdout);
    });
  });
  if (logits_file) {
    logits_file->finish();
    move_durably(staging->path() / "model.safetensors", *options.logits);
  }
  return 0;
}

}  // namespace pith

// Perplexity of one model, and the distance of others from a base model, in one streamed walk over the windows.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "pith/base/json.h"
#include "pith/evaluation/scorer.h"
#include "pith/evaluation/windows.h"

namespace pith {

// exp(nll_nats / predictions), except per-line, where `perplexity` is the mean of the lines' perplexities.
struct PerplexityResult {
  double perplexity = 0;
  double nll_nats = 0;              // sum over predictions
  double standard_error = 0;        // of the mean nll: sd / sqrt(predictions - 1)
  std::uint64_t predictions = 0, windows = 0, tokens = 0;  // tokens: of the stream that was windowed
  std::int64_t window = 0;
  std::optional<std::int64_t> stride;
  Convention convention = Convention::kGptq;
  BosRule bos = BosRule::kNone;
  std::optional<double> word_perplexity, byte_perplexity, bits_per_byte;  // lm-eval
  std::string engine, activations;
  double seconds = 0;               // run() and logits() of this model only
  double tokens_per_second = 0;     // input tokens of all windows / seconds
  std::uint64_t peak_bytes = 0;     // see compare_models
};
Json to_json(const PerplexityResult& result);  // the keys of design section 4

// KL(base || other) in nats over all scored positions.
struct DivergenceResult {
  double kl_mean = 0, kl_median = 0, kl_p99 = 0;
  double kl_standard_error = 0;     // of the mean, over the windows' means
  double top1_agreement = 0;        // share of positions with the same argmax (lowest index on ties)
};
Json to_json(const DivergenceResult& result);

struct ComparedModel {
  PerplexityResult perplexity;
  DivergenceResult divergence;
};
struct Comparison {
  PerplexityResult base;
  std::vector<ComparedModel> others;
};

// Walks the windows once. For each, the base's logits are made once and every other model's are set against them, in blocks of
// rows, so memory does not grow with the vocabulary times the window. NLL and KL are computed from f32 logits in double.
// With no `others` it is a plain evaluation. peak_bytes of a model: memory when it had been loaded less memory before (given
// as `loaded_bytes`, in the order base, others) plus the growth during its own passes.
struct ModelUnderTest {
  Scorer* scorer = nullptr;         // borrowed
  std::uint64_t loaded_bytes = 0;
};
Comparison compare_models(const ModelUnderTest& base, std::span<const ModelUnderTest> others,
                          std::span<const ScoredWindow> windows, const WindowOptions& options, BosRule bos,
                          std::span<const Document> documents);

// log softmax(logits)[target] in nats, computed in double from f32.
double log_probability(std::span<const float> logits, std::int32_t target);

}  // namespace pith

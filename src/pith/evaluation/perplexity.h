// Perplexity of one model, and the distance of others from a base model, in one streamed walk over
// the windows. Source: decoding-and-evaluation card 5.
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

// exp(nll_nats / predictions), except per-line, where `perplexity` is the mean of the lines'
// perplexities.
struct PerplexityResult {
  double perplexity = 0;
  double nll_nats = 0;  // sum over predictions
  double standard_error =
      0;  // of the mean nll: sd / sqrt(predictions - 1); NaN (JSON null) for one
  std::uint64_t predictions = 0, windows = 0;
  std::uint64_t tokens = 0;  // of the text that was windowed, BOS not counted
  std::int64_t window = 0;
  std::optional<std::int64_t> stride;
  Convention convention = Convention::kGptq;
  BosRule bos = BosRule::kNone;
  std::optional<double> word_perplexity, byte_perplexity, bits_per_byte;  // lm-eval
  std::string engine, activations;
  double seconds = 0;            // run() and logits() of this model only
  double tokens_per_second = 0;  // input tokens of all windows / seconds
  std::uint64_t peak_bytes = 0;  // see compare_models
};
Json to_json(const PerplexityResult& result);  // the keys of design section 4

// KL(base || other) in nats over all scored positions.
struct DivergenceResult {
  double kl_mean = 0, kl_median = 0, kl_p99 = 0;
  // Of the mean, over the windows' means (weighted by their positions); NaN (JSON null) for one
  // window.
  double kl_standard_error = 0;
  double top1_agreement = 0;  // share of positions with the same argmax (lowest index on ties)
  double log_perplexity_ratio = 0;  // ln(perplexity of other / perplexity of base)
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

// One model of a comparison.
struct ModelUnderTest {
  Scorer* scorer = nullptr;  // borrowed
  std::uint64_t loaded_bytes = 0;
};

// Walks the windows once. For each, the base's logits are made once and every other model's are set
// against them, in blocks of rows, so memory does not grow with the vocabulary times the window.
// Sums are kept in double, in an order that does not depend on the number of threads. With no
// `others` it is a plain evaluation. peak_bytes of a model: memory when it had been loaded less
// memory before (given as `loaded_bytes`) plus the growth during its own passes.
// Throws UserError if a window is longer than a model's context, if a token is outside a
// vocabulary, or if the vocabularies differ; FormatError for logits that are not finite, saying
// where.
Comparison compare_models(const ModelUnderTest& base,
                          std::span<const ModelUnderTest> others,
                          std::span<const ScoredWindow> windows,
                          const WindowOptions& options,
                          BosRule bos,
                          std::span<const Document> documents);

// log softmax(logits)[target] in nats.
double log_probability(std::span<const float> logits, std::int32_t target);

}  // namespace pith

#include "pith/evaluation/perplexity.h"

#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "pith/base/error.h"
#include "pith/base/memory.h"
#include "pith/base/progress.h"
#include "pith/base/threads.h"
#include "pith/evaluation/perplexity_sums.h"
#include "pith/evaluation/row_math.h"

namespace pith {
namespace {

// Logits of one model that are held at a time: enough rows for every thread, and small beside a
// model.
constexpr std::size_t kBlockBytes = std::size_t{32} << 20;

// The passes of one model, with their time and their memory.
class Passes {
 public:
  explicit Passes(const ModelUnderTest& model) : model_(model) {}

  void run(const ScoredWindow& window) {
    timed([&] { metered([&] { model_.scorer->run(window.input); }); });
    input_tokens_ += window.input.size();
    metered_logits_ = false;
  }

  // Blocks of a window are alike and the first is not the smallest, so only its memory is looked
  // at.
  void logits(std::size_t first, std::size_t count, std::span<float> out) {
    const auto make = [&] { timed([&] { model_.scorer->logits(first, count, out); }); };
    if (metered_logits_)
      make();
    else
      metered(make);
    metered_logits_ = true;
  }

  void fill(PerplexityResult& result) const {
    result.engine = model_.scorer->engine();
    result.activations = model_.scorer->activations();
    result.seconds = seconds_;
    result.tokens_per_second = seconds_ > 0 ? static_cast<double>(input_tokens_) / seconds_ : 0.0;
    result.peak_bytes = model_.loaded_bytes + static_cast<std::uint64_t>(growth_);
  }

 private:
  template <class Body>
  void timed(Body&& body) {
    const auto start = std::chrono::steady_clock::now();
    body();
    seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

  // Other models' passes lie between those of this one, so what its passes left behind is carried
  // on.
  template <class Body>
  void metered(Body&& body) {
    // What an earlier model's passes freed must not hide this one's growth.
    ::malloc_trim(0);
    reset_memory_peak();
    const auto before = static_cast<std::int64_t>(memory_now().resident_bytes);
    body();
    const auto peak = static_cast<std::int64_t>(memory_peak_bytes());
    ::malloc_trim(0);  // what is free is not kept
    const auto after = static_cast<std::int64_t>(memory_now().resident_bytes);
    growth_ = std::max(growth_, kept_ + std::max(peak, after) - before);
    kept_ += after - before;
  }

  ModelUnderTest model_;
  double seconds_ = 0;
  std::uint64_t input_tokens_ = 0;
  std::int64_t kept_ = 0, growth_ = 0;  // bytes
  bool metered_logits_ = false;
};

struct Row {
  RowSummary summary;
  double nll = 0;
  float kl = 0;
  bool same_top = false;
};

// One model's share of the walk: its passes, what was made of a block of its logits, and the sums.
struct Model {
  Model(const ModelUnderTest& model, std::size_t documents, std::size_t block_rows)
      : passes(model), rows(block_rows), nll(documents) {}

  Passes passes;
  std::vector<Row> rows;
  NllSums nll;
  DivergenceSums divergence;  // of others
};

class Walk {
 public:
  Walk(const ModelUnderTest& base,
       std::span<const ModelUnderTest> others,
       std::size_t documents,
       std::size_t longest)
      : vocab_(static_cast<std::size_t>(base.scorer->vocab())),
        block_rows_(std::clamp<std::size_t>(kBlockBytes / (vocab_ * sizeof(float)), 1, longest)),
        base_(base, documents, block_rows_),
        base_logits_(block_rows_ * vocab_),
        other_logits_(others.empty() ? 0 : block_rows_ * vocab_) {
    for (const ModelUnderTest& other : others) others_.emplace_back(other, documents, block_rows_);
  }

  void take(const ScoredWindow& window) {
    base_.passes.run(window);
    for (Model& other : others_) other.passes.run(window);
    const std::size_t count = window.targets.size();
    for (std::size_t first = 0; first < count; first += block_rows_) {
      const std::size_t rows = std::min(block_rows_, count - first);
      take_rows(window, first, rows);
    }
    for (Model& other : others_) other.divergence.end_window();
  }

  const Model& base() const { return base_; }
  std::vector<Model>& others() { return others_; }

 private:
  std::span<const float> row_of(const std::vector<float>& logits, std::size_t row) const {
    return std::span(logits).subspan(row * vocab_, vocab_);
  }

  void take_rows(const ScoredWindow& window, std::size_t first, std::size_t rows) {
    const auto targets = std::span(window.targets).subspan(first, rows);
    score(base_, base_logits_, window, first, targets);
    add_nll(base_, window, rows);
    for (Model& other : others_) {
      score(other, other_logits_, window, first, targets);
      compare(other, rows);
      add_nll(other, window, rows);
      for (std::size_t r = 0; r < rows; ++r)
        other.divergence.add(other.rows[r].kl, other.rows[r].same_top);
    }
  }

  void score(Model& model,
             std::vector<float>& logits,
             const ScoredWindow& window,
             std::size_t first,
             std::span<const std::int32_t> targets) {
    const std::size_t count = targets.size();
    model.passes.logits(
        window.first_position + first, count, std::span(logits).first(count * vocab_));
    parallel_for(count, 1, [&](std::size_t begin, std::size_t end) {
      for (std::size_t r = begin; r < end; ++r) {
        const std::span<const float> row = row_of(logits, r);
        model.rows[r].summary = math_.summarize(row.data(), row.size());
        model.rows[r].nll = -log_probability(row, model.rows[r].summary, targets[r]);
      }
    });
    for (std::size_t r = 0; r < count; ++r)
      if (!std::isfinite(model.rows[r].nll)) fail_not_finite(model.rows[r].nll, window, first + r);
  }

  // Sets the rows in other_logits_ against those of the base.
  void compare(Model& other, std::size_t count) {
    parallel_for(count, 1, [&](std::size_t begin, std::size_t end) {
      for (std::size_t r = begin; r < end; ++r) {
        const RowSummary& base = base_.rows[r].summary;
        Row& row = other.rows[r];
        row.kl = static_cast<float>(kl_divergence(
            row_of(base_logits_, r), base, row_of(other_logits_, r), row.summary, math_));
        row.same_top = row.summary.argmax == base.argmax;
      }
    });
    for (std::size_t r = 0; r < count; ++r)
      if (!std::isfinite(other.rows[r].kl))
        throw FormatError(
            "KL(base || other): expected finite logits wherever the base's are, found a "
            "token that only the other model excludes");
  }

  static void add_nll(Model& model, const ScoredWindow& window, std::size_t count) {
    for (std::size_t r = 0; r < count; ++r) model.nll.add(model.rows[r].nll, window.document);
  }

  [[noreturn]] static void fail_not_finite(double found,
                                           const ScoredWindow& window,
                                           std::size_t target) {
    throw NonfiniteError(ErrorParts{
        .place = fmt::format("prediction of token {} after position {}",
                             window.targets[target],
                             window.first_position + target),
        .expected = "a finite log-probability",
        .found = std::isnan(found) ? "nan" : fmt::format("{}", found),  // its sign says nothing
        .remedy = "a weight may be broken or an activation have overflowed its type"});
  }

  std::size_t vocab_;
  std::size_t block_rows_;
  const RowMath& math_ = row_math();
  Model base_;
  std::vector<Model> others_;
  std::vector<float> base_logits_, other_logits_;  // [block_rows_, vocab_]; the others take turns
};

std::size_t longest_input(std::span<const ScoredWindow> windows) {
  std::size_t longest = 0;
  for (const ScoredWindow& window : windows) longest = std::max(longest, window.input.size());
  return longest;
}

void check_windows(const Scorer& scorer, std::span<const ScoredWindow> windows) {
  const std::size_t longest = longest_input(windows);
  require(longest <= static_cast<std::size_t>(scorer.context()),
          "window: expected at most the model's context of {} tokens, found a window of {}; use "
          "--window {}",
          scorer.context(),
          longest,
          scorer.context());
  const auto check_id = [&](std::int32_t id) {
    require(id >= 0 && id < scorer.vocab(),
            "text: expected token ids of the model's vocabulary, 0 to {}, found {}",
            scorer.vocab() - 1,
            id);
  };
  for (const ScoredWindow& window : windows) {
    std::for_each(window.input.begin(), window.input.end(), check_id);
    std::for_each(window.targets.begin(), window.targets.end(), check_id);
  }
}

void check_models(const ModelUnderTest& base,
                  std::span<const ModelUnderTest> others,
                  std::span<const ScoredWindow> windows) {
  PITH_CHECK(!windows.empty());
  check_windows(*base.scorer, windows);
  for (const ModelUnderTest& other : others) {
    require(
        other.scorer->vocab() == base.scorer->vocab(),
        "models to compare: expected one vocabulary, found {} and {} tokens; logits can only be "
        "compared token by token",
        base.scorer->vocab(),
        other.scorer->vocab());
    check_windows(*other.scorer, windows);
  }
}

PerplexityResult result_of(const Model& model,
                           const PerplexityResult& protocol,
                           std::span<const Document> documents) {
  PerplexityResult result = protocol;
  model.passes.fill(result);
  model.nll.fill(result, documents);
  return result;
}

}  // namespace

Comparison compare_models(const ModelUnderTest& base,
                          std::span<const ModelUnderTest> others,
                          std::span<const ScoredWindow> windows,
                          const WindowOptions& options,
                          BosRule bos,
                          std::span<const Document> documents) {
  check_models(base, others, windows);
  start_memory_meter();
  Walk walk(base, others, documents.size(), longest_input(windows));
  Progress progress("evaluating", windows.size(), "windows");
  for (const ScoredWindow& window : windows) {
    walk.take(window);
    progress.advance();
  }

  PerplexityResult protocol;
  protocol.windows = windows.size();
  protocol.tokens = windowed_tokens(documents, options);
  protocol.window = options.window;
  protocol.stride = stride_of(options);
  protocol.convention = options.convention;
  protocol.bos = bos;
  Comparison out{result_of(walk.base(), protocol, documents), {}};
  for (Model& other : walk.others()) {
    out.others.push_back({result_of(other, protocol, documents), other.divergence.result()});
    out.others.back().divergence.log_perplexity_ratio =
        std::log(out.others.back().perplexity.perplexity / out.base.perplexity);
  }
  return out;
}

double log_probability(std::span<const float> logits, std::int32_t target) {
  return log_probability(logits, row_math().summarize(logits.data(), logits.size()), target);
}

Json to_json(const PerplexityResult& result) {
  Json json = {{"perplexity", result.perplexity},
               {"nll_nats", result.nll_nats},
               {"standard_error", result.standard_error},
               {"predictions", result.predictions},
               {"windows", result.windows},
               {"tokens", result.tokens},
               {"window", result.window},
               {"stride", result.stride ? Json(*result.stride) : Json(nullptr)},
               {"convention", std::string(to_string(result.convention))},
               {"bos", std::string(to_string(result.bos))}};
  if (result.word_perplexity) json["word_perplexity"] = *result.word_perplexity;
  if (result.byte_perplexity) json["byte_perplexity"] = *result.byte_perplexity;
  if (result.bits_per_byte) json["bits_per_byte"] = *result.bits_per_byte;
  json["engine"] = result.engine;
  json["activations"] = result.activations;
  json["seconds"] = result.seconds;
  json["tokens_per_second"] = result.tokens_per_second;
  json["peak_bytes"] = result.peak_bytes;
  return json;
}

Json to_json(const DivergenceResult& result) {
  return {{"kl_mean", result.kl_mean},
          {"kl_median", result.kl_median},
          {"kl_p99", result.kl_p99},
          {"kl_standard_error", result.kl_standard_error},
          {"top1_agreement", result.top1_agreement},
          {"log_perplexity_ratio", result.log_perplexity_ratio}};
}

}  // namespace pith

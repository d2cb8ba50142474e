#include "pith/evaluation/perplexity.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <numbers>
#include <numeric>

#include "pith/base/error.h"
#include "pith/base/random.h"
#include "pith/base/test_support.h"
#include "pith/base/threads.h"
#include "pith/evaluation/fake_scorer.h"
#include "pith/evaluation/perplexity_sums.h"

namespace pith {
namespace {

using ::testing::HasSubstr;
using Ids = std::vector<std::int32_t>;

void uniform(std::int32_t, std::span<float> row) { std::fill(row.begin(), row.end(), 3.3f); }

// Logits that depend on the token and on `salt`; rows of different salts differ by about `size`.
FakeScorer::Logits noise(std::uint64_t salt, float size) {
  return [=](std::int32_t token, std::span<float> row) {
    const Random base(1, static_cast<std::uint64_t>(token)), change(salt, 77);
    for (std::size_t i = 0; i < row.size(); ++i)
      row[i] =
          2 * base.normal(i) + size * change.normal(i + 1000 * static_cast<std::size_t>(token));
  };
}

std::vector<Document> random_text(std::size_t tokens, std::uint64_t vocab) {
  const Random random(5, 0);
  Document document;
  for (std::size_t i = 0; i < tokens; ++i)
    document.ids.push_back(static_cast<std::int32_t>(random.below(i, vocab)));
  return {document};
}

Comparison compare(const std::vector<Scorer*>& scorers,
                   const std::vector<Document>& documents,
                   const WindowOptions& options,
                   std::optional<std::int32_t> bos = std::nullopt) {
  std::vector<ModelUnderTest> models;
  for (Scorer* scorer : scorers) models.push_back({scorer, 0});
  const auto windows = make_windows(documents, options, bos, std::nullopt);
  return compare_models(models.front(),
                        std::span(models).subspan(1),
                        windows,
                        options,
                        bos_rule(options.convention, bos.has_value()),
                        documents);
}

PerplexityResult perplexity(Scorer& scorer,
                            const std::vector<Document>& documents,
                            const WindowOptions& options,
                            std::optional<std::int32_t> bos = std::nullopt) {
  return compare({&scorer}, documents, options, bos).base;
}

TEST(Perplexity, OfAUniformModelIsItsVocabularyInEveryConvention) {
  const auto documents = random_text(100, 37);
  for (const auto& [convention, name] : kConventionNames) {
    FakeScorer scorer(37, 64, uniform);
    const auto result = perplexity(scorer, documents, {.convention = convention, .window = 10}, 0);
    // Only log, the sum in double and exp round.
    EXPECT_NEAR(result.perplexity, 37.0, 37 * 1e-13) << name;
    EXPECT_NEAR(result.nll_nats, static_cast<double>(result.predictions) * std::log(37.0), 1e-10);
    EXPECT_NEAR(result.standard_error, 0.0, 1e-7);
  }
}

TEST(Perplexity, OfABigramModelIsTheEntropyOfItsText) {
  // From 0: 0.9 / 0.1; from 1: 0.5 / 0.5. Stationary 5/6, 1/6.
  constexpr double kNext[2][2] = {{0.9, 0.1}, {0.5, 0.5}};
  FakeScorer scorer(2, 4096, [&](std::int32_t token, std::span<float> row) {
    for (std::size_t i = 0; i < 2; ++i) row[i] = static_cast<float>(std::log(kNext[token][i]));
  });
  const Random random(9, 0);
  Document document{{0}};
  double nll = 0, squares = 0;
  for (std::size_t i = 1; i < 40'961; ++i) {
    const std::int32_t last = document.ids.back();
    const std::int32_t next = random.uniform(i) < kNext[last][0] ? 0 : 1;
    nll -= std::log(kNext[last][next]);
    squares += std::log(kNext[last][next]) * std::log(kNext[last][next]);
    document.ids.push_back(next);
  }
  const auto result =
      perplexity(scorer, {document}, {.convention = Convention::kChunk, .window = 4096});
  EXPECT_EQ(result.predictions, 40'960u);
  EXPECT_NEAR(result.nll_nats, nll, nll * 3e-7);
  const double mean = nll / 40'960;
  EXPECT_NEAR(result.standard_error, std::sqrt((squares / 40'960 - mean * mean) / 40'959), 1e-7);
  const double entropy =
      -(5.0 / 6 * (0.9 * std::log(0.9) + 0.1 * std::log(0.1))) + 1.0 / 6 * std::numbers::ln2;
  EXPECT_NEAR(std::log(result.perplexity), entropy, 4 * result.standard_error);
}

TEST(Perplexity, SumsFirstAndExponentiatesOnce) {
  NllSums sums(2);
  for (int i = 0; i < 1023; ++i) sums.add(2.0, 0);
  for (int i = 0; i < 100; ++i) sums.add(4.0, 1);
  const std::vector<Document> documents(2);
  PerplexityResult result;
  sums.fill(result, documents);
  EXPECT_NEAR(result.perplexity, 8.829, 5e-4);  // card 5
  result.convention = Convention::kPerLine;
  sums.fill(result, documents);
  EXPECT_NEAR(result.perplexity, (std::exp(2.0) + std::exp(4.0)) / 2, 1e-12);
}

TEST(Perplexity, StandardErrorIsThatOfLlamaCpp) {
  NllSums sums(1);
  for (const double nll : {1.0, 2.0, 3.0, 6.0}) sums.add(nll, 0);
  PerplexityResult result;
  sums.fill(result, std::vector<Document>(1));
  EXPECT_DOUBLE_EQ(result.standard_error, std::sqrt((50.0 / 4 - 9) / 3));
  NllSums one(1);
  one.add(1.0, 0);
  one.fill(result, std::vector<Document>(1));
  EXPECT_TRUE(to_json(result).at("standard_error").dump() == "null");
}

TEST(Perplexity, WordAndByteFiguresCountTheScoredDocumentsOnly) {
  FakeScorer scorer(8, 16, uniform);
  std::vector<Document> documents{{{1, 2, 3, 4}, 2, 9}, {{}, 1, 0}, {{5, 6}, 1, 7}, {{7}, 50, 50}};
  const WindowOptions options{.convention = Convention::kLmEval, .window = 4, .max_tokens = 6};
  const auto result = perplexity(scorer, documents, options, 0);
  EXPECT_EQ(result.predictions, 6u);
  EXPECT_NEAR(*result.word_perplexity, std::pow(8.0, 6.0 / 3), 1e-9);
  EXPECT_NEAR(*result.byte_perplexity, std::pow(8.0, 6.0 / 16), 1e-12);
  EXPECT_NEAR(*result.bits_per_byte, 6.0 * 3 / 16, 1e-12);
  EXPECT_EQ(result.tokens, 6u);
}

TEST(Perplexity, ResultCarriesItsProtocol) {
  FakeScorer scorer(8, 16, uniform);
  const auto json =
      to_json(perplexity(scorer,
                         random_text(100, 8),
                         {.convention = Convention::kHfStride, .window = 8, .max_tokens = 50}));
  EXPECT_EQ(json.at("convention"), "hf-stride");
  EXPECT_EQ(json.at("bos"), "none");
  EXPECT_EQ(json.at("window"), 8);
  EXPECT_EQ(json.at("stride"), 4);
  EXPECT_EQ(json.at("tokens"), 50);
  EXPECT_EQ(json.at("predictions"), 49);
  EXPECT_EQ(json.at("windows"), 12);
  EXPECT_EQ(json.at("engine"), "fake");
  EXPECT_EQ(json.at("activations"), "f32");
  EXPECT_GT(json.at("seconds"), 0);
  EXPECT_NEAR(json.at("tokens_per_second").get<double>() * json.at("seconds").get<double>(),
              12 * 8 - 2,
              1e-6);
  EXPECT_FALSE(json.contains("word_perplexity"));
  const auto gptq = to_json(perplexity(scorer, random_text(100, 8), {.window = 8}, 1));
  EXPECT_TRUE(gptq.at("stride").is_null());
  EXPECT_EQ(gptq.at("bos"), "stream");
}

// What compare_models should find, in plain double.
struct Naive {
  double kl_mean = 0, kl_median = 0, kl_p99 = 0, kl_standard_error = 0, top1_agreement = 0;
};

std::vector<double> naive_log_softmax(FakeScorer::Logits logits,
                                      std::int32_t token,
                                      std::size_t vocab) {
  std::vector<float> row(vocab);
  logits(token, row);
  double sum = 0;
  for (const float x : row) sum += std::exp(double{x});
  std::vector<double> out;
  for (const float x : row) out.push_back(double{x} - std::log(sum));
  return out;
}

Naive naive_divergence(const FakeScorer::Logits& base,
                       const FakeScorer::Logits& other,
                       std::size_t vocab,
                       std::span<const ScoredWindow> windows) {
  std::vector<double> all, means;
  double agreements = 0;
  for (const ScoredWindow& window : windows) {
    double sum = 0;
    for (std::size_t t = 0; t < window.targets.size(); ++t) {
      const std::int32_t token = window.input[window.first_position + t];
      const auto p = naive_log_softmax(base, token, vocab);
      const auto q = naive_log_softmax(other, token, vocab);
      double kl = 0;
      for (std::size_t i = 0; i < vocab; ++i) kl += std::exp(p[i]) * (p[i] - q[i]);
      agreements += std::max_element(p.begin(), p.end()) - p.begin() ==
                    std::max_element(q.begin(), q.end()) - q.begin();
      all.push_back(kl);
      sum += kl;
    }
    means.push_back(sum / static_cast<double>(window.targets.size()));
  }
  Naive out;
  std::sort(all.begin(), all.end());
  const auto at = [&](double share) {
    const double place = share * static_cast<double>(all.size() - 1);
    const auto i = static_cast<std::size_t>(place);
    return all[i] +
           (place - static_cast<double>(i)) * (all[std::min(i + 1, all.size() - 1)] - all[i]);
  };
  out.kl_mean = std::accumulate(all.begin(), all.end(), 0.0) / static_cast<double>(all.size());
  out.kl_median = at(0.5);
  out.kl_p99 = at(0.99);
  out.top1_agreement = agreements / static_cast<double>(all.size());
  for (const double mean : means)
    out.kl_standard_error += (mean - out.kl_mean) * (mean - out.kl_mean);
  const auto count = static_cast<double>(means.size());
  out.kl_standard_error = std::sqrt(out.kl_standard_error / (count - 1) / count);
  return out;
}

TEST(Divergence, EqualsAPlainComputationInDouble) {
  constexpr std::size_t kVocab = 101;
  const auto documents = random_text(200, kVocab);
  const WindowOptions options{.window = 20};
  const auto windows = make_windows(documents, options, std::nullopt, std::nullopt);
  for (const float size : {0.01f, 0.3f, 3.0f}) {
    FakeScorer base(kVocab, 64, noise(1, 0)), other(kVocab, 64, noise(2, size));
    const auto found = compare({&base, &other}, documents, options).others.at(0).divergence;
    const auto expected = naive_divergence(noise(1, 0), noise(2, size), kVocab, windows);
    const double bound = 6e-7 + 3e-7 * size * 5;  // as in row_math_test
    EXPECT_NEAR(found.kl_mean, expected.kl_mean, bound);
    EXPECT_NEAR(found.kl_median, expected.kl_median, bound);
    EXPECT_NEAR(found.kl_p99, expected.kl_p99, bound);
    EXPECT_NEAR(found.kl_standard_error, expected.kl_standard_error, bound);
    EXPECT_EQ(found.top1_agreement, expected.top1_agreement);
    EXPECT_GT(found.kl_mean, 0);
  }
}

TEST(Divergence, OfAModelFromItselfIsZero) {
  FakeScorer base(101, 64, noise(1, 0.5f)), same(101, 64, noise(1, 0.5f));
  const auto result = compare({&base, &same}, random_text(200, 101), {.window = 20});
  const DivergenceResult& d = result.others[0].divergence;
  EXPECT_EQ(d.kl_mean, 0);
  EXPECT_EQ(d.kl_p99, 0);
  EXPECT_EQ(d.kl_standard_error, 0);
  EXPECT_EQ(d.top1_agreement, 1);
  EXPECT_EQ(d.log_perplexity_ratio, 0);
  EXPECT_EQ(result.base.perplexity, result.others[0].perplexity.perplexity);
}

TEST(Divergence, TiesAgreeOnTheLowestIndex) {
  const auto two_tops = [](std::int32_t, std::span<float> row) {
    std::fill(row.begin(), row.end(), 0.0f);
    row[3] = row[20] = 1;
  };
  const auto low_top = [](std::int32_t, std::span<float> row) {
    std::fill(row.begin(), row.end(), 0.0f);
    row[3] = 1;
  };
  const auto high_top = [](std::int32_t, std::span<float> row) {
    std::fill(row.begin(), row.end(), 0.0f);
    row[20] = 1;
  };
  FakeScorer base(30, 8, two_tops), low(30, 8, low_top), high(30, 8, high_top);
  const auto result = compare({&base, &low, &high}, random_text(50, 30), {.window = 8});
  EXPECT_EQ(result.others[0].divergence.top1_agreement, 1);
  EXPECT_EQ(result.others[1].divergence.top1_agreement, 0);
}

TEST(Divergence, WeighsWindowsByTheirPositions) {
  DivergenceSums sums;
  for (const float kl : {1.0f, 1.0f, 1.0f}) sums.add(kl, true);
  sums.end_window();
  sums.add(5.0f, false);
  sums.end_window();
  const DivergenceResult result = sums.result();
  EXPECT_EQ(result.kl_mean, 2);
  EXPECT_EQ(result.kl_median, 1);
  EXPECT_DOUBLE_EQ(result.kl_p99, 1 + 0.97 * 4);
  EXPECT_EQ(result.top1_agreement, 0.75);
  // Deviations of the windows' sums from 2 a position: 3 - 6 and 5 - 2.
  EXPECT_DOUBLE_EQ(result.kl_standard_error, std::sqrt(2.0 / 1 * (9 + 9)) / 4);
}

TEST(Divergence, OneWindowHasNoStandardError) {
  FakeScorer base(8, 16, noise(1, 0)), other(8, 16, noise(2, 1));
  const auto json =
      to_json(compare({&base, &other}, random_text(16, 8), {.window = 16}).others[0].divergence);
  EXPECT_EQ(json.at("kl_standard_error").dump(), "null");
  EXPECT_GT(json.at("kl_mean"), 0);
  for (const char* key : {"kl_median", "kl_p99", "top1_agreement", "log_perplexity_ratio"})
    EXPECT_TRUE(json.at(key).is_number()) << key;
}

TEST(CompareModels, ResultsDoNotDependOnThreadsOrOnBlocks) {
  constexpr std::int64_t kVocab = 300'000;  // 27 rows a block
  const auto cheap = [](int salt) {
    return [salt](std::int32_t token, std::span<float> row) {
      std::uint32_t state = static_cast<std::uint32_t>(token * 7919 + salt);
      for (float& x : row) {
        state = state * 1664525u + 1013904223u;
        x = static_cast<float>(state >> 8) * 0x1p-22f;
      }
    };
  };
  const auto documents = random_text(60, 1000);
  std::vector<std::string> found;
  for (const int threads : {1, 2, 3}) {
    set_num_threads(threads);
    FakeScorer base(kVocab, 64, cheap(0)), other(kVocab, 64, cheap(1));
    Comparison result = compare({&base, &other}, documents, {.window = 60});
    EXPECT_EQ(base.runs, 1);
    EXPECT_EQ(base.blocks, 3);
    Json json = {to_json(result.others[0].divergence),
                 result.base.nll_nats,
                 result.base.standard_error,
                 result.others[0].perplexity.nll_nats};
    found.push_back(json.dump());
  }
  set_num_threads(physical_cores());
  EXPECT_EQ(found[0], found[1]);
  EXPECT_EQ(found[0], found[2]);
}

TEST(CompareModels, MakesTheBaseLogitsOnce) {
  FakeScorer base(20, 64, noise(1, 0)), a(20, 64, noise(2, 1)), b(20, 64, noise(3, 1));
  const auto result = compare({&base, &a, &b}, random_text(100, 20), {.window = 25});
  EXPECT_EQ(base.runs, 4);
  EXPECT_EQ(base.blocks, 4);
  EXPECT_EQ(a.runs, 4);
  ASSERT_EQ(result.others.size(), 2u);
  EXPECT_NEAR(result.others[1].divergence.log_perplexity_ratio,
              std::log(result.others[1].perplexity.perplexity / result.base.perplexity),
              1e-15);
}

// Takes `bytes` while it runs, and keeps some of it until the next run. In pieces of which the heap
// holds on to those before the last, as tensor libraries leave them.
class HungryScorer : public FakeScorer {
 public:
  HungryScorer(std::size_t bytes, std::size_t kept)
      : FakeScorer(8, 64, uniform), bytes_(bytes), kept_(kept) {}
  void run(std::span<const std::int32_t> ids) override {
    keep_.clear();
    keep_.shrink_to_fit();
    keep_.resize(kept_, 1);
    last_ = {};
    constexpr std::size_t kPiece = std::size_t{64} << 10;
    const std::vector<std::vector<char>> passing(bytes_ / kPiece, std::vector<char>(kPiece, 1));
    last_.assign(kPiece + kPiece / 2, 1);  // fits no hole between them
    FakeScorer::run(ids);
    sum += passing.back()[ids.size()];
  }
  int sum = 0;

 private:
  std::size_t bytes_, kept_;
  std::vector<char> keep_;
  std::vector<char> last_;
};

// AddressSanitizer keeps freed memory in quarantine and adds red zones, so its peaks are larger.
#if defined(__SANITIZE_ADDRESS__)
constexpr bool kMemoryIsPadded = true;
#elif defined(__has_feature)
constexpr bool kMemoryIsPadded =
    __has_feature(address_sanitizer) || __has_feature(thread_sanitizer);
#else
constexpr bool kMemoryIsPadded = false;
#endif

TEST(CompareModels, PeakIsOfTheModelsOwnPasses) {
  constexpr double kTolerance = kMemoryIsPadded ? 160 : 8;  // MiB
  constexpr std::size_t kMiB = std::size_t{1} << 20;
  HungryScorer small(1 * kMiB, 0), large(96 * kMiB, 32 * kMiB);
  const auto documents = random_text(64, 8);
  const auto windows = make_windows(documents, {.window = 16}, std::nullopt, std::nullopt);
  const std::vector<ModelUnderTest> others{{&large, 5 * kMiB}};
  const auto result = compare_models(
      {&small, 1000 * kMiB}, others, windows, {.window = 16}, BosRule::kNone, documents);
  EXPECT_NEAR(static_cast<double>(result.base.peak_bytes) / kMiB, 1001, kTolerance);
  EXPECT_NEAR(
      static_cast<double>(result.others[0].perplexity.peak_bytes) / kMiB, 5 + 96 + 32, kTolerance);
}

TEST(CompareModels, RefusesWhatAModelDoesNotTake) {
  FakeScorer base(8, 16, uniform), wide(9, 16, uniform), shorter(8, 10, uniform);
  const auto documents = random_text(40, 8);
  const auto message = [&](const std::vector<Scorer*>& scorers, std::int64_t window) {
    return message_of<UserError>([&] { compare(scorers, documents, {.window = window}); });
  };
  EXPECT_EQ(message({&base}, 17),
            "window: expected at most the model's context of 16 tokens, found a window of 17; use "
            "--window 16");
  EXPECT_THAT(message({&base, &shorter}, 16), HasSubstr("context of 10 tokens"));
  EXPECT_EQ(message({&base, &wide}, 16),
            "models to compare: expected one vocabulary, found 8 and 9 tokens; logits can only be "
            "compared token by token");
  const std::vector<Document> foreign{{{1, 2, 8, 3}}};
  EXPECT_EQ(message_of<UserError>([&] { compare({&base}, foreign, {.window = 4}); }),
            "text: expected token ids of the model's vocabulary, 0 to 7, found 8");
  const std::vector<Document> negative{{{1, -2, 5, 3}}};
  EXPECT_THAT(message_of<UserError>([&] { compare({&base}, negative, {.window = 4}); }),
              HasSubstr("found -2"));
}

TEST(CompareModels, SaysWhereLogitsAreNotFinite) {
  const auto broken = [](std::int32_t token, std::span<float> row) {
    uniform(token, row);
    if (token == 3) row[7] = std::nanf("");
  };
  FakeScorer good(9, 16, uniform), bad(9, 16, broken);
  const std::vector<Document> documents{{{1, 2, 3, 5}}};
  EXPECT_EQ(
      message_of<FormatError>([&] {
        compare({&good, &bad}, documents, {.window = 4});
      }),
      "prediction of token 5 after position 2: expected a finite log-probability, found nan; a "
      "weight may be broken or an activation have overflowed its type");
  const auto excluding = [](std::int32_t token, std::span<float> row) {
    uniform(token, row);
    row[8] = -INFINITY;
  };
  FakeScorer less(9, 16, excluding);
  EXPECT_THAT(message_of<FormatError>([&] {
                compare({&good, &less}, documents, {.window = 4});
              }),
              HasSubstr("a token that only the other model excludes"));
  EXPECT_GT(compare({&less, &good}, documents, {.window = 4}).others[0].divergence.kl_mean, 0.1);
}

TEST(LogProbability, OfOneRow) {
  const std::vector<float> row{0.0f, std::log(3.0f)};
  EXPECT_NEAR(log_probability(row, 0), std::log(0.25), 1e-7);
  EXPECT_NEAR(log_probability(row, 1), std::log(0.75), 1e-7);
}

}  // namespace
}  // namespace pith

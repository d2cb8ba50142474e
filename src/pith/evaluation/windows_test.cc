#include "pith/evaluation/windows.h"

#include <gmock/gmock.h>

#include <numeric>
#include <tuple>

#include "pith/base/error.h"
#include "pith/base/test_support.h"

namespace pith {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;
using Ids = std::vector<std::int32_t>;

constexpr std::int32_t kBos = 900'001, kEos = 900'002;

// Tokens 0, 1, 2, ...: a token's id is its place in the stream.
Document counting(std::size_t count) {
  Document document;
  document.ids.resize(count);
  std::iota(document.ids.begin(), document.ids.end(), 0);
  return document;
}

std::vector<ScoredWindow> windows_of(std::size_t tokens,
                                     const WindowOptions& options,
                                     std::optional<std::int32_t> bos = std::nullopt) {
  const std::vector<Document> documents{counting(tokens)};
  return make_windows(documents, options, bos, std::nullopt);
}

std::size_t predictions(const std::vector<ScoredWindow>& windows) {
  std::size_t count = 0;
  for (const ScoredWindow& window : windows) count += window.targets.size();
  return count;
}

// Every target follows, in the stream of counting(), the input token that predicts it.
void expect_targets_follow_inputs(const std::vector<ScoredWindow>& windows) {
  for (const ScoredWindow& window : windows) {
    ASSERT_LE(window.first_position + window.targets.size(), window.input.size());
    for (std::size_t t = 0; t < window.targets.size(); ++t) {
      const std::int32_t input = window.input[window.first_position + t];
      EXPECT_EQ(window.targets[t], input == kBos || input == kEos ? 0 : input + 1);
    }
  }
}

TEST(Gptq, DisjointWindowsScoreAllButTheirFirstToken) {
  const auto windows = windows_of(11, {.window = 4});
  ASSERT_EQ(windows.size(), 2u);
  EXPECT_THAT(windows[1].input, ElementsAre(4, 5, 6, 7));
  EXPECT_THAT(windows[1].targets, ElementsAre(5, 6, 7));
  EXPECT_EQ(windows[1].first_position, 0u);
}

TEST(Gptq, CountsOfKnownTexts) {
  const auto smollm2 = windows_of(303'415, {});  // WikiText-2 test, issue 4
  EXPECT_EQ(smollm2.size(), 148u);
  EXPECT_EQ(predictions(smollm2), 302'956u);
  EXPECT_EQ(windows_of(341'469, {.window = 2048}).size(), 166u);
  EXPECT_EQ(windows_of(341'469, {.window = 4096}).size(), 83u);
}

TEST(Gptq, BosStandsOnceAtTheStart) {
  const auto windows = windows_of(8, {.window = 4}, kBos);
  ASSERT_EQ(windows.size(), 2u);
  EXPECT_THAT(windows[0].input, ElementsAre(kBos, 0, 1, 2));
  EXPECT_THAT(windows[1].input, ElementsAre(3, 4, 5, 6));
  expect_targets_follow_inputs(windows);
  EXPECT_EQ(windows_of(3, {.window = 4}, kBos).size(), 1u);
}

TEST(Chunk, TargetsAreShiftedByOneAcrossTheBorder) {
  const auto windows = windows_of(5, {.convention = Convention::kChunk, .window = 2});
  ASSERT_EQ(windows.size(), 2u);
  EXPECT_THAT(windows[0].input, ElementsAre(0, 1));
  EXPECT_THAT(windows[0].targets, ElementsAre(1, 2));
  EXPECT_THAT(windows[1].input, ElementsAre(2, 3));
  EXPECT_THAT(windows[1].targets, ElementsAre(3, 4));
  EXPECT_EQ(windows_of(4, {.convention = Convention::kChunk, .window = 2}).size(), 1u);
}

TEST(Chunk, CountsOfKnownTexts) {
  const WindowOptions options{.convention = Convention::kChunk, .window = 1024};
  const auto gpt2 = windows_of(287'644, options);
  EXPECT_EQ(gpt2.size(), 280u);
  EXPECT_EQ(predictions(gpt2), 280u * 1024);
  EXPECT_EQ(windows_of(60'967, options).size(), 59u);
  EXPECT_TRUE(std::equal(gpt2[0].input.begin(),
                         gpt2[0].input.end(),
                         windows_of(287'644, options, kBos)[0].input.begin()));  // no BOS
}

// (begin, end, target length) as the card writes them: the length counts a first token that is not
// scored.
using Triple = std::tuple<int, int, int>;
std::vector<Triple> triples(std::size_t tokens, std::int64_t window, std::int64_t stride) {
  std::vector<Triple> out;
  const auto windows =
      windows_of(tokens, {.convention = Convention::kHfStride, .window = window, .stride = stride});
  expect_targets_follow_inputs(windows);
  for (const ScoredWindow& w : windows) {
    const int begin = w.input.front(), end = w.input.back() + 1;
    const bool own_first = begin == 0 || stride == window;
    out.emplace_back(begin, end, static_cast<int>(w.targets.size()) + (own_first ? 1 : 0));
  }
  return out;
}

TEST(HfStride, ExamplesOfTheCard) {
  EXPECT_THAT(triples(10, 4, 2),
              ElementsAre(Triple{0, 4, 4}, Triple{2, 6, 2}, Triple{4, 8, 2}, Triple{6, 10, 2}));
  EXPECT_THAT(triples(10, 4, 4), ElementsAre(Triple{0, 4, 4}, Triple{4, 8, 4}, Triple{8, 10, 2}));
  EXPECT_THAT(triples(11, 4, 3),
              ElementsAre(Triple{0, 4, 4}, Triple{3, 7, 3}, Triple{6, 10, 3}, Triple{9, 11, 1}));
}

TEST(HfStride, ScoresEveryTokenButTheFirstExactlyOnceWhenWindowsOverlap) {
  for (std::size_t n : {2u, 3u, 7u, 64u, 65u, 100u}) {
    for (std::int64_t window : {2, 3, 8, 64}) {
      for (std::int64_t stride = 1; stride < window; stride += 1 + window / 7) {
        SCOPED_TRACE(fmt::format("n={} window={} stride={}", n, window, stride));
        std::vector<int> scored(n);
        const auto windows = windows_of(
            n, {.convention = Convention::kHfStride, .window = window, .stride = stride});
        expect_targets_follow_inputs(windows);
        for (const ScoredWindow& w : windows)
          for (const std::int32_t target : w.targets) ++scored[static_cast<std::size_t>(target)];
        EXPECT_EQ(scored[0], 0);
        EXPECT_EQ(std::count(scored.begin() + 1, scored.end(), 1), static_cast<long>(n) - 1);
      }
    }
  }
}

TEST(HfStride, AStrideOfAWindowGivesTheDisjointWindowsOfGptqAndTheTail) {
  const auto stride =
      windows_of(11, {.convention = Convention::kHfStride, .window = 4, .stride = 4});
  const auto disjoint = windows_of(11, {.window = 4});
  ASSERT_EQ(stride.size(), disjoint.size() + 1);
  for (std::size_t w = 0; w < disjoint.size(); ++w) {
    EXPECT_EQ(stride[w].input, disjoint[w].input);
    EXPECT_EQ(stride[w].targets, disjoint[w].targets);
  }
  EXPECT_THAT(stride.back().targets, ElementsAre(9, 10));
  // A tail of one token has nothing to score.
  EXPECT_EQ(windows_of(9, {.convention = Convention::kHfStride, .window = 4, .stride = 4}).size(),
            2u);
}

TEST(HfStride, DefaultStrideIsHalfAWindow) {
  EXPECT_EQ(stride_of({.convention = Convention::kHfStride, .window = 8}), 4);
  EXPECT_EQ(stride_of({.window = 8}), std::nullopt);
  EXPECT_EQ(windows_of(12, {.convention = Convention::kHfStride, .window = 8}).size(), 2u);
}

TEST(LlamaCpp, ScoresTheSecondHalfOfEachWindow) {
  const WindowOptions options{.convention = Convention::kLlamaCpp, .window = 512};
  const auto windows = windows_of(2000, options);
  EXPECT_EQ(windows.size(), 3u);
  EXPECT_EQ(predictions(windows), 3u * 255);
  EXPECT_EQ(windows[1].first_position, 256u);
  EXPECT_EQ(windows[1].targets.front(), 512 + 257);
  EXPECT_EQ(windows[1].targets.back(), 512 + 511);
  expect_targets_follow_inputs(windows);
}

TEST(LlamaCpp, BosReplacesTheFirstTokenOfEachWindow) {
  const auto windows = windows_of(10, {.convention = Convention::kLlamaCpp, .window = 5}, kBos);
  ASSERT_EQ(windows.size(), 2u);
  EXPECT_THAT(windows[1].input, ElementsAre(kBos, 6, 7, 8, 9));
  EXPECT_THAT(windows[1].targets, ElementsAre(8, 9));  // 5 - 1 - 5 / 2 of them
  EXPECT_EQ(windows[1].first_position, 2u);
}

TEST(LmEval, RollingWindowsOfTheCard) {
  const auto windows = windows_of(10, {.convention = Convention::kLmEval, .window = 4}, kBos);
  ASSERT_EQ(windows.size(), 3u);
  EXPECT_THAT(windows[0].input, ElementsAre(kBos, 0, 1, 2));
  EXPECT_THAT(windows[0].targets, ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(windows[1].input, ElementsAre(3, 4, 5, 6));
  EXPECT_THAT(windows[1].targets, ElementsAre(4, 5, 6, 7));
  EXPECT_THAT(windows[2].input, ElementsAre(5, 6, 7, 8));
  EXPECT_THAT(windows[2].targets, ElementsAre(8, 9));
  EXPECT_EQ(windows[2].first_position, 2u);
}

TEST(LmEval, EveryTokenOfEveryDocumentIsScoredOnce) {
  for (std::int64_t window : {1, 2, 3, 5, 8}) {
    std::vector<Document> documents;
    for (std::size_t length : {1u, 0u, 2u, 5u, 8u, 17u}) documents.push_back(counting(length));
    const auto windows = make_windows(
        documents, {.convention = Convention::kLmEval, .window = window}, std::nullopt, kEos);
    expect_targets_follow_inputs(windows);
    std::vector<std::size_t> scored(documents.size());
    for (const ScoredWindow& w : windows) {
      EXPECT_LE(w.input.size(), static_cast<std::size_t>(window));
      EXPECT_EQ(w.targets.front(), static_cast<std::int32_t>(scored[w.document]));
      scored[w.document] += w.targets.size();
    }
    EXPECT_THAT(scored, ElementsAre(1, 0, 2, 5, 8, 17));
  }
}

TEST(LmEval, NeedsAPrefix) {
  const std::vector<Document> documents{counting(3)};
  const auto make = [&] {
    make_windows(documents, {.convention = Convention::kLmEval}, std::nullopt, std::nullopt);
  };
  EXPECT_EQ(message_of<UserError>(make),
            "convention lm-eval: expected a BOS or EOS token to put in front of each document, "
            "found neither in the model; use another --convention");
}

TEST(PerLine, EachLineAloneWithBos) {
  const std::vector<Document> documents{{{7, 8, 9}}, {{}}, {{5}}, {{1, 2, 3, 4, 5, 6}}};
  const WindowOptions options{.convention = Convention::kPerLine, .window = 4};
  const auto windows = make_windows(documents, options, kBos, std::nullopt);
  ASSERT_EQ(windows.size(), 3u);
  EXPECT_THAT(windows[0].input, ElementsAre(kBos, 7, 8, 9));
  EXPECT_THAT(windows[0].targets, ElementsAre(7, 8, 9));
  EXPECT_THAT(windows[1].targets, ElementsAre(5));
  EXPECT_THAT(windows[2].targets, ElementsAre(1, 2, 3));  // cut, as max_length - 1 does there
  EXPECT_EQ(windows[2].document, 3u);
}

TEST(PerLine, WithoutBosTheFirstTokenIsNotScored) {
  const std::vector<Document> documents{{{7, 8, 9}}, {{5}}};
  const WindowOptions options{.convention = Convention::kPerLine, .window = 4};
  const auto windows = make_windows(documents, options, std::nullopt, kEos);
  ASSERT_EQ(windows.size(), 1u);
  EXPECT_THAT(windows[0].targets, ElementsAre(8, 9));
}

TEST(MaxTokens, CutsAStreamAndKeepsDocumentsWhole) {
  EXPECT_EQ(windows_of(100, {.window = 10, .max_tokens = 35}).size(), 3u);
  EXPECT_EQ(windows_of(20, {.window = 10, .max_tokens = 35}).size(), 2u);
  const std::vector<Document> documents{counting(4), counting(5), counting(1)};
  const WindowOptions options{.convention = Convention::kLmEval, .window = 100, .max_tokens = 8};
  const auto windows = make_windows(documents, options, kBos, std::nullopt);
  EXPECT_EQ(predictions(windows), 4u);
  EXPECT_EQ(windowed_tokens(documents, options), 4u);
  EXPECT_EQ(windowed_tokens(documents, {.max_tokens = 8}), 8u);
  EXPECT_EQ(windowed_tokens(documents, {}), 10u);
}

TEST(MakeWindows, SaysWhenNothingWouldBeScored) {
  const auto message = [](std::size_t tokens,
                          const WindowOptions& options,
                          std::optional<std::int32_t> bos = std::nullopt) {
    return message_of<UserError>([&] { windows_of(tokens, options, bos); });
  };
  EXPECT_EQ(message(100, {}),
            "convention gptq with a window of 2048: expected at least 2048 tokens, found 100 "
            "tokens; use a longer text or a smaller --window");
  EXPECT_EQ(message(5000, {.max_tokens = 100}),
            "convention gptq with a window of 2048: expected at least 2048 tokens, found 100 "
            "tokens (max-tokens cut 5000); raise --max-tokens");
  EXPECT_THAT(message(8, {.convention = Convention::kChunk, .window = 8}),
              testing::HasSubstr("at least 9 tokens, found 8 tokens"));
  EXPECT_THAT(message(1, {.convention = Convention::kHfStride, .window = 8}),
              testing::HasSubstr("at least 2 tokens, found 1 tokens"));
  EXPECT_THAT(message(7, {.convention = Convention::kLlamaCpp, .window = 8}),
              testing::HasSubstr("at least 8 tokens, found 7 tokens"));
  EXPECT_THAT(message(0, {.convention = Convention::kLmEval, .window = 8}, kBos),
              testing::HasSubstr("at least 1 tokens in one document, found 0 tokens"));
  EXPECT_THAT(message(1, {.convention = Convention::kPerLine, .window = 8}),
              testing::HasSubstr("at least 2 tokens in one document, found 1 tokens"));
}

TEST(MakeWindows, OneTokenMoreThanNeededToSayNothingIsEnough) {
  EXPECT_EQ(predictions(windows_of(2048, {})), 2047u);
  EXPECT_EQ(predictions(windows_of(9, {.convention = Convention::kChunk, .window = 8})), 8u);
  EXPECT_EQ(predictions(windows_of(2, {.convention = Convention::kHfStride, .window = 8})), 1u);
  EXPECT_EQ(predictions(windows_of(8, {.convention = Convention::kLlamaCpp, .window = 8})), 3u);
  EXPECT_EQ(predictions(windows_of(2, {.convention = Convention::kPerLine, .window = 8})), 1u);
}

TEST(MakeWindows, ChecksItsOptions) {
  const auto message = [](const WindowOptions& options) {
    return message_of<UserError>([&] { windows_of(100, options, kBos); });
  };
  EXPECT_EQ(message({.window = 1}),
            "window: expected at least 2 tokens for convention gptq, found 1");
  EXPECT_EQ(message({.convention = Convention::kLlamaCpp, .window = 2}),
            "window: expected at least 3 tokens for convention llama.cpp, found 2");
  EXPECT_EQ(message({.convention = Convention::kLmEval, .window = -4}),
            "window: expected at least 1 tokens for convention lm-eval, found -4");
  EXPECT_EQ(message({.window = 8, .stride = 4}),
            "stride: found 4, but convention gptq has none; use --convention hf-stride");
  EXPECT_EQ(message({.convention = Convention::kHfStride, .window = 8, .stride = 9}),
            "stride: expected 1 to 8 (the window), found 9");
  EXPECT_EQ(message({.window = 8, .max_tokens = 0}), "max-tokens: expected at least 1, found 0");
}

TEST(BosRule, OfEachConvention) {
  EXPECT_EQ(bos_rule(Convention::kGptq, true), BosRule::kStream);
  EXPECT_EQ(bos_rule(Convention::kLmEval, true), BosRule::kStream);
  EXPECT_EQ(bos_rule(Convention::kLlamaCpp, true), BosRule::kWindow);
  EXPECT_EQ(bos_rule(Convention::kPerLine, true), BosRule::kWindow);
  EXPECT_EQ(bos_rule(Convention::kChunk, true), BosRule::kNone);
  EXPECT_EQ(bos_rule(Convention::kHfStride, true), BosRule::kNone);
  EXPECT_EQ(bos_rule(Convention::kGptq, false), BosRule::kNone);
}

}  // namespace
}  // namespace pith

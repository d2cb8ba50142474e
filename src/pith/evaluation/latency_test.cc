#include "pith/evaluation/latency.h"

#include <gmock/gmock.h>

#include <thread>

#include "pith/base/error.h"
#include "pith/base/test_support.h"

namespace pith {
namespace {

using ::testing::ElementsAre;

// Remembers its calls; the next token is always the number of calls so far.
class FakeStepper : public Stepper {
 public:
  std::int64_t vocab() const override { return 50; }
  std::int64_t context() const override { return 64; }
  std::string engine() const override { return "fake"; }
  std::string activations() const override { return "int8"; }
  std::vector<std::int32_t> prefill(std::span<const std::int32_t> ids,
                                    std::size_t batch,
                                    KeepCache keep_cache) override {
    prefills.emplace_back(ids.begin(), ids.end());
    kept = keep_cache == KeepCache::kYes;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    return std::vector<std::int32_t>(batch, ++calls);
  }
  std::vector<std::int32_t> step(std::span<const std::int32_t> ids) override {
    steps.emplace_back(ids.begin(), ids.end());
    return std::vector<std::int32_t>(ids.size(), ++calls);
  }

  std::vector<std::vector<std::int32_t>> prefills, steps;
  bool kept = false;
  int calls = 0;
};

TEST(Latency, FiguresOfTheRepeats) {
  // The card's example: median of 10, 11, 12, 13, 50 is 12, the mean 19.2.
  std::vector<LatencyTiming> timings;
  for (const double total : {50.0, 10.0, 12.0, 11.0, 13.0}) timings.push_back({2.0, total * 10});
  const auto result = summarize_latency({.batch = 12, .new_tokens = 10}, timings);
  EXPECT_DOUBLE_EQ(result.median_s_per_token, 12);
  EXPECT_DOUBLE_EQ(result.mean_s_per_token, 19.2);
  EXPECT_DOUBLE_EQ(result.p10_s_per_token, 10.4);
  EXPECT_DOUBLE_EQ(result.p90_s_per_token, 35.2);
  EXPECT_DOUBLE_EQ(result.tokens_per_second, 1.0);  // 12 sequences, 12 s a token
  EXPECT_DOUBLE_EQ(result.first_token_seconds, 2);
  EXPECT_DOUBLE_EQ(result.next_token_seconds, (120.0 - 2) / 9);
}

TEST(Latency, KvTakesThePromptOnceAndThenSingleTokens) {
  FakeStepper stepper;
  const LatencyOptions options{.batch = 3, .context = 20, .new_tokens = 5};
  const auto result = measure_latency(stepper, options);
  ASSERT_EQ(stepper.prefills.size(), 6u);  // five repeats and the one that warms up
  EXPECT_EQ(stepper.prefills[0].size(), 3u * 15);
  EXPECT_EQ(stepper.prefills[5], stepper.prefills[0]);
  EXPECT_TRUE(stepper.kept);
  ASSERT_EQ(stepper.steps.size(), 6u * 4);
  EXPECT_THAT(stepper.steps[0], ElementsAre(1, 1, 1));
  for (const std::int32_t id : stepper.prefills[0]) EXPECT_TRUE(id >= 0 && id < 50);
  EXPECT_GE(result.first_token_seconds, 0.002);
  EXPECT_GT(result.peak_bytes, 0u);
  EXPECT_GT(result.threads, 0);
}

TEST(Latency, RecomputeSendsTheLastTokensOfTheContextEachTime) {
  FakeStepper stepper;
  const LatencyOptions options{
      .protocol = LatencyProtocol::kRecompute, .batch = 2, .context = 4, .new_tokens = 3};
  const auto result = measure_latency(stepper, options);
  ASSERT_EQ(stepper.prefills.size(), 6u * 3);
  EXPECT_TRUE(stepper.steps.empty());
  EXPECT_FALSE(stepper.kept);
  const auto& prompt = stepper.prefills[0];
  EXPECT_THAT(stepper.prefills[2],
              ElementsAre(prompt[2], prompt[3], 1, 2, prompt[6], prompt[7], 1, 2));
  EXPECT_EQ(stepper.prefills[3], prompt);
  EXPECT_GE(result.median_s_per_token, 0.002);
}

TEST(Latency, JsonCarriesTheProtocol) {
  FakeStepper stepper;
  const auto json = to_json(measure_latency(
      stepper, {.protocol = LatencyProtocol::kRecompute, .context = 4, .new_tokens = 2}));
  EXPECT_EQ(json.at("protocol"), "recompute");
  EXPECT_EQ(json.at("batch"), 1);
  EXPECT_EQ(json.at("context"), 4);
  EXPECT_EQ(json.at("new_tokens"), 2);
  EXPECT_EQ(json.at("repeats"), 5);
  EXPECT_EQ(json.at("engine"), "fake");
  EXPECT_EQ(json.at("activations"), "int8");
  // Rule 5 of card 9b: reciprocal, times the batch.
  EXPECT_DOUBLE_EQ(json.at("tokens_per_second").get<double>() *
                       json.at("median_seconds_per_token").get<double>(),
                   1.0);
}

TEST(Latency, DefaultsAreThoseOfTheDocuments) {
  const LatencyOptions options;
  EXPECT_EQ(options.new_tokens, 50);
  EXPECT_EQ(options.context, 1024);
}

TEST(Latency, ChecksItsOptions) {
  FakeStepper stepper;
  const auto message = [&](const LatencyOptions& options) {
    return message_of<UserError>([&] { measure_latency(stepper, options); });
  };
  EXPECT_EQ(message({}), "context: expected at most the model's 64 tokens, found 1024");
  EXPECT_EQ(message({.batch = 0, .context = 60}), "batch: expected at least 1, found 0");
  EXPECT_EQ(message({.context = 60, .new_tokens = 1}), "new-tokens: expected at least 2, found 1");
  EXPECT_EQ(message({.context = 60, .repeats = 4}), "repeats: expected at least 5, found 4");
  EXPECT_EQ(message({.context = 50}), "context: expected at least 51, found 50");
  EXPECT_EQ(message({.protocol = LatencyProtocol::kRecompute, .context = 0}),
            "context: expected at least 1, found 0");
}

}  // namespace
}  // namespace pith

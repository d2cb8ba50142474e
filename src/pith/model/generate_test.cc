#include "pith/model/generate.h"

#include <gmock/gmock.h>

#include <array>
#include <cmath>
#include <map>

#include "pith/base/error.h"

namespace pith {
namespace {

using ::testing::HasSubstr;

std::string golden(const std::string& name) {
  return std::string(PITH_SOURCE_DIR) + "/tests/golden/model/" + name;
}

TEST(SampleToken, GreedyTakesTheLowestIndexOnTies) {
  EXPECT_EQ(sample_token(std::array{0.0F, 2.0F, 2.0F}, {}, 0), 1);
}

// Decoding card, section 2: z = [2, 1, .5, 0, -1] at temperature .8.
TEST(SampleToken, FollowsTheWorkedDistribution) {
  const std::array logits{2.0F, 1.0F, 0.5F, 0.0F, -1.0F};
  const std::array expected{.647055, .185385, .099229, .053114, .015217};
  constexpr int kDraws = 200000;
  std::map<int, int> counts;
  for (int i = 0; i < kDraws; ++i)
    ++counts[sample_token(logits, {.temperature = 0.8, .seed = 7}, static_cast<unsigned>(i))];
  for (int id = 0; id < 5; ++id) {
    const double p = expected[static_cast<std::size_t>(id)];
    // five standard deviations of a binomial share
    EXPECT_NEAR(counts[id] / double{kDraws}, p, 5 * std::sqrt(p * (1 - p) / kDraws)) << id;
  }
}

TEST(SampleToken, RefusesANegativeTemperature) {
  try {
    sample_token(std::array{0.0F}, {.temperature = -1}, 0);
    FAIL();
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), HasSubstr("temperature is -1, expected 0 or more"));
  }
}

TEST(Generate, GreedyEqualsTheArgmaxOfFullPasses) {
  for (const char* name : {"gpt2", "llama", "mistral-window", "qwen3"}) {
    SCOPED_TRACE(name);
    const Transformer model = Transformer::load(Checkpoint::open(golden(name)));
    std::vector<std::int32_t> ids{5, 17, 3};
    const Generation result = generate(model, ids, {.max_tokens = 20, .ignore_eos = true});
    ASSERT_EQ(result.ids.size(), 20U);
    for (const std::int32_t id : result.ids) {
      at::Tensor input = at::empty({1, static_cast<std::int64_t>(ids.size())}, at::kLong);
      std::copy(ids.begin(), ids.end(), input.data_ptr<std::int64_t>());
      const at::Tensor logits = model.logits(model.hidden(input)).select(1, input.size(1) - 1);
      EXPECT_EQ(logits.argmax().item<std::int64_t>(), id);
      ids.push_back(id);
    }
  }
}

TEST(Generate, StopsAtTheContextAndRepeatsWithTheSeed) {
  const Transformer model = Transformer::load(Checkpoint::open(golden("llama")));  // context 64
  const std::vector<std::int32_t> prompt(60, 1);
  const GenerateOptions options{
      .max_tokens = 100, .temperature = 1.5, .seed = 3, .ignore_eos = true};
  const Generation first = generate(model, prompt, options);
  EXPECT_EQ(first.ids.size(), 5U);  // 4 positions are left, and the last token needs none
  EXPECT_EQ(first.ids, generate(model, prompt, options).ids);
  GenerateOptions other = options;
  other.seed = 4;
  EXPECT_NE(first.ids, generate(model, prompt, other).ids);
}

TEST(Generate, RefusesBadPrompts) {
  const Transformer model = Transformer::load(Checkpoint::open(golden("llama")));
  const auto message = [&](const std::vector<std::int32_t>& prompt) -> std::string {
    try {
      generate(model, prompt, {});
    } catch (const UserError& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_THAT(message({}), HasSubstr("has no tokens"));
  EXPECT_THAT(message({1, 96}), HasSubstr("token 1 of the sequence is 96, expected 0 to 95"));
  EXPECT_THAT(message(std::vector<std::int32_t>(65, 1)), HasSubstr("context of 64"));
}

}  // namespace
}  // namespace pith

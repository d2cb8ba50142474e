#include <gtest/gtest.h>

#include <cmath>

#include "pith/base/json.h"
#include "pith/formats/config_rope.h"
#include "pith/formats/spec.h"
#include "pith/formats/test_files.h"

namespace pith {
namespace {

// transformers computes in float32: a power, a product or two, each within some ulp (2^-24 = 6e-8).
constexpr double kTolerance = 2e-6;

TEST(RopeFrequencies, PlainOnesArePowersOfTheta) {
  const RopeFrequencies plain = rope_frequencies({.theta = 10000}, 8, 64, 64);
  ASSERT_EQ(plain.inv_freq.size(), 4u);
  EXPECT_DOUBLE_EQ(plain.inv_freq[0], 1.0);
  EXPECT_DOUBLE_EQ(plain.inv_freq[1], 0.1);
  EXPECT_DOUBLE_EQ(plain.inv_freq[2], 0.01);
  EXPECT_DOUBLE_EQ(plain.inv_freq[3], 0.001);
  EXPECT_EQ(plain.attention_factor, 1.0);
}

TEST(RopeFrequencies, EqualTransformers) {
  const Json cases = read_json_file(golden("rope.json"));
  ASSERT_EQ(cases.size(), 28u);
  for (const JsonCursor& item : JsonCursor(cases, "rope.json").items()) {
    SCOPED_TRACE(item.json()["rope_parameters"].dump() + " length " + item.json()["length"].dump());
    const std::int64_t context = item.json()["context"];
    const RopeSpec rope = rope_from_config(item, context);
    const RopeFrequencies got =
        rope_frequencies(rope, item.json()["qk_dim"], context, item.json()["length"]);
    const auto expected = item.json()["inv_freq"].get<std::vector<double>>();
    ASSERT_EQ(got.inv_freq.size(), expected.size());
    for (std::size_t j = 0; j < expected.size(); ++j)
      EXPECT_NEAR(got.inv_freq[j] / expected[j], 1.0, kTolerance) << "frequency " << j;
    EXPECT_NEAR(got.attention_factor, item.json()["attention_factor"].get<double>(), 1e-12);
  }
}

TEST(RopeFrequencies, OnlyDynamicDependsOnTheLength) {
  for (const auto& row : enum_table(RopeScalingKind{})) {
    RopeSpec rope{.scaling = row.value, .factor = 4, .original_context = 32};
    const auto short_one = rope_frequencies(rope, 16, 32, 32).inv_freq;
    const auto long_one = rope_frequencies(rope, 16, 32, 100).inv_freq;
    EXPECT_EQ(short_one == long_one, row.value != RopeScalingKind::kDynamic) << row.name;
  }
}

TEST(RopeFrequencies, Llama3KeepsFastAndDividesSlowOnes) {
  const RopeSpec rope{
      .theta = 500000, .scaling = RopeScalingKind::kLlama3, .factor = 8, .original_context = 8192};
  const auto plain = rope_frequencies({.theta = 500000}, 128, 131072, 1).inv_freq;
  const auto scaled = rope_frequencies(rope, 128, 131072, 1).inv_freq;
  EXPECT_EQ(scaled.front(), plain.front());
  EXPECT_DOUBLE_EQ(scaled.back(), plain.back() / 8);
  for (std::size_t j = 1; j < scaled.size(); ++j) EXPECT_LT(scaled[j], scaled[j - 1]);
}

TEST(RopeFrequencies, OddWidthIsABrokenInvariant) {
  EXPECT_THROW(rope_frequencies({}, 7, 16, 16), InternalError);
}

}  // namespace
}  // namespace pith

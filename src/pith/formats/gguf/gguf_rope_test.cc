#include "pith/formats/gguf/gguf_rope.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "pith/base/error.h"
#include "pith/formats/gguf/gguf_test_files.h"

namespace pith {
namespace {

using ::testing::HasSubstr;

std::vector<std::byte> bytes_of(std::span<const float> values) {
  const auto bytes = std::as_bytes(values);
  return {bytes.begin(), bytes.end()};
}

GgufBuilder& add_factors(GgufBuilder& b, std::span<const float> factors) {
  return b.tensor("rope_freqs.weight", {factors.size()}, 0, bytes_of(factors));
}

TEST(GgufRope, ReadsLinearAndYarnScaling) {
  const auto rope = [](GgufBuilder b) { return spec_of(b).rope; };
  EXPECT_EQ(rope(small_llama()), RopeSpec{});
  EXPECT_EQ(rope(small_llama().f32("llama.rope.freq_base", 5e5f)).theta, 5e5);
  RopeSpec linear;
  linear.scaling = RopeScalingKind::kLinear;
  linear.factor = 4;
  EXPECT_EQ(rope(small_llama().f32("llama.rope.scale_linear", 4)), linear);
  EXPECT_EQ(rope(small_llama().f32("llama.rope.scaling.factor", 4)), linear);
  EXPECT_EQ(rope(small_llama()
                     .text("llama.rope.scaling.type", "linear")
                     .f32("llama.rope.scaling.factor", 1)),
            RopeSpec{});
  EXPECT_EQ(rope(small_llama()
                     .text("llama.rope.scaling.type", "none")
                     .f32("llama.rope.scaling.factor", 4)),
            RopeSpec{});
  GgufBuilder yarn = small_llama();
  yarn.text("llama.rope.scaling.type", "yarn").f32("llama.rope.scaling.factor", 4);
  RopeSpec short_yarn = linear;
  short_yarn.scaling = RopeScalingKind::kYarn;
  short_yarn.original_context = 32;
  EXPECT_EQ(rope(yarn), short_yarn);
  yarn.u32("llama.rope.scaling.original_context_length", 8)
      .f32("llama.rope.scaling.attn_factor", 2);
  yarn.f32("llama.rope.scaling.yarn_beta_fast", 16).f32("llama.rope.scaling.yarn_beta_slow", 2);
  const RopeSpec full = rope(yarn);
  EXPECT_EQ(full.original_context, 8);
  EXPECT_EQ(full.beta_fast, 16);
  EXPECT_EQ(full.beta_slow, 2);
  EXPECT_DOUBLE_EQ(full.attention_factor.value(), 2 * (0.1 * std::log(4.0) + 1));
  EXPECT_THAT(
      spec_error(yarn.f32("llama.rope.scaling.yarn_ext_factor", 0.5f)),
      HasSubstr(
          "'llama.rope.scaling.yarn_ext_factor': expected 1, found 0.5, which Pith does not have"));
}

TEST(GgufRope, RefusesOtherRopes) {
  EXPECT_NO_THROW(spec_of(small_llama().u32("llama.rope.dimension_count", 4)));
  EXPECT_THAT(
      spec_error(small_llama().u32("llama.rope.dimension_count", 2)),
      HasSubstr(
          "'llama.rope.dimension_count': expected 4, the width of a head, found 2; Pith has no"));
  EXPECT_THAT(spec_error(small_llama().u32s("llama.rope.dimension_sections", {1, 1})),
              HasSubstr("'llama.rope.dimension_sections': Pith has no sectioned RoPE"));
  EXPECT_THAT(spec_error(small_llama().f32_tensor("rope_factors_long.weight", {2})),
              HasSubstr("tensor 'rope_factors_long.weight': Pith has no longrope"));
  EXPECT_THAT(
      spec_error(small_llama().text("llama.rope.scaling.type", "longrope")),
      HasSubstr("'llama.rope.scaling.type': expected none, linear or yarn, found 'longrope'"));
  EXPECT_THAT(spec_error(small_llama().f32("llama.rope.scaling.factor", -2)),
              HasSubstr("'llama.rope.scaling.factor': expected a number above 0, found -2"));
}

// Files that the converter would have made from transformers' own frequencies.
TEST(GgufRope, RecoversLlama3Scaling) {
  for (const auto& c : golden_json("rope_factors.json")) {
    SCOPED_TRACE(c.at("name"));
    const std::vector<float> factors = c.at("factors");
    const auto rope = fit_llama3(factors, c.at("theta"));
    ASSERT_TRUE(rope.has_value());
    EXPECT_EQ(rope->scaling, RopeScalingKind::kLlama3);
    EXPECT_EQ(rope->theta, c.at("theta"));
    EXPECT_EQ(rope->factor, c.at("factor"));
    // Low, high and context may all be multiplied by the same number: compare what they mean.
    const double original = static_cast<double>(rope->original_context.value());
    EXPECT_DOUBLE_EQ(
        original / rope->low_freq_factor,
        c.at("original_context").get<double>() / c.at("low_freq_factor").get<double>());
    EXPECT_DOUBLE_EQ(
        original / rope->high_freq_factor,
        c.at("original_context").get<double>() / c.at("high_freq_factor").get<double>());
    const auto frequencies =
        rope_frequencies(*rope, 2 * static_cast<std::int64_t>(factors.size()), 131072, 1);
    for (std::size_t j = 0; j < factors.size(); ++j) {
      const double plain =
          std::pow(rope->theta, -static_cast<double>(j) / static_cast<double>(factors.size()));
      EXPECT_NEAR(plain / frequencies.inv_freq[j] / factors[j], 1, 1e-4) << j;
    }
  }
}

TEST(GgufRope, RefusesFactorsOfOtherKinds) {
  std::vector<float> factors = golden_json("rope_factors.json").at(0).at("factors");
  const std::size_t last = factors.size() - 1;
  ASSERT_EQ(factors[last], 8.0f);
  factors[last / 2] *= 1.01f;
  EXPECT_FALSE(fit_llama3(factors, 5e5).has_value());
  factors[0] = NAN;
  EXPECT_FALSE(fit_llama3(factors, 5e5).has_value());
  EXPECT_FALSE(fit_llama3(std::vector<float>{0, 0}, 1e4).has_value());
}

// Each would be compared with hundreds of candidates up to the last.
TEST(GgufRope, RefusesFactorsWithoutEnd) {
  std::vector<float> factors(4097, 1.0f);
  factors.back() = 8;
  EXPECT_FALSE(fit_llama3(factors, 1.0).has_value());
}

// llama.cpp's converter writes the one, which its graphs do not read; the other they always read.
TEST(GgufRope, FactorsOfAttention) {
  GgufBuilder yarn = small_llama();
  yarn.text("llama.rope.scaling.type", "yarn").f32("llama.rope.scaling.factor", 4);
  EXPECT_FALSE(
      spec_of(yarn.f32("llama.rope.scaling.yarn_attn_factor", 1.1f)).rope.attention_factor);
  GgufBuilder linear = small_llama();
  linear.f32("llama.rope.scaling.factor", 4).f32("llama.rope.scaling.attn_factor", 1.5f);
  EXPECT_THAT(spec_error(linear),
              HasSubstr("'llama.rope.scaling.attn_factor': Pith has it with yarn only, found 1.5 "
                        "with linear"));
}

TEST(GgufRope, ReadsFrequencyFactorsOfAFile) {
  GgufBuilder plain = small_llama();
  EXPECT_EQ(spec_of(add_factors(plain, std::vector<float>{1, 1})).rope, RopeSpec{});
  // Wavelengths 6.28 and 628 at theta 1e4: the longer one beyond a context of 512.
  GgufBuilder scaled = small_llama();
  const RopeSpec rope = spec_of(add_factors(scaled, std::vector<float>{1, 8})).rope;
  EXPECT_EQ(rope.scaling, RopeScalingKind::kLlama3);
  EXPECT_EQ(rope.factor, 8);
  EXPECT_THAT(
      spec_error(scaled.f32("llama.rope.scaling.factor", 2)),
      HasSubstr("tensor 'rope_freqs.weight': frequency factors and linear scaling at once"));
  GgufBuilder odd = small_llama();
  EXPECT_THAT(
      spec_error(add_factors(odd, std::vector<float>{3, 1})),
      HasSubstr("tensor 'rope_freqs.weight': expected factors of llama3 scaling with parameters "
                "in use, found others; convert the model"));
  GgufBuilder longer = small_llama();
  EXPECT_THAT(spec_error(add_factors(longer, std::vector<float>{1, 1, 1})),
              HasSubstr("tensor 'rope_freqs.weight': expected F32 [2], found F32 [3]"));
}

}  // namespace
}  // namespace pith

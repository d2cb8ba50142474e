#include "pith/codec/activations.h"

#include <cmath>
#include <limits>

#include "pith/codec/float_convert.h"
#include "pith/codec/test_support.h"

namespace pith {
namespace {

using Codes = std::vector<std::int8_t>;
using Columns = std::vector<std::uint32_t>;

const float kNan = std::numeric_limits<float>::quiet_NaN();

TEST(QuantizeTokensInt8, ExampleOfCard5) {
  const std::vector<float> x = {0.6f, -1, 0.25f, 2, 0.25f, -0.75f};
  Codes codes(6);
  std::vector<float> scales(2);
  quantize_tokens_int8(MatrixView<const float>(x.data(), 2, 3), codes, scales);
  EXPECT_EQ(codes, (Codes{76, -127, 32, 127, 16, -48}));
  EXPECT_NEAR(scales[0], 0.00787402, 1e-8);
  EXPECT_NEAR(scales[1], 0.01574803, 1e-8);
}

TEST(QuantizeTokensInt8, ZerosNanAndStrides) {
  const std::vector<float> x = {0, 0, 7, 1, kNan, 7, 5, -10, 7};
  Codes codes(6, 99);
  std::vector<float> scales(3);
  quantize_tokens_int8(MatrixView<const float>(x.data(), 3, 2, 3), codes, scales);
  EXPECT_EQ(codes, (Codes{0, 0, 0, 0, 64, -127}));
  EXPECT_EQ(scales[0], 0);
  EXPECT_TRUE(std::isnan(scales[1]));  // must reach the product
  EXPECT_EQ(scales[2], 10.0f / 127);
}

// Card 10's example under rule b: the small value of the outlier column counts for the scale.
TEST(LlmInt8, ExampleOfCard10) {
  const std::vector<float> x = {0.6f, -40, 1, 0.3f, 1, -0.4f};
  const MatrixView<const float> view(x.data(), 2, 3);
  const ActivationQuantization activation{ActivationScheme::kLlmInt8, 0, 0, 6.0f};
  const Columns outliers = outlier_columns(view, activation.threshold);
  EXPECT_EQ(outliers, Columns{1});
  Codes codes(6);
  std::vector<float> scales(2), rounded(6);
  quantize_activations(view, activation, outliers, codes, scales);
  EXPECT_EQ(codes, (Codes{76, 0, 127, 38, 0, -51}));
  EXPECT_EQ(scales, (std::vector<float>{1.0f / 127, 1.0f / 127}));
  round_activations(view, activation, outliers, rounded);
  EXPECT_EQ(rounded[1], -40.0f);
  EXPECT_EQ(rounded[4], 1.0f);
  EXPECT_EQ(rounded[5], -51 * (1.0f / 127));
}

TEST(LlmInt8, ComparesInHalfPrecision) {
  const std::vector<float> x = {5.9995f, 6.0f, -7.0f, 5.99f, 1e9f};  // 5.9995 is 6 in f16
  EXPECT_EQ(outlier_columns(MatrixView<const float>(x.data(), 1, 5), 6.0f), (Columns{0, 1, 2, 4}));
  EXPECT_EQ(outlier_columns(MatrixView<const float>(x.data(), 1, 5), 1e10f), Columns{4});  // inf
  EXPECT_TRUE(outlier_columns(MatrixView<const float>(x.data(), 0, 5), 6.0f).empty());
}

struct Scheme {
  ActivationQuantization activation;
  bool by_token = false;
};
const Scheme kSchemes[] = {
    {{ActivationScheme::kNone}, false},
    {{ActivationScheme::kDynamicInt8Token}, true},
    {{ActivationScheme::kStaticInt8Tensor, 0.02f, -9, 0}, true},
    {{ActivationScheme::kDynamicFp8Token}, true},
    {{ActivationScheme::kStaticFp8Tensor, 0.005f, 0, 0}, true},
    {{ActivationScheme::kLlmInt8, 0, 0, 2.0f}, false},
};

float half(float x) { return f16_to_f32(f32_to_f16(x)); }
float float8(float x) { return f8e4m3_to_f32(f32_to_f8e4m3(x)); }

// Element i of a token, by the formulas, one after the other.
float reference(const ActivationQuantization& a,
                std::span<const float> token,
                std::size_t i,
                bool outlier) {
  float largest = 0;
  for (const float x : token) {
    const bool counts = a.scheme != ActivationScheme::kLlmInt8 || std::abs(half(x)) < a.threshold;
    const float value = a.scheme == ActivationScheme::kLlmInt8 ? half(x) : x;
    if (counts) largest = std::max(largest, std::abs(value));
  }
  const float step = largest / 127;
  const auto zero = static_cast<float>(a.zero_point);
  switch (a.scheme) {
    case ActivationScheme::kNone:
      return token[i];
    case ActivationScheme::kDynamicInt8Token:
      return std::nearbyint(token[i] / step) * step;
    case ActivationScheme::kStaticInt8Tensor:
      return (std::clamp(std::nearbyint(token[i] / a.scale + zero), -128.0f, 127.0f) - zero) *
             a.scale;
    case ActivationScheme::kDynamicFp8Token:
      return float8(token[i] / (largest / 448)) * (largest / 448);
    case ActivationScheme::kStaticFp8Tensor:
      return float8(token[i] / a.scale) * a.scale;
    case ActivationScheme::kLlmInt8:
      return outlier ? token[i] : std::nearbyint(half(token[i]) * (127 / largest)) * step;
  }
  return kNan;
}

TEST(RoundActivations, FollowsTheFormulas) {
  for (const Scheme& scheme : kSchemes)
    for (const std::size_t cols : {1, 7, 8, 33, 100}) {
      SCOPED_TRACE(to_string(scheme.activation) + " cols=" + std::to_string(cols));
      const std::vector<float> x = normal_values(3 * cols, 1.5f, 5);
      const MatrixView<const float> view(x.data(), 3, cols);
      const bool llm = scheme.activation.scheme == ActivationScheme::kLlmInt8;
      const Columns outliers = llm ? outlier_columns(view, scheme.activation.threshold) : Columns{};
      std::vector<float> out(x.size());
      round_activations(view, scheme.activation, outliers, out);
      for (std::size_t t = 0; t < 3; ++t)
        for (std::size_t i = 0; i < cols; ++i) {
          const bool outlier = std::ranges::count(outliers, i) != 0;
          ASSERT_EQ(out[t * cols + i], reference(scheme.activation, view.row(t), i, outlier))
              << t << " " << i;
        }
    }
}

TEST(RoundActivations, SaturatesAndKeepsZeros) {
  const std::vector<float> x = {0, 0, 1000, -1000};
  const MatrixView<const float> view(x.data(), 2, 2);
  std::vector<float> out(4);
  round_activations(view, {ActivationScheme::kStaticFp8Tensor, 0.5f, 0, 0}, {}, out);
  EXPECT_EQ(out, (std::vector<float>{0, 0, 224, -224}));
  round_activations(view, {ActivationScheme::kStaticInt8Tensor, 0.5f, 1, 0}, {}, out);
  EXPECT_EQ(out, (std::vector<float>{0, 0, 63, -64.5f}));
  round_activations(view, {ActivationScheme::kDynamicFp8Token}, {}, out);
  EXPECT_EQ(out[0], 0);
  EXPECT_NEAR(out[3], -1000, 1e-3);
}

// The zero point is added before the rounding: 0.5 + 1 goes to 2, not to 0 + 1.
TEST(RoundActivations, TiesOfStaticInt8GoToTheEvenCode) {
  const std::vector<float> x = {0.5f, 1.5f, -0.5f};
  Codes codes(3);
  std::vector<float> scales(1);
  quantize_activations(MatrixView<const float>(x.data(), 1, 3),
                       {ActivationScheme::kStaticInt8Tensor, 1.0f, 1, 0},
                       {},
                       codes,
                       scales);
  EXPECT_EQ(codes, (Codes{2, 2, 0}));
  EXPECT_EQ(scales[0], 1.0f);
}

TEST(RoundActivations, BadNumbersSpoilTheirTokenOnly) {
  const std::vector<float> x = {1, kNan, 2, 3};
  for (const Scheme& scheme : kSchemes) {
    SCOPED_TRACE(to_string(scheme.activation));
    std::vector<float> out(4);
    round_activations(MatrixView<const float>(x.data(), 2, 2), scheme.activation, {}, out);
    EXPECT_TRUE(std::isnan(out[1]));
    EXPECT_EQ(std::isnan(out[0]), scheme.activation.scheme != ActivationScheme::kNone);
    EXPECT_FALSE(std::isnan(out[2]) || std::isnan(out[3]));
  }
}

TEST(RoundActivations, TokensDoNotSeeEachOther) {
  const std::size_t cols = 40;
  const std::vector<float> x = normal_values(5 * cols, 1, 9);
  for (const Scheme& scheme : kSchemes) {
    if (!scheme.by_token) continue;
    std::vector<float> all(x.size()), one(cols);
    const MatrixView<const float> view(x.data(), 5, cols);
    round_activations(view, scheme.activation, {}, all);
    round_activations(view.rows_from(3, 1), scheme.activation, {}, one);
    EXPECT_TRUE(std::equal(one.begin(), one.end(), all.begin() + 3 * cols));
  }
}

}  // namespace
}  // namespace pith

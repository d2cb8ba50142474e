#include <cmath>
#include <limits>

#include "pith/codec/float_convert.h"
#include "pith/codec/test_support.h"

namespace pith {
namespace {

TEST(QuantizeFloat8, TheLargestValueGetsTheLargestCode) {
  const std::vector<float> w = {1, -2, 0.5f, 0.3f, 0, 8, -1, 3};
  const PackedMatrix m = quantize_float8(source_of_values(w, 2), {});
  EXPECT_EQ(array_of<float>(m.buffer("scales").bytes),
            (std::vector<float>{2.0f / 448, 8.0f / 448}));
  const auto codes = bytes_of(m, "codes");
  EXPECT_EQ(codes[1], std::byte{0xfe});  // -448
  EXPECT_EQ(codes[5], std::byte{0x7e});
  EXPECT_EQ(m.dequantize()[4], 0.0f);
}

TEST(QuantizeFloat8, CodesAreThoseOfTheDefinition) {
  const std::vector<float> w = normal_values(9 * 37, 0.1f, 1);
  for (const DType format : {DType::kF8E4M3, DType::kF8E5M2}) {
    for (const Granularity granularity : {Granularity::kRow, Granularity::kTensor}) {
      const PackedMatrix m = quantize_float8(source_of_values(w, 9), {format, granularity});
      const std::vector<float> scales = array_of<float>(m.buffer("scales").bytes);
      ASSERT_EQ(scales.size(), granularity == Granularity::kRow ? 9u : 1u);
      const auto codes = bytes_of(m, "codes");
      const std::vector<float> decoded = m.dequantize();
      for (std::size_t i = 0; i < w.size(); ++i) {
        const float scale = scales.size() == 1 ? scales[0] : scales[i / 37];
        const std::uint8_t code =
            format == DType::kF8E4M3 ? f32_to_f8e4m3(w[i] / scale) : f32_to_f8e5m2(w[i] / scale);
        ASSERT_EQ(std::to_integer<std::uint8_t>(codes[i]), code);
        const float level = format == DType::kF8E4M3 ? f8e4m3_to_f32(code) : f8e5m2_to_f32(code);
        ASSERT_EQ(decoded[i], level * scale);
      }
    }
  }
}

TEST(QuantizeFloat8, ZerosAndSubnormals) {
  const std::vector<float> zeros(10);
  const PackedMatrix m = quantize_float8(source_of_values(zeros, 2), {});
  EXPECT_EQ(array_of<float>(m.buffer("scales").bytes), (std::vector<float>{1, 1}));
  EXPECT_EQ(m.dequantize(), zeros);
  const std::vector<float> tiny = {1e-44f, -3e-45f};
  const std::vector<float> back = quantize_float8(source_of_values(tiny, 1), {}).dequantize();
  EXPECT_EQ(back, tiny);  // the scale is the smallest subnormal, of which all subnormals here are
                          // small multiples
}

TEST(QuantizeFloat8, RefusesNanWithTheCount) {
  std::vector<float> w(12, 1.0f);
  w[3] = w[9] = std::numeric_limits<float>::quiet_NaN();
  for (const Granularity granularity : {Granularity::kRow, Granularity::kTensor})
    EXPECT_THAT(message_of<UserError>([&] {
                  quantize_float8(source_of_values(w, 3), {DType::kF8E4M3, granularity});
                }),
                ::testing::HasSubstr("weight [3, 4]: expected finite values, found "));
}

TEST(QuantizeFloat8, BlocksShareAScaleInBothDirections) {
  constexpr std::size_t kRows = 7, kCols = 10, kBlock = 4;
  const std::vector<float> w = normal_values(kRows * kCols, 0.1f, 5);
  const Float8Encoding encoding{DType::kF8E4M3, Granularity::kGroup, DType::kBF16, kBlock};
  const PackedMatrix m = quantize_float8(source_of_values(w, kRows), encoding);
  EXPECT_EQ(m.buffer("scales").spec, (BufferSpec{"scales", DType::kBF16, {2, 3}}));
  EXPECT_EQ(to_string(m.encoding()), "e4m3 block4 bf16");
  std::vector<float> scales(6);
  to_f32(DType::kBF16, m.buffer("scales").bytes, scales);
  std::vector<float> largest(6);
  const auto tile = [](std::size_t i) { return i / kCols / kBlock * 3 + i % kCols / kBlock; };
  for (std::size_t i = 0; i < w.size(); ++i)
    largest[tile(i)] = std::max(largest[tile(i)], std::abs(w[i]));
  const std::vector<float> decoded = m.dequantize();
  const auto codes = bytes_of(m, "codes");
  for (std::size_t t = 0; t < 6; ++t)
    EXPECT_NEAR(scales[t], largest[t] / 448, largest[t] / 448 / 256);
  for (std::size_t i = 0; i < w.size(); ++i) {
    ASSERT_EQ(std::to_integer<std::uint8_t>(codes[i]), f32_to_f8e4m3(w[i] / scales[tile(i)]));
    ASSERT_EQ(decoded[i], f8e4m3_to_f32(std::to_integer<std::uint8_t>(codes[i])) * scales[tile(i)]);
  }
  std::vector<float> pieces(3 * kCols);
  m.dequantize_rows(3, 3, pieces);  // across two rows of blocks
  EXPECT_TRUE(std::equal(pieces.begin(), pieces.end(), decoded.begin() + 3 * kCols));
}

TEST(QuantizeFloat8, AScaleBeyondItsTypeIsRefused) {
  const std::vector<float> w = {1e9f, 1, 2, 3};
  const Float8Encoding encoding{DType::kF8E4M3, Granularity::kRow, DType::kF16};
  EXPECT_EQ(message_of<UserError>([&] { quantize_float8(source_of_values(w, 2), encoding); }),
            "weight [2, 2]: 1 scales overflow F16 (the first, of unit 0, would be 2.23214e+06); "
            "store scales as f32 or bf16");
}

}  // namespace
}  // namespace pith

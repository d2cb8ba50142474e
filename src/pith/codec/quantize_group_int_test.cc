// The worked examples of quantization cards 3, 4 and 9.
#include <cmath>
#include <limits>

#include "pith/codec/group_int_test_support.h"
#include "pith/codec/unit_fit.h"

namespace pith {
namespace {

TEST(QuantizeGroupInt, TableOfCard9) {
  const std::vector<float> w = {-0.62f, 0.12f, 0.37f, 1.4f, -0.05f, 0.8f, -1.13f, 0.52f};
  struct Row {
    int bits;
    const char* scheme;
    double scale;
    int zero;
    std::vector<int> codes;
    double error;
  };
  const Row table[] = {
      {4, "asym", 0.16866667, 7, {3, 8, 9, 15, 7, 12, 0, 10}, 0.00201650},
      {4, "full", 0.18666667, 8, {5, 9, 10, 15, 8, 12, 2, 11}, 0.00297639},
      {4, "absmax", 0.2, 8, {-3, 1, 2, 7, 0, 4, -6, 3}, 0.00268750},
      {4, "signed", -0.175, 8, {4, -1, -2, -8, 0, -5, 6, -3}, 0.00304687},
      {3, "asym", 0.36142857, 3, {1, 3, 4, 7, 3, 5, 0, 4}, 0.00785357},
      {3, "full", 0.4, 4, {2, 4, 5, 7, 4, 6, 1, 5}, 0.01368750},
      {3, "absmax", 0.46666667, 4, {-1, 0, 1, 3, 0, 2, -2, 1}, 0.01363194},
      {3, "signed", -0.35, 4, {2, 0, -1, -4, 0, -2, 3, -1}, 0.00862500},
      {2, "asym", 0.84333333, 1, {0, 1, 1, 3, 1, 2, 0, 2}, 0.05930694},
      {2, "full", 0.93333333, 2, {1, 2, 2, 3, 2, 3, 1, 3}, 0.08713194},
      {2, "absmax", 1.4, 2, {0, 0, 0, 1, 0, 1, -1, 0}, 0.15518750},
      {2, "signed", -0.7, 2, {1, 0, -1, -2, 0, -1, 1, -1}, 0.04493750},
  };
  for (const Row& row : table) {
    SCOPED_TRACE(fmt::format("{} bits {}", row.bits, row.scheme));
    const bool affine = std::string(row.scheme) == "asym";
    const RoundOptions options{.symmetric_range =
                                   affine ? SymmetricRange::kAbsmax
                                          : parse_enum<SymmetricRange>(row.scheme, "table")};
    const PackedMatrix m =
        quantize_group_int(source_of_values(w, 1),
                           ints(row.bits, affine ? ZeroPoints::kPacked : ZeroPoints::kNone),
                           options);
    EXPECT_NEAR(scales_of(m)[0], row.scale, 1e-6 * std::fabs(row.scale));
    if (affine) {
      EXPECT_EQ(std::to_integer<int>(bytes_of(m, "zeros")[0]), row.zero);
    }
    const bool unsigned_in_table = affine || std::string(row.scheme) == "full";
    EXPECT_EQ(centred(codes_of(m), unsigned_in_table ? 0 : row.zero), row.codes);
    EXPECT_NEAR(mean_square_error(w, m.dequantize()), row.error, 1e-6 * row.error + 1e-8);
  }
}

TEST(QuantizeGroupInt, ExamplesOfCard3) {
  const std::vector<float> slide = {0.5f, 20, -0.0001f, -0.01f, -0.1f};
  const PackedMatrix m = quantize_group_int(source_of_values(slide, 1), ints(8));
  EXPECT_EQ(centred(codes_of(m), 128), (std::vector<int>{3, 127, 0, 0, -1}));
  EXPECT_NEAR(scales_of(m)[0], 0.15748031, 1e-7);
  EXPECT_NEAR(mean_square_error(slide, m.dequantize()), 8.327e-4, 1e-7);

  const std::vector<float> x = {-1, -0.5f, 0.004f, 0.5f, 1};
  EXPECT_EQ(centred(codes_of(quantize_group_int(source_of_values(x, 1), ints(8))), 128),
            (std::vector<int>{-127, -64, 1, 64, 127}));
  const PackedMatrix full = quantize_group_int(
      source_of_values(x, 1), ints(8), {.symmetric_range = SymmetricRange::kFull});
  EXPECT_EQ(centred(codes_of(full), 128), (std::vector<int>{-128, -64, 1, 64, 127}));
  const double expected[] = {-1.00392, -0.50196, 0.00784, 0.50196, 0.99608};
  for (std::size_t i = 0; i < 5; ++i) EXPECT_NEAR(full.dequantize()[i], expected[i], 5e-6);
  // without the lowest code the step is that of absmax
  const PackedMatrix narrow =
      quantize_group_int(source_of_values(x, 1),
                         ints(8),
                         {.symmetric_range = SymmetricRange::kFull, .lowest_code = 1});
  EXPECT_EQ(centred(codes_of(narrow), 128), (std::vector<int>{-127, -64, 1, 64, 127}));
}

TEST(QuantizeGroupInt, RoundsHalfToEven) {
  const std::vector<float> x = {0.5f, 1.5f, 2.5f, -0.5f, -1.5f, 127};
  EXPECT_EQ(centred(codes_of(quantize_group_int(source_of_values(x, 1), ints(8))), 128),
            (std::vector<int>{0, 2, 2, 0, -2, 127}));
}

std::int32_t zero_of(const PackedMatrix& m) {
  return array_of<std::int32_t>(m.buffer("zeros").bytes)[0];
}

TEST(QuantizeGroupInt, AffineExampleOfCard4) {
  const std::vector<float> x = {-1, 0, 0.6f, 2};
  for (const AffineRange range : {AffineRange::kFree, AffineRange::kWithZero}) {
    const PackedMatrix m = quantize_group_int(
        source_of_values(x, 1), ints(8, ZeroPoints::kInt32), {.affine_range = range});
    EXPECT_NEAR(scales_of(m)[0], 0.0117647, 1e-7);
    EXPECT_EQ(zero_of(m), -43 + 128);
    EXPECT_EQ(centred(codes_of(m), 128), (std::vector<int>{-128, -43, 8, 127}));
    for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(m.dequantize()[i], x[i], 1e-6);

    const PackedMatrix narrow = quantize_group_int(source_of_values(x, 1),
                                                   ints(8, ZeroPoints::kInt32),
                                                   {.affine_range = range, .lowest_code = 1});
    EXPECT_NEAR(scales_of(narrow)[0], 0.0118110, 1e-7);
    EXPECT_EQ(zero_of(narrow), -42 + 128);
    EXPECT_EQ(centred(codes_of(narrow), 128), (std::vector<int>{-127, -42, 9, 127}));
    const double expected[] = {-1.00394, 0, 0.60236, 1.99606};
    for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(narrow.dequantize()[i], expected[i], 5e-6);
  }
}

TEST(QuantizeGroupInt, LayerNormExampleOfCard4) {
  const std::vector<float> x = {0.9f, 0.97f, 1.02f, 1.1f};
  const auto largest_error = [&x](const PackedMatrix& m) {
    double largest = 0;
    const std::vector<float> decoded = m.dequantize();
    for (std::size_t i = 0; i < 4; ++i)
      largest =
          std::max(largest, std::fabs(static_cast<double>(x[i]) - static_cast<double>(decoded[i])));
    return largest;
  };
  const PackedMatrix free = quantize_group_int(
      source_of_values(x, 1), ints(8, ZeroPoints::kInt32), {.affine_range = AffineRange::kFree});
  EXPECT_NEAR(scales_of(free)[0], 0.00078431, 1e-8);
  EXPECT_EQ(zero_of(free), -1275 + 128);
  EXPECT_EQ(centred(codes_of(free), 128), (std::vector<int>{-128, -38, 25, 127}));
  EXPECT_NEAR(largest_error(free), 0.00039, 5e-6);
  const PackedMatrix with_zero =
      quantize_group_int(source_of_values(x, 1), ints(8, ZeroPoints::kPacked));
  EXPECT_EQ(bytes_of(with_zero, "zeros")[0], std::byte{0});
  EXPECT_EQ(centred(codes_of(with_zero), 128), (std::vector<int>{81, 97, 108, 127}));
  EXPECT_NEAR(largest_error(with_zero),
              0.00196,
              5e-6);  // the card has 0.00198, of a scale it rounded before
  const PackedMatrix symmetric = quantize_group_int(source_of_values(x, 1), ints(8));
  EXPECT_EQ(centred(codes_of(symmetric), 128), (std::vector<int>{104, 112, 118, 127}));
  EXPECT_NEAR(largest_error(symmetric), 0.00205, 5e-6);
}

TEST(QuantizeGroupInt, SignedScaleIsNegativeOnTies) {
  const std::vector<float> x = {-2, 1, 2};
  const RoundOptions options{.symmetric_range = SymmetricRange::kSigned};
  const PackedMatrix m = quantize_group_int(source_of_values(x, 1), ints(4), options);
  EXPECT_EQ(scales_of(m)[0], -0.25f);
  EXPECT_EQ(centred(codes_of(m), 8), (std::vector<int>{7, -4, -8}));
}

}  // namespace
}  // namespace pith

#include "pith/report/packed_statistics.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <numeric>
#include <tuple>

#include "pith/base/random.h"

namespace pith {
namespace {

using testing::Each;
using testing::ElementsAre;

PackedMatrix packed(const std::vector<float>& values, std::size_t cols, const Encoding& encoding) {
  return encode(source_of(MatrixView<const float>(values.data(), values.size() / cols, cols)),
                encoding);
}

std::vector<float> normal_values(std::size_t count) {
  const Random random(2, stream_of("packed statistics"));
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = random.normal(i);
  return values;
}

TEST(PackedStatisticsTest, DenseWeightsHaveNone) {
  const PackedStatistics s = packed_statistics(packed({1, 2}, 2, DenseEncoding{}));
  EXPECT_FALSE(s.scales || s.offsets || s.codes);
}

TEST(PackedStatisticsTest, SymmetricRows) {
  // scales 1 and 0.5; codes u = value / scale + 4
  const GroupIntEncoding int3{.bits = 3, .granularity = Granularity::kRow};
  const PackedStatistics s =
      packed_statistics(packed({3, -3, 0, 1, 1, 1.5f, -1.5f, 0, 0.5f, 0}, 5, int3));
  EXPECT_EQ(s.scales->count, 2u);
  EXPECT_EQ(s.scales->min, 0.5);
  EXPECT_EQ(s.scales->max, 1);
  EXPECT_FALSE(s.offsets);
  EXPECT_EQ(s.codes->bits, 3);
  EXPECT_THAT(s.codes->counts, ElementsAre(0, 2, 0, 0, 3, 3, 0, 2));
  EXPECT_EQ(s.codes->used(), 4u);
  EXPECT_DOUBLE_EQ(s.codes->ends_share(), 0.2);
}

TEST(PackedStatisticsTest, ZeroPointsOfAffineGroups) {
  for (const ZeroPoints zeros : {ZeroPoints::kPacked, ZeroPoints::kInt32}) {
    const GroupIntEncoding int2{
        .bits = 2, .granularity = Granularity::kGroup, .group_size = 4, .zero_points = zeros};
    // ranges -1..2, 0..3 and -3..0: scale 1, zero points 1, 0 and 3
    const std::vector<float> values = {-1, 0, 1, 2, 0, 1, 2, 3, -3, -2, -1, 0};
    const RoundOptions options{
        .affine_range = zeros == ZeroPoints::kInt32 ? AffineRange::kFree : AffineRange::kWithZero};
    const WeightSource source = source_of(MatrixView<const float>(values.data(), 1, 12));
    const PackedStatistics s = packed_statistics(encode(source, int2, options));
    EXPECT_EQ(s.offsets->count, 3u);
    EXPECT_EQ(s.offsets->min, 0);
    EXPECT_EQ(s.offsets->max, 3);
    EXPECT_THAT(s.codes->counts, Each(3u));
    EXPECT_DOUBLE_EQ(s.codes->entropy_bits(), 2);
  }
}

TEST(PackedStatisticsTest, CodesOfCodebooksLieInTheOrderOfTheirValues) {
  // the levels of nf4 themselves, absmax 1; an odd count, so that the last byte is half used
  const auto levels = codebook_levels(CodebookTable::kNf4);
  std::vector<float> values(levels.begin(), levels.end());
  values.push_back(1);
  const CodebookEncoding nf4{.table = CodebookTable::kNf4, .block_size = 64};
  const PackedStatistics s = packed_statistics(packed(values, 17, nf4));
  EXPECT_EQ(s.scales->count, 1u);
  EXPECT_EQ(s.scales->max, 1);
  EXPECT_EQ(s.codes->counts.back(), 2u);
  EXPECT_EQ(s.codes->total(), 17u);
  // fp4 has a code for -0 that is not used, in the middle
  const CodebookEncoding fp4{.table = CodebookTable::kFp4, .block_size = 64};
  const PackedStatistics f = packed_statistics(packed({-1, -1, 1, 0, 0, 0}, 3, fp4));
  EXPECT_EQ(f.codes->counts.front(), 2u);
  EXPECT_EQ(f.codes->counts.back(), 1u);
  EXPECT_EQ(f.codes->counts[7] + f.codes->counts[8], 3u);
}

TEST(PackedStatisticsTest, ScalesThatAreQuantizedThemselves) {
  const std::vector<float> values = normal_values(64 * 300);
  CodebookEncoding nf4{.table = CodebookTable::kNf4, .block_size = 64};
  const ValueStatistics plain = *packed_statistics(packed(values, 64, nf4)).scales;
  nf4.double_quantized = true;
  const ValueStatistics twice = *packed_statistics(packed(values, 64, nf4)).scales;
  EXPECT_EQ(twice.count, 300u);
  EXPECT_NEAR(twice.mean, plain.mean, 0.01 * plain.mean);
  EXPECT_NEAR(twice.max, plain.max, 0.02 * plain.max);
  EXPECT_NE(twice.mean, plain.mean);
}

TEST(PackedStatisticsTest, Float8) {
  const Float8Encoding e4m3{.format = DType::kF8E4M3, .granularity = Granularity::kTensor};
  const PackedStatistics s = packed_statistics(packed({-448, 448, 448, 0}, 2, e4m3));
  EXPECT_EQ(s.scales->max, 1);
  EXPECT_EQ(s.codes->counts[1], 1u);    // behind the NaN
  EXPECT_EQ(s.codes->counts[254], 2u);  // before the other NaN
  EXPECT_EQ(s.codes->used(), 3u);
}

TEST(PackedStatisticsTest, GgufBlocks) {
  std::vector<float> values(32);
  std::iota(values.begin(), values.end(), 0.0f);
  const PackedStatistics q4_1 =
      packed_statistics(packed(values, 32, GgmlEncoding{GgmlType::kQ4_1}));
  EXPECT_NEAR(q4_1.scales->max, 31.0 / 15, 1e-3);
  EXPECT_EQ(q4_1.offsets->max, 0);
  EXPECT_EQ(q4_1.codes->used(), 16u);
  EXPECT_EQ(q4_1.codes->total(), 32u);
  values[0] = -127;  // the scale of Q8_0 becomes 1: codes -127 and 1 to 31
  const PackedStatistics q8_0 =
      packed_statistics(packed(values, 32, GgmlEncoding{GgmlType::kQ8_0}));
  EXPECT_EQ(q8_0.scales->max, 1);
  EXPECT_FALSE(q8_0.offsets);
  EXPECT_EQ(q8_0.codes->counts[1], 1u);  // -127
  EXPECT_EQ(q8_0.codes->counts[128 + 31], 1u);
  EXPECT_EQ(q8_0.codes->used(), 32u);
  const PackedStatistics q4_0 =
      packed_statistics(packed(normal_values(64), 64, GgmlEncoding{GgmlType::kQ4_0}));
  EXPECT_EQ(q4_0.scales->count, 2u);
  EXPECT_EQ(q4_0.codes->total(), 64u);
  EXPECT_FALSE(q4_0.offsets);
}

TEST(PackedStatisticsTest, GgufSuperBlocks) {
  const std::vector<float> values = normal_values(512);
  for (const auto& [type, units, has_offsets] :
       {std::tuple(GgmlType::kQ4_K, 16u, true), std::tuple(GgmlType::kQ6_K, 32u, false)}) {
    const PackedMatrix matrix = packed(values, 256, GgmlEncoding{type});
    const PackedStatistics s = packed_statistics(matrix);
    EXPECT_EQ(s.scales->count, units);
    EXPECT_EQ(s.offsets.has_value(), has_offsets);
    EXPECT_EQ(s.codes->total(), 512u);
    EXPECT_EQ(s.codes->counts.size(), type == GgmlType::kQ4_K ? 16u : 64u);
    EXPECT_GT(s.codes->entropy_bits(), 3.0);
    const std::vector<float> back = matrix.dequantize();
    const double largest = *std::ranges::max_element(back);
    const double steps = has_offsets ? 15 : 32;  // from the offset, or from 0
    EXPECT_LE(largest, steps * std::max(-s.scales->min, s.scales->max));
  }
}

TEST(CodeUseTest, OfNothing) {
  const CodeUse none{2, {0, 0, 0, 0}};
  EXPECT_EQ(none.entropy_bits(), 0);
  EXPECT_EQ(none.ends_share(), 0);
}

}  // namespace
}  // namespace pith

#include "pith/codec/transcode.h"

#include "pith/codec/test_support.h"

namespace pith {
namespace {

using ::testing::HasSubstr;

PackedMatrix round_to(const Encoding& encoding, std::size_t rows, std::size_t cols) {
  const std::vector<float> w = normal_values(rows * cols, 0.3f, 11);
  return encode(source_of_values(w, rows), encoding);
}

TEST(Transcode, KeepsEveryNumberBothWays) {
  for (const int bits : {4, 5, 8}) {
    SCOPED_TRACE(bits);
    const GroupIntEncoding encoding{bits, Granularity::kGroup, 32, ZeroPoints::kNone, DType::kF16};
    for (const std::size_t rows : {1, 5, 33}) {
      const PackedMatrix groups = round_to(encoding, rows, 96);
      const PackedMatrix blocks = transcode(groups);
      EXPECT_EQ(blocks.encoding(), equivalent_of(groups.encoding()));
      EXPECT_EQ(blocks.dequantize(), groups.dequantize());
      EXPECT_TRUE(same_bytes(transcode(blocks), groups));
    }
  }
}

TEST(Transcode, TakesEveryCode) {
  for (const int bits : {4, 5, 8}) {
    const GroupIntEncoding encoding{bits, Granularity::kGroup, 32, ZeroPoints::kNone, DType::kF16};
    const std::size_t codes = std::size_t{1} << bits;
    OwnedBuffer code_buffer =
        allocate_buffer(buffer_specs(encoding, 1, codes < 32 ? 32 : codes)[0]);
    OwnedBuffer scales = allocate_buffer(buffer_specs(encoding, 1, codes < 32 ? 32 : codes)[1]);
    std::vector<std::uint8_t> all(codes < 32 ? 32 : codes);
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::uint8_t>(i % codes);
    pack_bits(all, bits, code_buffer.writable);
    for (std::size_t i = 0; i < scales.writable.size(); i += 2) {
      scales.writable[i] = std::byte{0x66};  // 0x2e66 = 0.1 in f16
      scales.writable[i + 1] = std::byte{0x2e};
    }
    const PackedMatrix groups(
        encoding, 1, all.size(), {std::move(code_buffer.buffer), std::move(scales.buffer)});
    const PackedMatrix blocks = transcode(groups);
    EXPECT_EQ(blocks.dequantize(), groups.dequantize());
    EXPECT_TRUE(same_bytes(transcode(blocks), groups));
  }
}

TEST(Transcode, KnowsWhatHasNoEquivalent) {
  const GroupIntEncoding good{4, Granularity::kGroup, 32, ZeroPoints::kNone, DType::kF16};
  EXPECT_EQ(equivalent_of(good), Encoding(GgmlEncoding{GgmlType::kQ4_0}));
  GroupIntEncoding other = good;
  other.group_size = 64;
  EXPECT_EQ(equivalent_of(other), std::nullopt);
  other = good;
  other.zero_points = ZeroPoints::kPacked;
  EXPECT_EQ(equivalent_of(other), std::nullopt);
  other = good;
  other.scale_dtype = DType::kF32;
  EXPECT_EQ(equivalent_of(other), std::nullopt);
  other = good;
  other.column_groups = true;
  EXPECT_EQ(equivalent_of(other), std::nullopt);
  EXPECT_EQ(equivalent_of(GgmlEncoding{GgmlType::kQ4_1}), std::nullopt);
  EXPECT_EQ(equivalent_of(DenseEncoding{}), std::nullopt);
}

TEST(Transcode, AShortLastGroupHasNoBlock) {
  const GroupIntEncoding encoding{4, Granularity::kGroup, 32, ZeroPoints::kNone, DType::kF16};
  const PackedMatrix groups = round_to(encoding, 2, 40);
  EXPECT_THAT(message_of<UserError>([&] { transcode(groups); }), HasSubstr("Q4_0"));
}

}  // namespace
}  // namespace pith

#include "pith/codec/encoding.h"

#include "pith/codec/test_support.h"

namespace pith {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(DType, SizesAndKinds) {
  EXPECT_EQ(size_of(DType::kF8E4M3), 1u);
  EXPECT_EQ(size_of(DType::kBF16), 2u);
  EXPECT_EQ(size_of(DType::kI32), 4u);
  EXPECT_EQ(size_of(DType::kF64), 8u);
  for (const DType dtype :
       {DType::kF64, DType::kF32, DType::kBF16, DType::kF16, DType::kF8E4M3, DType::kF8E5M2})
    EXPECT_TRUE(is_float(dtype)) << to_string(dtype);
  for (const DType dtype : {DType::kBool, DType::kU8, DType::kI64})
    EXPECT_FALSE(is_float(dtype)) << to_string(dtype);
}

TEST(Encoding, HasNamesForPeople) {
  EXPECT_EQ(to_string(Encoding(DenseEncoding{DType::kBF16})), "bf16");
  EXPECT_EQ(to_string(Encoding(Float8Encoding{})), "e4m3 row");
  EXPECT_EQ(to_string(Encoding(GroupIntEncoding{})), "int8 row symmetric f32");
  const GroupIntEncoding int4{4, Granularity::kGroup, 128, ZeroPoints::kPacked, DType::kF16};
  EXPECT_EQ(to_string(Encoding(int4)), "int4 g128 affine f16");
  EXPECT_EQ(to_string(Encoding(CodebookEncoding{CodebookTable::kNf4, 64, true})), "nf4 b64 double");
  EXPECT_EQ(to_string(Encoding(GgmlEncoding{GgmlType::kQ4_1})), "q4_1");
  EXPECT_EQ(to_string(Encoding(GgmlEncoding{GgmlType::kQ6_K})), "q6_k");
  EXPECT_EQ(to_string(Encoding(GgmlEncoding{GgmlType::kIQ4_NL})), "iq4_nl");
}

TEST(Encoding, NominalBits) {
  EXPECT_EQ(nominal_bits(DenseEncoding{DType::kF16}), 16);
  EXPECT_EQ(nominal_bits(Float8Encoding{}), 8);
  EXPECT_EQ(nominal_bits(GroupIntEncoding{.bits = 3}), 3);
  EXPECT_EQ(nominal_bits(CodebookEncoding{}), 4);
  EXPECT_EQ(nominal_bits(GgmlEncoding{GgmlType::kQ8_0}), 8);
  constexpr int kGgmlBits[] = {4, 4, 5, 5, 8, 2, 3, 4, 5, 6, 4, 4, 4};
  for (std::size_t i = 0; i < std::size(kGgmlTypeNames); ++i)
    EXPECT_EQ(nominal_bits(GgmlEncoding{kGgmlTypeNames[i].value}), kGgmlBits[i])
        << kGgmlTypeNames[i].name;
  EXPECT_TRUE(is_dense(DenseEncoding{}));
  EXPECT_FALSE(is_dense(GgmlEncoding{}));
}

TEST(BufferSpecs, GroupIntWithAShortLastGroup) {
  const GroupIntEncoding e{3, Granularity::kGroup, 32, ZeroPoints::kPacked, DType::kF16};
  EXPECT_EQ(groups_in_row(e, 70), 3u);
  EXPECT_THAT(buffer_specs(e, 5, 70),
              ElementsAre(BufferSpec{"codes", DType::kU8, {5, 27}},  // ceil(70 * 3 / 8)
                          BufferSpec{"scales", DType::kF16, {5, 3}},
                          BufferSpec{"zeros", DType::kU8, {5, 2}}));  // ceil(3 * 3 / 8)
}

TEST(BufferSpecs, GroupIntByTensorAndRow) {
  const GroupIntEncoding tensor{8, Granularity::kTensor, 0, ZeroPoints::kInt32, DType::kF32};
  EXPECT_THAT(buffer_specs(tensor, 2, 9),
              ElementsAre(BufferSpec{"codes", DType::kU8, {2, 9}},
                          BufferSpec{"scales", DType::kF32, {1}},
                          BufferSpec{"zeros", DType::kI32, {1}}));
  EXPECT_THAT(buffer_specs(GroupIntEncoding{}, 2, 9),
              ElementsAre(BufferSpec{"codes", DType::kU8, {2, 9}},
                          BufferSpec{"scales", DType::kF32, {2, 1}}));
}

TEST(BufferSpecs, CodebooksFloat8DenseAndGgml) {
  EXPECT_THAT(buffer_specs(CodebookEncoding{CodebookTable::kNf4, 64, true}, 3, 111),
              ElementsAre(BufferSpec{"codes", DType::kU8, {167}},
                          BufferSpec{"absmax", DType::kU8, {6}},
                          BufferSpec{"absmax_scales", DType::kF32, {1}},
                          BufferSpec{"absmax_mean", DType::kF32, {1}}));
  EXPECT_THAT(buffer_specs(Float8Encoding{DType::kF8E5M2, Granularity::kTensor}, 3, 4),
              ElementsAre(BufferSpec{"codes", DType::kF8E5M2, {3, 4}},
                          BufferSpec{"scales", DType::kF32, {1}}));
  EXPECT_THAT(buffer_specs(DenseEncoding{DType::kBF16}, 3, 4),
              ElementsAre(BufferSpec{"", DType::kBF16, {3, 4}}));
  EXPECT_THAT(buffer_specs(GgmlEncoding{GgmlType::kQ4_1}, 3, 64),
              ElementsAre(BufferSpec{"codes", DType::kU8, {3, 40}}));
  EXPECT_THAT(buffer_specs(GgmlEncoding{GgmlType::kQ3_K}, 3, 512),
              ElementsAre(BufferSpec{"codes", DType::kU8, {3, 220}}));
}

// Table 0.1 of the cards.
TEST(StorageBytes, BitsPerWeightOfTheTable) {
  const auto bits = [](const Encoding& e, std::size_t rows, std::size_t cols) {
    return 8.0 * static_cast<double>(storage_bytes(e, rows, cols)) /
           static_cast<double>(rows * cols);
  };
  const auto ints = [](int width, std::size_t group, ZeroPoints zeros) {
    return GroupIntEncoding{width, Granularity::kGroup, group, zeros, DType::kF16};
  };
  EXPECT_NEAR(bits(GroupIntEncoding{.scale_dtype = DType::kF16}, 768, 768), 8.021, 5e-4);
  EXPECT_NEAR(bits(ints(4, 128, ZeroPoints::kNone), 4096, 4096), 4.125, 1e-9);
  EXPECT_NEAR(bits(ints(4, 128, ZeroPoints::kPacked), 4096, 4096), 4.156, 5e-4);
  EXPECT_NEAR(bits(ints(4, 32, ZeroPoints::kPacked), 4096, 4096), 4.625, 1e-9);
  EXPECT_NEAR(bits(ints(3, 128, ZeroPoints::kPacked), 4096, 4096), 3.148, 5e-4);
  EXPECT_NEAR(bits(ints(2, 64, ZeroPoints::kPacked), 4096, 4096), 2.281, 5e-4);
  EXPECT_NEAR(bits(CodebookEncoding{}, 4096, 4096), 4.5, 1e-9);
  EXPECT_NEAR(bits(CodebookEncoding{.double_quantized = true}, 4096, 4096), 4.127, 5e-4);
}

std::string refusal(const Encoding& e, std::size_t rows = 4, std::size_t cols = 64) {
  return message_of<UserError>([&] { buffer_specs(e, rows, cols); });
}

TEST(BufferSpecs, RefusesWhatCannotBe) {
  EXPECT_EQ(refusal(GroupIntEncoding{.bits = 9}), "int encoding: expected 1 to 8 bits, found 9");
  EXPECT_EQ(refusal(GroupIntEncoding{.bits = 0}), "int encoding: expected 1 to 8 bits, found 0");
  EXPECT_EQ(refusal(GroupIntEncoding{.granularity = Granularity::kGroup}),
            "int encoding: expected a group size of at least 1 for granularity group, found 0");
  EXPECT_EQ(
      refusal(GroupIntEncoding{.group_size = 32}),
      "int encoding: expected no group size for granularity row, found 32; use granularity group");
  EXPECT_EQ(refusal(GroupIntEncoding{.scale_dtype = DType::kF64}),
            "int encoding: expected scales of F32, F16 or BF16, found F64");
  EXPECT_EQ(refusal(DenseEncoding{DType::kI8}),
            "dense encoding: expected F32, BF16 or F16, found I8");
  EXPECT_EQ(refusal(Float8Encoding{.format = DType::kF16}),
            "float8 encoding: expected format F8_E4M3 or F8_E5M2, found F16");
  EXPECT_THAT(refusal(Float8Encoding{.granularity = Granularity::kGroup}),
              HasSubstr("expected a block of at least 1 for granularity group, found 0"));
  EXPECT_EQ(refusal(CodebookEncoding{.block_size = 48}),
            "nf4 encoding: expected a block size that is a power of two from 32 to 4096, found 48");
  EXPECT_EQ(refusal(CodebookEncoding{.block_size = 0}),
            "nf4 encoding: expected a block size that is a power of two from 32 to 4096, found 0");
  EXPECT_EQ(refusal(GgmlEncoding{}, 4, 33),
            "Q8_0 encoding: 33 columns do not divide into blocks of 32; use an int encoding, whose "
            "last group may be shorter");
  EXPECT_EQ(refusal(GgmlEncoding{GgmlType::kQ4_K}, 4, 576),
            "Q4_K encoding: 576 columns do not divide into blocks of 256; use a type with blocks "
            "of 32 or an int encoding, whose last group may be shorter");
  EXPECT_EQ(refusal(DenseEncoding{}, 0, 5),
            "weight [0, 5]: expected at least one row and one column");
  EXPECT_EQ(refusal(DenseEncoding{}, std::size_t{1} << 30, std::size_t{1} << 30),
            "weight [1073741824, 1073741824]: expected at most 2^48 elements");
  EXPECT_THAT(refusal(DenseEncoding{}, ~std::size_t{0}, ~std::size_t{0}),
              HasSubstr("at most 2^48"));
}

}  // namespace
}  // namespace pith

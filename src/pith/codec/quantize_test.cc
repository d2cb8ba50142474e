#include "pith/codec/quantize.h"

#include <cmath>
#include <limits>

#include "pith/codec/float_convert.h"
#include "pith/codec/test_support.h"

namespace pith {
namespace {

using ::testing::HasSubstr;

TEST(SourceOf, ReadsRowsOfAStridedView) {
  const std::vector<float> data = {1, 2, 9, 3, 4, 9, 5, 6, 9};
  const WeightSource source = source_of(MatrixView<const float>(data.data(), 3, 2, 3));
  std::vector<float> out(4);
  source.read_rows(1, 2, out);
  EXPECT_EQ(out, (std::vector<float>{3, 4, 5, 6}));
}

TEST(SourceOf, APackedMatrixOutlivesItsCaller) {
  const std::vector<float> w = normal_values(20, 1, 1);
  const WeightSource source = source_of(pack_dense(source_of_values(w, 4), DType::kF32));
  std::vector<float> out(10);
  source.read_rows(2, 2, out);
  EXPECT_TRUE(std::ranges::equal(out, std::span(w).subspan(10)));
}

TEST(PackDense, RoundsAndRefuses) {
  std::vector<float> w = normal_values(3 * 33, 1, 2);
  const std::vector<float> decoded = pack_dense(source_of_values(w, 3), DType::kBF16).dequantize();
  for (std::size_t i = 0; i < w.size(); ++i) EXPECT_EQ(decoded[i], bf16_to_f32(f32_to_bf16(w[i])));
  w[5] = 65519;  // still rounds to 65504
  EXPECT_EQ(pack_dense(source_of_values(w, 3), DType::kF16).dequantize()[5], 65504.0f);
  w[6] = -65520;
  w[7] = 1e9f;
  EXPECT_EQ(message_of<UserError>([&] { pack_dense(source_of_values(w, 3), DType::kF16); }),
            "weight [3, 33]: 2 values overflow F16; use bf16 or f32");
  w[8] = std::numeric_limits<float>::max();
  EXPECT_EQ(message_of<UserError>([&] { pack_dense(source_of_values(w, 3), DType::kBF16); }),
            "weight [3, 33]: 1 values overflow BF16; use f32");
  w[9] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(message_of<UserError>([&] { pack_dense(source_of_values(w, 3), DType::kF32); }),
              HasSubstr("found 1 that are NaN or infinite"));
}

TEST(Encode, DispatchesOnTheEncoding) {
  const std::vector<float> w = normal_values(4 * 64, 1, 3);
  const WeightSource source = source_of_values(w, 4);
  const RoundOptions full{.symmetric_range = SymmetricRange::kFull};
  EXPECT_TRUE(same_bytes(encode(source, GroupIntEncoding{.bits = 4}, full),
                         quantize_group_int(source, {.bits = 4}, full)));
  EXPECT_TRUE(same_bytes(encode(source, CodebookEncoding{}), quantize_codebook(source, {})));
  EXPECT_TRUE(same_bytes(encode(source, Float8Encoding{}), quantize_float8(source, {})));
  EXPECT_TRUE(same_bytes(encode(source, GgmlEncoding{}), quantize_ggml(source, {})));
  EXPECT_TRUE(
      same_bytes(encode(source, DenseEncoding{DType::kF16}), pack_dense(source, DType::kF16)));
}

TEST(RelativeError, IsTheRatioOfNorms) {
  const std::vector<float> w = {3, 4, 0, 0}, zeros(4);
  const PackedMatrix nothing = pack_dense(source_of_values(zeros, 2), DType::kF32);
  EXPECT_DOUBLE_EQ(relative_error(source_of_values(w, 2), nothing), 1);
  EXPECT_EQ(relative_error(source_of_values(zeros, 2), nothing), 0);
  EXPECT_TRUE(std::isinf(
      relative_error(source_of_values(zeros, 2), pack_dense(source_of_values(w, 2), DType::kF32))));
  const std::vector<float> off = {3, 4, 0, 2.5f};
  EXPECT_DOUBLE_EQ(
      relative_error(source_of_values(w, 2), pack_dense(source_of_values(off, 2), DType::kF32)),
      0.5);
  EXPECT_EQ(message_of<UserError>([&] { relative_error(source_of_values(w, 1), nothing); }),
            "relative error: expected a weight [1, 4], found [2, 2]");
}

TEST(RelativeError, DoesNotDependOnThreads) {
  const int threads = num_threads();
  const std::vector<float> w = normal_values(500 * 101, 1, 4);
  const PackedMatrix m = encode(source_of_values(w, 500), GroupIntEncoding{.bits = 4});
  set_num_threads(1);
  const double one = relative_error(source_of_values(w, 500), m);
  set_num_threads(3);
  EXPECT_EQ(relative_error(source_of_values(w, 500), m), one);
  set_num_threads(threads);
  EXPECT_NEAR(
      one * one,
      mean_square_error(w, m.dequantize()) / mean_square_error(w, std::vector<float>(w.size())),
      1e-9);
}

}  // namespace
}  // namespace pith

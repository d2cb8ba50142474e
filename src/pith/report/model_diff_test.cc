#include "pith/report/model_diff.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "pith/base/test_support.h"
#include "pith/conversion/test_models.h"

namespace pith {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

PackedMatrix dense(const std::vector<float>& values, DType dtype = DType::kF32) {
  return stored_as(dtype, {.name = "m", .rows = 1, .cols = values.size()}, values);
}

TEST(CompareMatrices, ByHand) {
  const MatrixComparison c = compare_matrices(dense({3, 4, 0, 0}), dense({3, 3, 0, -0.5f}));
  EXPECT_DOUBLE_EQ(c.relative_error, std::sqrt(1.25) / 5);
  EXPECT_EQ(c.max_difference, 1);
  EXPECT_FALSE(c.same_values);
  EXPECT_EQ(c.incomparable, 0u);
}

TEST(CompareMatrices, SameValuesInAnotherType) {
  const MatrixComparison half = compare_matrices(dense({1, -2}), dense({1, -2}, DType::kBF16));
  EXPECT_TRUE(half.same_values);
  EXPECT_FALSE(half.same_bytes);
  EXPECT_EQ(half.relative_error, 0);
  EXPECT_TRUE(compare_matrices(dense({1, -2}), dense({1, -2})).same_bytes);
}

TEST(CompareMatrices, WhatIsNotFinite) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  constexpr float kInf = std::numeric_limits<float>::infinity();
  const MatrixComparison same = compare_matrices(dense({kNan, 1}), dense({kNan, 1}));
  EXPECT_TRUE(same.same_bytes && same.same_values);
  EXPECT_EQ(same.incomparable, 0u);
  const MatrixComparison other =
      compare_matrices(dense({kNan, 2, 1, kInf}), dense({0, 1, kInf, kInf}));
  EXPECT_EQ(other.incomparable, 2u);
  EXPECT_FALSE(other.same_values);
  EXPECT_DOUBLE_EQ(other.relative_error, 0.5);  // of 2 against 1
}

TEST(CompareMatrices, AgainstZeros) {
  EXPECT_EQ(compare_matrices(dense({0, 0}), dense({0, 0})).relative_error, 0);
  EXPECT_TRUE(std::isinf(compare_matrices(dense({0, 0}), dense({0, 1})).relative_error));
  EXPECT_EQ(compare_matrices(dense({0, 1}), dense({0, 0})).relative_error, 1);
}

TEST(CompareMatrices, AgreesWithTheErrorOfTheQuantizer) {
  const std::vector<float> values = random_weight({.name = "m", .rows = 70, .cols = 300}, 3);
  const WeightSource source = source_of(MatrixView<const float>(values.data(), 70, 300));
  const PackedMatrix packed = encode(source, GroupIntEncoding{.bits = 4});
  const MatrixComparison c = compare_matrices(pack_dense(source, DType::kF32), packed);
  EXPECT_NEAR(c.relative_error, relative_error(source, packed), 1e-12);
}

TEST(DiffModels, OfEqualModels) {
  const TestFolder folder;
  const ModelDiff diff = diff_models(random_checkpoint(folder / "a", tiny_qwen3()),
                                     random_checkpoint(folder / "b", tiny_qwen3()));
  EXPECT_TRUE(diff.same_values());
  EXPECT_EQ(diff.relative_error, 0);
  EXPECT_THAT(diff.spec, IsEmpty());
}

TEST(DiffModels, TheLargestDifferenceFirst) {
  const TestFolder folder;
  Weights weights = random_weights(tiny_llama(), 1);
  const Checkpoint a = write_checkpoint(folder / "a", tiny_llama(), weights, DType::kF32);
  for (float& x : weights.at("layers.1.mlp.up")) x *= 1.5f;
  for (float& x : weights.at("layers.0.mlp.up")) x *= 1.25f;
  for (float& x : weights.at("lm_head")) x = -x;
  const ModelDiff diff =
      diff_models(a, write_checkpoint(folder / "b", tiny_llama(), weights, DType::kF32));
  EXPECT_FALSE(diff.same_values());
  EXPECT_EQ(diff.matrices[0].parameter.name, "lm_head");
  EXPECT_DOUBLE_EQ(diff.matrices[0].comparison.relative_error, 2);
  EXPECT_EQ(diff.matrices[1].parameter.name, "layers.1.mlp.up");
  EXPECT_EQ(diff.matrices[2].parameter.name, "layers.0.mlp.up");
  EXPECT_TRUE(diff.matrices[3].comparison.same_bytes);
  const auto groups = difference_groups(diff);
  EXPECT_EQ(groups[0].stem, "lm_head");
  EXPECT_EQ(groups[1].stem, "mlp.up");
  EXPECT_THAT(groups[1].layers, ElementsAre(0, 1));
  EXPECT_NEAR(groups[1].largest_relative_error, 0.5, 1e-6);
  EXPECT_GT(groups[1].relative_error, 0.25);
  EXPECT_LT(groups[1].relative_error, 0.5);
  EXPECT_EQ(groups[2].same_bytes, groups[2].tensors);
}

TEST(DiffModels, SpecsAsF32) {
  const TestFolder folder;
  DecoderSpec other = tiny_llama();
  other.norm_epsilon = static_cast<double>(1e-5f);  // what a GGUF file keeps of 1e-5
  other.context = 32;
  other.bos_id = 1;
  const ModelDiff diff = diff_models(random_checkpoint(folder / "a", tiny_llama()),
                                     random_checkpoint(folder / "b", other));
  ASSERT_EQ(diff.spec.size(), 2u);
  EXPECT_EQ(diff.spec[0].key, "context");
  EXPECT_EQ(diff.spec[0].a, 16);
  EXPECT_EQ(diff.spec[0].b, 32);
  EXPECT_EQ(diff.spec[1].key, "bos_id");
  EXPECT_FALSE(diff.same_values());
}

TEST(DiffModels, OfAnotherFamily) {
  const TestFolder folder;
  const ModelDiff diff = diff_models(random_checkpoint(folder / "a", tiny_llama()),
                                     random_checkpoint(folder / "b", tiny_gpt2()));
  EXPECT_EQ(diff.spec[0].key, "family");
  EXPECT_THAT(diff.only_in_a, testing::Contains("layers.0.attn.q"));
  EXPECT_THAT(diff.only_in_b, testing::Contains("layers.0.attn.qkv"));
  ASSERT_FALSE(diff.shapes.empty());
  EXPECT_EQ(diff.shapes[0].name, "embedding");
  EXPECT_EQ(diff.shapes[0].rows_a, 37u);
  EXPECT_EQ(diff.shapes[0].cols_b, 20u);
  EXPECT_THAT(diff.matrices, IsEmpty());
  EXPECT_THAT(difference_groups(diff), IsEmpty());
  EXPECT_EQ(diff.relative_error, 0);
}

TEST(DiffModels, AcrossContainers) {
  const TestFolder folder;
  const Checkpoint gguf = Checkpoint::open(PITH_SOURCE_DIR "/tests/golden/gguf/llama.gguf");
  Weights weights = weights_of(gguf);
  const Checkpoint dense = write_checkpoint(folder / "a", gguf.spec(), weights, DType::kF32);
  const ModelDiff same = diff_models(gguf, dense);
  EXPECT_TRUE(same.same_values());
  EXPECT_EQ(same.matrices.size(), gguf.parameters().size());
  const auto stored_alike = std::ranges::count_if(
      same.matrices, [](const MatrixDifference& m) { return m.comparison.same_bytes; });
  EXPECT_GT(stored_alike, 0);  // vectors are F32 in both
  EXPECT_LT(static_cast<std::size_t>(stored_alike), same.matrices.size());
}

}  // namespace
}  // namespace pith

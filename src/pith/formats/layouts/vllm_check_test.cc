#include "pith/formats/layouts/vllm_check.h"

#include <gmock/gmock.h>

#include "pith/formats/test_files.h"

namespace pith {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr GroupIntEncoding kInt4{4, Granularity::kGroup, 128, ZeroPoints::kNone, DType::kF16};

LayoutMatrix linear(const std::string& leaf,
                    const Encoding& encoding = kInt4,
                    std::size_t rows = 256,
                    std::size_t cols = 256) {
  return {"model.layers.0." + leaf + ".weight", ParameterKind::kLinear, rows, cols, encoding, {}};
}

std::vector<std::string> obstacles(const std::vector<LayoutMatrix>& matrices,
                                   std::string_view layout = "gptq") {
  return vllm_obstacles(matrices, layout);
}

TEST(VllmObstacles, NoneForWhatItsKernelsTake) {
  GroupIntEncoding rows{8, Granularity::kRow, 0, ZeroPoints::kNone, DType::kBF16};
  for (const Encoding& encoding : {Encoding(kInt4), Encoding(rows)})
    EXPECT_THAT(obstacles({linear("self_attn.q_proj", encoding),
                           linear("self_attn.k_proj", encoding, 64),
                           linear("self_attn.v_proj", encoding, 64),
                           linear("mlp.down_proj", DenseEncoding{DType::kBF16}, 10, 10)}),
                IsEmpty());
}

TEST(VllmObstacles, ShapesAndGroupsAreNamedOnceWithACount) {
  GroupIntEncoding odd = kInt4;
  odd.bits = 3;
  odd.group_size = 48;
  GroupIntEncoding affine = kInt4;
  affine.zero_points = ZeroPoints::kPacked;
  affine.group_size = 64;
  EXPECT_THAT(
      obstacles({linear("self_attn.o_proj", kInt4, 96, 320),
                 linear("mlp.up_proj", kInt4, 96, 256),
                 linear("mlp.down_proj", odd)}),
      ElementsAre(
          "'model.layers.0.self_attn.o_proj.weight': 320 columns, expected a multiple of 128",
          "'model.layers.0.self_attn.o_proj.weight' and 1 more: 96 rows, expected a multiple of "
          "64",
          "'model.layers.0.self_attn.o_proj.weight': 320 columns do not divide into groups of 128",
          "'model.layers.0.mlp.down_proj.weight': 3 bits, expected 4 or 8",
          "'model.layers.0.mlp.down_proj.weight': groups of 48, expected whole rows or 32, 64 or "
          "128"));
  EXPECT_THAT(obstacles({linear("mlp.down_proj", affine)}),
              ElementsAre("'model.layers.0.mlp.down_proj.weight': zero points of GPTQ v2, read "
                          "since October 2025 only"));
  EXPECT_THAT(obstacles({linear("mlp.down_proj", affine)}, "awq"), IsEmpty());
}

TEST(VllmObstacles, IntegerProductsAndHeads) {
  LayoutMatrix dynamic = linear("mlp.down_proj");
  dynamic.activation.scheme = ActivationScheme::kDynamicInt8Token;
  EXPECT_THAT(obstacles({dynamic}, "compressed-tensors"),
              ElementsAre("'model.layers.0.mlp.down_proj.weight': its int8 products have symmetric "
                          "weights of 8 bits, a scale a row or tensor"));
  dynamic.encoding = GroupIntEncoding{8, Granularity::kRow};
  EXPECT_THAT(obstacles({dynamic}, "compressed-tensors"), IsEmpty());
  LayoutMatrix head{"lm_head.weight", ParameterKind::kHead, 256, 256, kInt4, {}};
  EXPECT_THAT(obstacles({head}, "compressed-tensors"),
              ElementsAre("'lm_head.weight': vLLM keeps the head dense in this layout"));
  EXPECT_THAT(obstacles({head}, "gptq"), IsEmpty());
  EXPECT_THAT(obstacles({linear("mlp.down_proj")}, "awq"),
              ElementsAre(HasSubstr("only its slow float16 kernels run AWQ")));
}

TEST(VllmObstacles, FusedModulesMustBeAlike) {
  GroupIntEncoding eight = kInt4;
  eight.bits = 8;
  LayoutMatrix quantized = linear("mlp.up_proj", Float8Encoding{});
  quantized.activation.scheme = ActivationScheme::kDynamicFp8Token;
  EXPECT_THAT(
      obstacles({linear("self_attn.q_proj"),
                 linear("self_attn.k_proj", eight),
                 linear("self_attn.v_proj", DenseEncoding{DType::kBF16}),
                 linear("mlp.gate_proj", Float8Encoding{}),
                 quantized},
                "compressed-tensors"),
      ElementsAre("'model.layers.0.self_attn.k_proj.weight': vLLM runs it as one with "
                  "'model.layers.0.self_attn.q_proj.weight', which is int4 g128 symmetric f16 and "
                  "not int8 g128 symmetric f16",
                  "'model.layers.0.self_attn.v_proj.weight': vLLM runs it as one with "
                  "'model.layers.0.self_attn.q_proj.weight', which is int4 g128 symmetric f16 and "
                  "not bf16",
                  "'model.layers.0.mlp.up_proj.weight': vLLM runs it as one with "
                  "'model.layers.0.mlp.gate_proj.weight', which is e4m3 row and not e4m3 row, "
                  "activations dynamic-fp8-token"));
}

TEST(VllmObstacles, LayoutsThatItDoesNotRead) {
  EXPECT_THAT(obstacles({linear("mlp.up_proj")}, "pith"),
              ElementsAre("vLLM does not read the layout pith; write compressed-tensors or gptq"));
  EXPECT_THAT(obstacles({linear("mlp.up_proj", CodebookEncoding{}, 7, 9)}, "bitsandbytes"),
              IsEmpty());
}

}  // namespace
}  // namespace pith

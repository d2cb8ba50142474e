#include "pith/conversion/quantize_methods.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pith/conversion/test_models.h"

namespace pith {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const Encoding kF32 = DenseEncoding{DType::kF32};
const Encoding kBf16 = DenseEncoding{DType::kBF16};

// The plan of a tiny model's parameter that is stored as `stored`.
ParameterPlan plan_of(const QuantizeOptions& options,
                      const std::string& name,
                      const DecoderSpec& spec = tiny_llama(),
                      const Encoding& stored = kBf16) {
  const Planner planner = planner_of(options, spec);
  for (const Parameter& parameter : parameters_of(spec))
    if (parameter.name == name) return planner(parameter, stored);
  ADD_FAILURE() << "no parameter " << name;
  return {};
}

// Names of what a method codes, i.e. does not keep as it is stored.
std::vector<std::string> coded(const QuantizeOptions& options,
                               const DecoderSpec& spec = tiny_llama()) {
  const Planner planner = planner_of(options, spec);
  std::vector<std::string> names;
  for (const Parameter& parameter : parameters_of(spec))
    if (planner(parameter, kF32).encoding != kF32) names.push_back(parameter.name);
  return names;
}

std::string refusal(const QuantizeOptions& options, const DecoderSpec& spec = tiny_llama()) {
  return message_of<UserError>([&] { planner_of(options, spec); });
}

Encoding int_rows(int bits, ZeroPoints zero_points = ZeroPoints::kNone) {
  return GroupIntEncoding{
      .bits = bits, .granularity = Granularity::kRow, .zero_points = zero_points};
}

Encoding int_groups(int bits, std::size_t columns, ZeroPoints zero_points = ZeroPoints::kNone) {
  return GroupIntEncoding{.bits = bits,
                          .granularity = Granularity::kGroup,
                          .group_size = columns,
                          .zero_points = zero_points,
                          .scale_dtype = DType::kF16};
}

const std::string kUp = "layers.1.mlp.up";

TEST(QuantizeMethods, Defaults) {
  EXPECT_EQ(plan_of({.method = "bf16"}, kUp).encoding, kBf16);
  EXPECT_EQ(plan_of({.method = "fp16"}, kUp).encoding, Encoding(DenseEncoding{DType::kF16}));
  EXPECT_EQ(plan_of({.method = "fp8"}, kUp).encoding,
            Encoding(Float8Encoding{DType::kF8E4M3, Granularity::kRow}));
  EXPECT_EQ(plan_of({.method = "absmax"}, kUp).encoding, int_rows(8));
  EXPECT_EQ(plan_of({.method = "affine"}, kUp).encoding, int_rows(8, ZeroPoints::kPacked));
  EXPECT_EQ(plan_of({.method = "dynamic-int8"}, kUp).encoding, int_rows(8));
  EXPECT_EQ(plan_of({.method = "rtn"}, kUp).encoding, int_groups(4, 128, ZeroPoints::kPacked));
  EXPECT_EQ(plan_of({.method = "nf4"}, kUp).encoding,
            Encoding(CodebookEncoding{CodebookTable::kNf4, 64, false}));
  EXPECT_EQ(plan_of({.method = "fp4"}, kUp).encoding,
            Encoding(CodebookEncoding{CodebookTable::kFp4, 64, false}));
}

TEST(QuantizeMethods, OnlyDynamicInt8AsksForInt8Activations) {
  for (const QuantizeMethod& method : quantize_methods()) {
    const bool dynamic = method.name == "dynamic-int8";
    EXPECT_EQ(plan_of({.method = std::string(method.name)}, kUp).activation,
              dynamic ? ActivationQuantization{ActivationScheme::kDynamicInt8Token}
                      : ActivationQuantization{ActivationScheme::kNone});
  }
  EXPECT_EQ(plan_of({.method = "dynamic-int8"}, "lm_head").activation,
            ActivationQuantization{ActivationScheme::kNone});
}

TEST(QuantizeMethods, RtnIsAffineBelowEightBitsAndSymmetricAtEight) {
  EXPECT_EQ(plan_of({.method = "rtn", .bits = 8}, kUp).encoding, int_groups(8, 128));
  EXPECT_EQ(plan_of({.method = "rtn", .bits = 8, .affine = true}, kUp).encoding,
            int_groups(8, 128, ZeroPoints::kPacked));
  EXPECT_EQ(plan_of({.method = "rtn", .bits = 3, .group_size = "64"}, kUp).encoding,
            int_groups(3, 64, ZeroPoints::kPacked));
  EXPECT_EQ(plan_of({.method = "rtn", .bits = 3, .symmetric = true}, kUp).encoding,
            int_groups(3, 128));
  GroupIntEncoding rows{.bits = 4,
                        .granularity = Granularity::kRow,
                        .zero_points = ZeroPoints::kPacked,
                        .scale_dtype = DType::kBF16};
  EXPECT_EQ(
      plan_of({.method = "rtn", .group_size = "row", .scale_dtype = DType::kBF16}, kUp).encoding,
      Encoding(rows));
}

TEST(QuantizeMethods, GroupSizesAndRoundOptionsOfAbsmaxAndAffine) {
  EXPECT_EQ(plan_of({.method = "absmax", .group_size = "32"}, kUp).encoding, int_groups(8, 32));
  const GroupIntEncoding tensor{.bits = 8, .granularity = Granularity::kTensor};
  EXPECT_EQ(plan_of({.method = "absmax", .group_size = "tensor"}, kUp).encoding, Encoding(tensor));
  EXPECT_EQ(plan_of({.method = "affine", .group_size = "32"}, kUp).encoding,
            int_groups(8, 32, ZeroPoints::kPacked));
  const ParameterPlan plan =
      plan_of({.method = "absmax", .range = SymmetricRange::kFull, .search_range = true}, kUp);
  EXPECT_EQ(plan.round.symmetric_range, SymmetricRange::kFull);
  EXPECT_TRUE(plan.round.search_range);
  EXPECT_EQ(plan_of({.method = "affine"}, kUp).round.affine_range, AffineRange::kWithZero);
  EXPECT_EQ(plan_of({.method = "fp8", .block_size = 128}, kUp).encoding,
            Encoding(Float8Encoding{DType::kF8E4M3, Granularity::kGroup, DType::kF32, 128}));
  EXPECT_EQ(plan_of({.method = "fp8", .group_size = "tensor"}, kUp).encoding,
            Encoding(Float8Encoding{DType::kF8E4M3, Granularity::kTensor}));
}

TEST(QuantizeMethods, CodebookOptions) {
  const ParameterPlan plan =
      plan_of({.method = "nf4", .double_quantization = true, .block_size = 128}, kUp);
  EXPECT_EQ(plan.encoding, Encoding(CodebookEncoding{CodebookTable::kNf4, 128, true}));
}

TEST(QuantizeMethods, DocumentsCodeEveryParameter) {
  const GroupIntEncoding matrix{.bits = 8, .granularity = Granularity::kTensor};
  GroupIntEncoding vector = matrix;
  vector.zero_points = ZeroPoints::kInt32;
  for (const DecoderSpec& spec : {tiny_gpt2(), untied(tiny_gpt2()), tiny_qwen3()})
    for (const Parameter& parameter : parameters_of(spec)) {
      const bool is_vector =
          parameter.kind == ParameterKind::kNorm || parameter.kind == ParameterKind::kBias;
      const ParameterPlan plan = plan_of({.method = "documents"}, parameter.name, spec);
      EXPECT_EQ(plan.encoding, Encoding(is_vector ? vector : matrix)) << parameter.name;
      EXPECT_EQ(plan.round.lowest_code, 0);
      if (is_vector)
        EXPECT_EQ(plan.round.affine_range, AffineRange::kFree);
      else
        EXPECT_EQ(plan.round.symmetric_range, SymmetricRange::kFull);
    }
  EXPECT_EQ(plan_of({.method = "documents", .lowest_code = -127}, kUp).round.lowest_code, 1);
  EXPECT_EQ(plan_of({.method = "documents", .lowest_code = -127}, "final_norm").round.lowest_code,
            1);
  EXPECT_EQ(plan_of({.method = "documents", .lowest_code = -128}, kUp).round.lowest_code, 0);
}

TEST(QuantizeMethods, BlockLinearsOnlyAndTheRestIsKept) {
  for (const char* method : {"fp8", "absmax", "affine", "dynamic-int8", "rtn", "nf4", "fp4"})
    for (const DecoderSpec& spec : {tiny_llama(), tiny_gpt2()})
      for (const Parameter& parameter : parameters_of(spec)) {
        const bool is_coded = plan_of({.method = method}, parameter.name, spec).encoding != kBf16;
        EXPECT_EQ(is_coded, parameter.kind == ParameterKind::kLinear)
            << method << " " << parameter.name;
      }
  EXPECT_EQ(coded({.method = "bf16"}).size(), parameters_of(tiny_llama()).size());
}

TEST(QuantizeMethods, KeptTensorsTakeTheSourcesTypeOrTheOneAsked) {
  const Encoding f16 = DenseEncoding{DType::kF16}, q4 = GgmlEncoding{GgmlType::kQ4_1};
  EXPECT_EQ(plan_of({.method = "rtn"}, "lm_head", tiny_llama(), f16).encoding, f16);
  EXPECT_EQ(plan_of({.method = "rtn"}, "lm_head", tiny_llama(), q4).encoding, kF32);
  EXPECT_EQ(
      plan_of({.method = "rtn", .dtype = KeptDtype::kBf16}, "lm_head", tiny_llama(), q4).encoding,
      kBf16);
  EXPECT_EQ(plan_of({.method = "rtn", .dtype = KeptDtype::kF16}, "final_norm").encoding, f16);
  EXPECT_EQ(plan_of({.method = "rtn", .dtype = KeptDtype::kF32}, "final_norm").encoding, kF32);
}

TEST(QuantizeMethods, EmbeddingAndHeadGetGroupsOf32) {
  const auto at = [](EmbeddingWidth width, const std::string& name, const DecoderSpec& spec) {
    return plan_of({.method = "rtn", .embedding = width}, name, spec).encoding;
  };
  for (const char* name : {"embedding", "lm_head"}) {
    EXPECT_EQ(at(EmbeddingWidth::k8, name, tiny_llama()), int_groups(8, 32));
    EXPECT_EQ(at(EmbeddingWidth::k6, name, tiny_llama()), int_groups(6, 32, ZeroPoints::kPacked));
    EXPECT_EQ(at(EmbeddingWidth::k4, name, tiny_llama()), int_groups(4, 32, ZeroPoints::kPacked));
    EXPECT_EQ(at(EmbeddingWidth::kKeep, name, tiny_llama()), kBf16);
  }
  EXPECT_EQ(at(EmbeddingWidth::k8, "position", tiny_gpt2()), kBf16);
  EXPECT_EQ(plan_of({.method = "bf16", .embedding = EmbeddingWidth::k8}, "embedding").encoding,
            int_groups(8, 32));
}

TEST(QuantizeMethods, LayersAndSkipChooseByName) {
  EXPECT_THAT(coded({.method = "rtn", .layers = "0\\.mlp"}),
              ElementsAre("layers.0.mlp.gate", "layers.0.mlp.up", "layers.0.mlp.down"));
  EXPECT_THAT(coded({.method = "rtn", .layers = "layers\\.1", .skip = "mlp|attn\\.[qk]$"}),
              ElementsAre("layers.1.attn.v", "layers.1.attn.o"));
  EXPECT_THAT(coded({.method = "rtn", .layers = "1.attn.o", .embedding = EmbeddingWidth::k8}),
              ElementsAre("embedding", "layers.1.attn.o", "lm_head"));
  EXPECT_THAT(coded({.method = "rtn",
                     .layers = "1.attn.o",
                     .skip = "lm_head",
                     .embedding = EmbeddingWidth::k8}),
              ElementsAre("embedding", "layers.1.attn.o"));
  EXPECT_THAT(coded({.method = "documents", .layers = "final"}, tiny_gpt2()),
              ElementsAre("final_norm", "final_norm.bias"));
}

TEST(QuantizeMethods, SkippingTheHeadOfATiedModelKeepsItsEmbedding) {
  const QuantizeOptions options{
      .method = "rtn", .layers = "1.attn.o", .skip = "lm_head", .embedding = EmbeddingWidth::k8};
  EXPECT_THAT(coded(options, tiny_gpt2()), ElementsAre("layers.1.attn.o"));
  EXPECT_THAT(coded({.method = "rtn", .layers = "1.attn.o", .skip = "lm_head"}),
              ElementsAre("layers.1.attn.o"));
}

TEST(QuantizeMethods, BadExpressionsAreExplained) {
  EXPECT_THAT(
      refusal({.method = "rtn", .layers = "mlp.("}),
      HasSubstr("option 'layers': expected a regular expression (ECMAScript), found 'mlp.('"));
  EXPECT_THAT(refusal({.method = "rtn", .skip = "[z-a]"}),
              HasSubstr("option 'skip': expected a regular expression"));
  EXPECT_EQ(refusal({.method = "rtn", .layers = "mpl"}),
            "option 'layers': regular expression 'mpl' finds none of the 14 parameters that the "
            "method codes; names are like "
            "layers.0.attn.k, layers.0.mlp.down, layers.1.attn.o, layers.1.mlp.up");
  EXPECT_THAT(refusal({.method = "rtn", .skip = "nothing"}),
              HasSubstr("option 'skip': regular expression 'nothing' finds none of the 21 "
                        "parameters; names are like embedding, "));
  EXPECT_THAT(refusal({.method = "rtn", .layers = "lm_head"}),
              HasSubstr("finds only embedding or head, which method 'rtn' keeps; use option "
                        "'embedding' for them"));
}

TEST(QuantizeMethods, OptionsOfOtherMethodsAreRefused) {
  EXPECT_EQ(refusal({.method = "nf4", .bits = 4}),
            "option 'bits' does not belong to method 'nf4', which takes layers, skip, "
            "double-quantization, block-size, embedding, dtype");
  EXPECT_THAT(refusal({.method = "nf4", .group_size = "64"}),
              HasSubstr("option 'group-size' does not belong to method 'nf4'"));
  EXPECT_THAT(refusal({.method = "rtn", .double_quantization = true}),
              HasSubstr("option 'double-quantization' does not belong"));
  EXPECT_THAT(refusal({.method = "rtn", .lowest_code = -127}),
              HasSubstr("option 'lowest-code' does not belong to method 'rtn'"));
  EXPECT_THAT(refusal({.method = "absmax", .affine = true}),
              HasSubstr("option 'affine' does not belong to method 'absmax'"));
  EXPECT_THAT(refusal({.method = "affine", .symmetric = true}),
              HasSubstr("option 'symmetric' does not belong to method 'affine'"));
  EXPECT_THAT(refusal({.method = "fp8", .scale_dtype = DType::kF16}),
              HasSubstr("option 'scale-dtype' does not belong"));
  EXPECT_THAT(refusal({.method = "documents", .embedding = EmbeddingWidth::k8}),
              HasSubstr("option 'embedding' does not belong"));
  EXPECT_THAT(refusal({.method = "bf16", .dtype = KeptDtype::kF32}),
              HasSubstr("option 'dtype' does not belong to method 'bf16'"));
  EXPECT_THAT(refusal({.method = "dynamic-int8", .search_range = true}),
              HasSubstr("option 'search-range' does not belong"));
}

TEST(QuantizeMethods, ValuesOutOfRangeAreRefused) {
  EXPECT_EQ(refusal({.method = "rtn", .bits = 9}), "option 'bits': expected 1 to 8, found 9");
  EXPECT_EQ(refusal({.method = "rtn", .bits = 0}), "option 'bits': expected 1 to 8, found 0");
  EXPECT_THAT(refusal({.method = "rtn", .bits = 1, .symmetric = true}),
              HasSubstr("symmetric codes need at least 2 bits, found 1"));
  EXPECT_THAT(refusal({.method = "rtn", .symmetric = true, .affine = true}),
              HasSubstr("exclude each other"));
  EXPECT_THAT(refusal({.method = "rtn", .range = SymmetricRange::kFull}),
              HasSubstr("option 'range' is for symmetric units"));
  EXPECT_THAT(refusal({.method = "rtn", .group_size = "0"}),
              HasSubstr("option 'group-size': expected a number of columns from 1"));
  EXPECT_THAT(refusal({.method = "rtn", .group_size = "col"}),
              HasSubstr("row or tensor, found 'col'"));
  EXPECT_THAT(
      refusal({.method = "fp8", .group_size = "64"}),
      HasSubstr("method 'fp8' has no groups, found 64; use 'block-size' for square blocks"));
  EXPECT_EQ(refusal({.method = "fp8", .group_size = "row", .block_size = 128}),
            "options 'group-size' and 'block-size' exclude each other; give one");
  EXPECT_THAT(refusal({.method = "fp8", .block_size = 0}),
              HasSubstr("option 'block-size': float8 encoding: expected a block of at least 1"));
  EXPECT_EQ(refusal({.method = "rtn", .scale_dtype = DType::kI8}),
            "option 'scale-dtype': expected F32, F16 or BF16, found I8");
  EXPECT_EQ(refusal({.method = "documents", .lowest_code = -126}),
            "option 'lowest-code': expected -128 or -127, found -126");
  EXPECT_THAT(refusal({.method = "nf4", .block_size = 0}), HasSubstr("option 'block-size': "));
}

TEST(QuantizeMethods, ParseGroupSize) {
  EXPECT_EQ(parse_group_size("row", "x").granularity, Granularity::kRow);
  EXPECT_EQ(parse_group_size("tensor", "x").granularity, Granularity::kTensor);
  EXPECT_EQ(parse_group_size("128", "x").columns, 128u);
  for (const char* bad : {"", "-1", "12a", "1.5", " 32", "99999999999999999999", "1073741825"})
    EXPECT_THAT(message_of<UserError>([&] { parse_group_size(bad, "place"); }),
                HasSubstr("place: expected"))
        << bad;
}

TEST(QuantizeMethods, NamesThatAreNotMethods) {
  EXPECT_EQ(message_of<UserError>([] { find_quantize_method("gptq"); }),
            "method 'gptq' is not built yet; methods are bf16, fp16, fp8, absmax, affine, "
            "documents, dynamic-int8, rtn, nf4, fp4");
  for (const char* later :
       {"static-int8", "smoothquant", "llm-int8", "awq", "signround", "gobo", "hqq"})
    EXPECT_THAT(message_of<UserError>([&] { find_quantize_method(later); }),
                HasSubstr("is not built yet"))
        << later;
  EXPECT_THAT(message_of<UserError>([] { find_quantize_method("afine"); }), HasSubstr("affine"));
  EXPECT_EQ(find_quantize_method("nf4").name, "nf4");
}

}  // namespace
}  // namespace pith

#include "pith/formats/layouts/pith_layout.h"

#include <gmock/gmock.h>

#include "pith/formats/test_files.h"

namespace pith {
namespace {

using testing::HasSubstr;

const Encoding kEncodings[] = {
    DenseEncoding{DType::kBF16},
    Float8Encoding{DType::kF8E5M2, Granularity::kTensor},
    GroupIntEncoding{4, Granularity::kGroup, 128, ZeroPoints::kPacked, DType::kF16},
    GroupIntEncoding{8, Granularity::kRow, 0, ZeroPoints::kNone, DType::kF32},
    GroupIntEncoding{3, Granularity::kTensor, 0, ZeroPoints::kInt32, DType::kBF16},
    CodebookEncoding{CodebookTable::kFp4, 32, true},
    Float8Encoding{DType::kF8E4M3, Granularity::kGroup, DType::kBF16, 128},
    GroupIntEncoding{4, Granularity::kGroup, 32, ZeroPoints::kNone, DType::kF16, true},
    GgmlEncoding{GgmlType::kQ4_1},
};

Encoding reread(const Encoding& encoding) {
  const Json json = parse_json(encoding_to_json(encoding).dump(), "config.json");
  return encoding_from_json(JsonCursor(json, "config.json"));
}

TEST(EncodingJson, RoundTrips) {
  for (const Encoding& encoding : kEncodings)
    EXPECT_EQ(reread(encoding), encoding) << to_string(encoding);
}

TEST(EncodingJson, IsAsDocumented) {
  EXPECT_EQ(
      encoding_to_json(kEncodings[2]).dump(),
      R"({"kind":"group_int","bits":4,"granularity":"group","group_size":128,"zero_points":"packed",)"
      R"("scale_dtype":"F16"})");
  EXPECT_EQ(encoding_to_json(GgmlEncoding{GgmlType::kQ4_1}).dump(),
            R"({"kind":"ggml_block","type":"Q4_1"})");
  EXPECT_EQ(encoding_to_json(kEncodings[6]).dump(),
            R"({"kind":"float8","format":"F8_E4M3","granularity":"group","scale_dtype":"BF16",)"
            R"("block":128})");
}

TEST(EncodingJson, RefusesUnknownKindsAndFieldsOutOfRange) {
  struct Case {
    const char *json, *message;
  };
  constexpr Case kCases[] = {
      {R"({"kind":"vector"})",
       "c: at /kind: expected one of dense, float8, group_int, codebook, ggml_block, found "
       "'vector'"},
      {R"({})", "c: expected a value for 'kind', found none"},
      {R"({"kind":"dense","dtype":"I8"})",
       "c: at /dtype: expected one of F32, F16, BF16, found \"I8\""},
      {R"({"kind":"float8","format":"F8_E4M3","granularity":"group"})",
       "c: expected a value for 'block', found none"},
      {R"({"kind":"group_int","bits":9})", "c: at /bits: expected an integer from 1 to 8, found 9"},
      {R"({"kind":"group_int","bits":4,"granularity":"block"})",
       "c: at /granularity: expected one of tensor, row, group, found 'block'"},
      {R"({"kind":"group_int","bits":4,"granularity":"group","group_size":0})",
       "c: at /group_size: expected an integer from 1 to 2147483648, found 0"},
      {R"({"kind":"codebook","table":"nf4","block_size":64})",
       "c: expected a value for 'double_quantized', found none"},
      {R"({"kind":"ggml_block","type":"IQ2_S"})",
       "c: at /type: expected one of Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, "
       "IQ4_NL, IQ4_XS, MXFP4, found 'IQ2_S'"},
  };
  for (const Case& item : kCases) {
    const Json json = Json::parse(item.json);
    EXPECT_EQ(error_of<FormatError>([&] { encoding_from_json(JsonCursor(json, "c")); }),
              item.message);
  }
}

PithLayout small_layout() {
  return {{"a.weight",
           {kEncodings[2], 4, 256, ActivationQuantization{ActivationScheme::kDynamicInt8Token}}},
          {"b.weight", {kEncodings[2], 8, 256, ActivationQuantization{ActivationScheme::kNone}}},
          {"c.weight", {kEncodings[5], 3, 5, ActivationQuantization{ActivationScheme::kNone}}}};
}

TEST(LayoutJson, KeepsTheNumbersOfActivations) {
  PithLayout layout = small_layout();
  layout["b.weight"].activation = {ActivationScheme::kStaticInt8Tensor, 0.1f, -7, 0};
  layout["c.weight"].activation = {ActivationScheme::kLlmInt8, 0, 0, 6.5f};
  const Json json = parse_json(layout_to_json(layout).dump(), "c");
  EXPECT_EQ(layout_from_json(JsonCursor(json, "c")), layout);
  const auto refusal = [&](std::string_view key, const Json& value) {
    Json bad = json;
    bad["matrices"]["b.weight"][std::string(key)] = value;
    return error_of<FormatError>([&] { layout_from_json(JsonCursor(bad, "c")); });
  };
  EXPECT_EQ(refusal("activation_scale", 0),
            "c: at /matrices/b.weight/activation_scale: expected a positive f32, found 0");
  EXPECT_EQ(refusal("activation_zero_point", 128),
            "c: at /matrices/b.weight/activation_zero_point: expected an integer from -128 to 127, "
            "found 128");
}

TEST(LayoutJson, RoundTripsAndNamesEachEncodingOnce) {
  const Json json = layout_to_json(small_layout());
  EXPECT_EQ(json["quant_method"], "pith");
  EXPECT_EQ(json["version"], 1);
  EXPECT_EQ(json["encodings"].size(), 2u);
  EXPECT_EQ(json["matrices"]["a.weight"]["activation"], "dynamic-int8-token");
  EXPECT_FALSE(json["matrices"]["b.weight"].contains("activation"));
  EXPECT_EQ(layout_from_json(JsonCursor(json, "config.json")), small_layout());
}

std::string refusal(const std::string& pointer, const Json& value) {
  Json json = layout_to_json(small_layout());
  json[Json::json_pointer(pointer)] = value;
  return error_of<FormatError>([&] { layout_from_json(JsonCursor(json, "c")); });
}

TEST(Layouts, OtherMethodsAreRefusedByName) {
  const Json json = {{"quant_method", "torchao"}};
  EXPECT_THAT(error_of<FormatError>([&] { layout_of(JsonCursor(json, "c")); }),
              testing::AllOf(HasSubstr("c: at /quant_method: expected one of pith"),
                             HasSubstr("found 'torchao'; Pith does not read this layout; give it "
                                       "the unquantized model or a GGUF file")));
  EXPECT_THAT(error_of<UserError>([&] { find_layout("zip"); }),
              HasSubstr("layout: expected one of pith"));
  const Json ours = {{"quant_method", "pith"}};
  EXPECT_EQ(layout_of(JsonCursor(ours, "c")).name, "pith");
}

TEST(LayoutJson, RefusesNewerVersions) {
  EXPECT_EQ(refusal("/version", 2),
            "c: at /version: expected at most 1, found 2; the folder was written by a newer Pith; "
            "update this one");
}

TEST(LayoutJson, RefusesBadEntries) {
  EXPECT_EQ(refusal("/matrices/a.weight/encoding", 2),
            "c: at /matrices/a.weight/encoding: expected an integer from 0 to 1, found 2");
  EXPECT_EQ(refusal("/matrices/a.weight/rows", 0),
            "c: at /matrices/a.weight/rows: expected an integer from 1 to 2147483648, found 0");
  EXPECT_EQ(refusal("/matrices/a.weight/activation", "static"),
            "c: at /matrices/a.weight/activation: expected one of none, dynamic-int8-token, "
            "static-int8-tensor, dynamic-fp8-token, static-fp8-tensor, llm-int8, found 'static'");
  EXPECT_EQ(refusal("/encodings", Json::array()),
            "c: at /matrices/a.weight/encoding: expected the index of an encoding, of which there "
            "are none, found 0");
  EXPECT_EQ(refusal("/matrices", 3), "c: at /matrices: expected an object, found 3");
}

}  // namespace
}  // namespace pith

#include "pith/formats/layouts/gptq_config.h"

#include <gmock/gmock.h>

#include "pith/formats/test_files.h"

namespace pith {
namespace {

using testing::HasSubstr;

GptqConfig config_of(const std::string& text) {
  const Json json = parse_json(text, "c");
  return GptqConfig(JsonCursor(json, "c"));
}

GptqScheme base_of(const std::string& text) { return config_of(text).scheme_of("m").value(); }

TEST(GptqConfig, ReadsTheKeysAndTheirSynonyms) {
  EXPECT_EQ(base_of(R"({"bits": 4, "group_size": 128})"), (GptqScheme{4, 128, true, false}));
  EXPECT_EQ(base_of(R"({"w_bit": 3, "q_group_size": -1, "sym": false, "desc_act": true})"),
            (GptqScheme{3, -1, false, true}));
  EXPECT_EQ(base_of(R"({"wbits": 8, "group_size": 32, "pack_dtype": "int32", "dynamic": null})"),
            (GptqScheme{8, 32, true, false}));
}

TEST(GptqConfig, TellsHowZeroPointsAreStored) {
  const auto zeros = [](const std::string& more) {
    return config_of(R"({"bits": 4, "group_size": 128)" + more + "}").zeros();
  };
  EXPECT_EQ(zeros(""), GptqZeros::kMinusOne);
  EXPECT_EQ(zeros(R"(, "checkpoint_format": "GPTQ", "is_marlin_format": false)"),
            GptqZeros::kMinusOne);
  EXPECT_EQ(zeros(R"(, "checkpoint_format": "gptq_v2")"), GptqZeros::kPlain);
  EXPECT_EQ(zeros(R"(, "format": "gptq_v2")"), GptqZeros::kPlain);
  EXPECT_EQ(zeros(R"(, "meta": {"quantizer": ["gptqmodel:5.0.0"]})"), GptqZeros::kMinusOneWord);
  EXPECT_EQ(zeros(R"(, "meta": {"quantizer": "auto-round:0.4"})"), GptqZeros::kMinusOne);
}

constexpr const char* kDynamic = R"({"bits": 4, "group_size": 128, "desc_act": true, "dynamic": {
  "-:.*\\.down_proj": {}, "+:^model\\.layers\\.0\\.mlp\\.up_proj$": {"bits": 8, "group_size": 32},
  ".*q_proj": {"sym": false, "desc_act": false}, "lm_head": {"bits": 8}}})";

TEST(GptqConfig, RulesReplaceSomeKeys) {
  const GptqConfig config = config_of(kDynamic);
  EXPECT_EQ(config.scheme_of("model.layers.0.mlp.down_proj"), std::nullopt);
  EXPECT_EQ(config.scheme_of("model.layers.0.mlp.up_proj"), (GptqScheme{8, 32, true, true}));
  EXPECT_EQ(config.scheme_of("model.layers.1.mlp.up_proj"), (GptqScheme{4, 128, true, true}));
  EXPECT_EQ(config.scheme_of("model.layers.1.self_attn.q_proj"),
            (GptqScheme{4, 128, false, false}));
  EXPECT_EQ(config.scheme_of("lm_head"), (GptqScheme{8, 128, true, true}));
}

TEST(GptqConfig, RefusesOtherPackingsByName) {
  const auto refusal = [](const std::string& more) {
    return error_of<FormatError>(
        [&] { config_of(R"({"bits": 4, "group_size": 128, )" + more + "}"); });
  };
  EXPECT_EQ(refusal(R"("checkpoint_format": "Marlin")"),
            "c: at /checkpoint_format: expected gptq or gptq_v2, found 'marlin'; Pith does not "
            "read this packing; convert the folder with GPTQModel, or give the unquantized model");
  EXPECT_THAT(refusal(R"("format": "gptq_p")"),
              HasSubstr("at /format: expected gptq or gptq_v2, found 'gptq_p'"));
  EXPECT_THAT(refusal(R"("is_marlin_format": true)"),
              HasSubstr("at /is_marlin_format: expected gptq or gptq_v2, found 'marlin'"));
  EXPECT_THAT(refusal(R"("pack_dtype": "int16")"),
              HasSubstr("at /pack_dtype: expected \"int32\", the only words that Pith reads, found "
                        "\"int16\""));
}

TEST(GptqConfig, RefusesNumbersOutOfRangeAndBadRules) {
  struct Case {
    const char *json, *message;
  };
  constexpr Case kCases[] = {
      {R"({"group_size": 128})", "c: expected a value for 'bits', found none"},
      {R"({"bits": 4})", "c: expected a value for 'group_size', found none"},
      {R"({"bits": 5, "group_size": 128})", "c: at /bits: expected 2, 3, 4 or 8 bits, found 5"},
      {R"({"bits": "4", "group_size": 128})",
       "c: at /bits: expected an integer from 0 to 64, found \"4\""},
      {R"({"bits": 4, "group_size": 0})",
       "c: at /group_size: expected -1 or a group of at least 1, found 0"},
      {R"({"bits": 4, "group_size": -2})",
       "c: at /group_size: expected an integer from -1 to 2147483648, found -2"},
      {R"({"bits": 4, "group_size": 9223372036854775807})",
       "c: at /group_size: expected an integer from -1 to 2147483648, found 9223372036854775807"},
      {R"({"bits": 4, "group_size": 128, "sym": 1})",
       "c: at /sym: expected true or false, found 1"},
      {R"({"bits": 4, "group_size": 128, "dynamic": []})",
       "c: at /dynamic: expected an object, found an array of 0"},
      {R"({"bits": 4, "group_size": 128, "dynamic": {"(": {}}})",
       "c: at /dynamic/(: expected a regular expression that Pith understands, found a group "
       "without its ')' before character 2; name the modules in another way"},
      {R"({"bits": 4, "group_size": 128, "dynamic": {"+:a": {"bits": 7}}})",
       "c: at /dynamic/+:a/bits: expected 2, 3, 4 or 8 bits, found 7"},
      {R"({"bits": 4, "group_size": 128, "dynamic": {"a": 3}})",
       "c: at /dynamic/a: expected an object, found 3"},
  };
  for (const Case& item : kCases)
    EXPECT_EQ(error_of<FormatError>([&] { config_of(item.json); }), item.message);
}

TEST(GptqConfigJson, SaysTheBaseOnceAndRulesForTheRest) {
  const GptqScheme base{4, 128, true, false};
  const Json json = gptq_config_to_json({{"l.0.q_proj", GptqScheme{8, 128, true, false}},
                                         {"l.0.k_proj", GptqScheme{8, 128, true, false}},
                                         {"l.0.v_proj", GptqScheme{8, 128, true, false}},
                                         {"l.0.gate_proj", base},
                                         {"l.0.up_proj", GptqScheme{4, 32, false, true}},
                                         {"l.0.down_proj", std::nullopt},
                                         {"l.1.gate_proj", base},
                                         {"l.1.up_proj", base},
                                         {"l.1.down_proj", base}});
  EXPECT_EQ(
      json.dump(),
      R"({"quant_method":"gptq","bits":4,"group_size":128,"desc_act":false,"sym":true,)"
      R"("lm_head":false,"checkpoint_format":"gptq_v2","format":"gptq_v2","pack_dtype":"int32",)"
      R"("meta":{"quantizer":["pith"]},"dynamic":{"+:^l\\.0\\.q_proj$":{"bits":8},)"
      R"("+:^l\\.0\\.qkv_proj$":{"bits":8},"+:^l\\.0\\.k_proj$":{"bits":8},)"
      R"("+:^l\\.0\\.v_proj$":{"bits":8},)"
      R"("+:^l\\.0\\.up_proj$":{"group_size":32,"sym":false,"desc_act":true},)"
      R"("-:^l\\.0\\.down_proj$":{}}})");
  const GptqConfig config = config_of(json.dump());
  EXPECT_EQ(config.scheme_of("l.0.v_proj"), (GptqScheme{8, 128, true, false}));
  EXPECT_EQ(config.scheme_of("l.0.up_proj"), (GptqScheme{4, 32, false, true}));
  EXPECT_EQ(config.scheme_of("l.0.down_proj"), std::nullopt);
  EXPECT_EQ(config.scheme_of("l.1.down_proj"), base);
  EXPECT_EQ(config.zeros(), GptqZeros::kPlain);
}

TEST(GptqConfigJson, SymmetricModelsAreV1) {
  const Json json = gptq_config_to_json({{"a.up_proj", GptqScheme{2, -1, true, true}}});
  EXPECT_EQ(json["checkpoint_format"], "gptq");
  EXPECT_EQ(json["group_size"], -1);
  EXPECT_FALSE(json.contains("dynamic"));
  EXPECT_EQ(config_of(json.dump()).zeros(), GptqZeros::kMinusOne);
}

}  // namespace
}  // namespace pith

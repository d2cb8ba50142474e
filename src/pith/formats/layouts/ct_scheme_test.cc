#include "pith/formats/layouts/ct_scheme.h"

#include <gmock/gmock.h>

#include "pith/formats/test_files.h"

namespace pith {
namespace {

using testing::HasSubstr;

// As llm-compressor writes it, shortened.
Json sample() {
  return Json::parse(R"({
    "quant_method": "compressed-tensors", "format": "pack-quantized", "ignore": ["lm_head"],
    "kv_cache_scheme": null, "sparsity_config": {}, "transform_config": {}, "version": "0.12.2",
    "config_groups": {"group_0": {"targets": ["Linear"], "format": null,
      "output_activations": null, "input_activations": null,
      "weights": {"num_bits": 4, "type": "int", "symmetric": true, "strategy": "group",
        "group_size": 128, "block_structure": null, "dynamic": false, "actorder": null}}}})");
}

CtConfig parsed(const Json& json) { return ct_config_from_json(JsonCursor(json, "c")); }

// The sample with one value changed, by its JSON pointer.
Json changed(const std::string& pointer, const Json& value) {
  Json json = sample();
  json[Json::json_pointer(pointer)] = value;
  return json;
}

std::string refusal(const Json& json) {
  return error_of<FormatError>([&] { parsed(json); });
}

constexpr const char* kWeights = "/config_groups/group_0/weights";
constexpr const char* kInput = "/config_groups/group_0/input_activations";

CtScheme scheme(const Json& json) { return parsed(json).groups.at(0); }

TEST(CtConfig, ReadsTheSample) {
  const CtConfig config = parsed(sample());
  ASSERT_EQ(config.groups.size(), 1u);
  const CtWeights weights{false, 4, true, CtStrategy::kGroup, 128, 0, false};
  EXPECT_EQ(config.groups[0].weights, weights);
  EXPECT_EQ(config.groups[0].format, CtFormat::kPacked);
  EXPECT_EQ(config.groups[0].activation, ActivationScheme::kNone);
  EXPECT_EQ(config.group_names[0], "group_0");
  EXPECT_FALSE(config.dense_words);
}

TEST(CtConfig, StrategyFollowsFromTheGroupSize) {
  const auto strategy = [](const Json& group_size) {
    Json json = sample();
    Json& weights = json[Json::json_pointer(kWeights)];
    weights["strategy"] = nullptr;
    weights["group_size"] = group_size;
    return scheme(json).weights->strategy;
  };
  EXPECT_EQ(strategy(nullptr), CtStrategy::kTensor);
  EXPECT_EQ(strategy(-1), CtStrategy::kChannel);
  EXPECT_EQ(strategy(32), CtStrategy::kGroup);
}

TEST(CtConfig, ActOrder) {
  const auto ordered = [](const Json& value) {
    return scheme(changed(std::string(kWeights) + "/actorder", value)).weights->column_groups;
  };
  EXPECT_TRUE(ordered("group"));
  EXPECT_TRUE(ordered("dynamic"));
  EXPECT_TRUE(ordered(true));
  EXPECT_FALSE(ordered("weight"));
  EXPECT_FALSE(ordered("static"));
  EXPECT_FALSE(ordered(false));
}

TEST(CtConfig, Activations) {
  const auto activation = [](const char* text) {
    return scheme(changed(kInput, Json::parse(text)));
  };
  EXPECT_EQ(activation(R"({"dynamic": true, "strategy": "token"})").activation,
            ActivationScheme::kDynamicInt8Token);
  EXPECT_EQ(activation(R"({"dynamic": false, "strategy": "tensor"})").activation,
            ActivationScheme::kStaticInt8Tensor);
  EXPECT_EQ(activation(R"({"dynamic": true, "strategy": "token", "type": "float"})").activation,
            ActivationScheme::kDynamicFp8Token);
  EXPECT_EQ(activation(R"({"strategy": "tensor", "type": "float"})").activation,
            ActivationScheme::kStaticFp8Tensor);
  EXPECT_FALSE(activation(R"({"strategy": "tensor", "symmetric": false})").symmetric_activation);
}

TEST(CtConfig, VersionsTellThePacking) {
  const auto dense = [](const Json& version) {
    return parsed(changed("/version", version)).dense_words;
  };
  EXPECT_FALSE(dense("0.17.1"));
  EXPECT_TRUE(dense("0.18.0"));
  EXPECT_TRUE(dense("0.20.1.a20261101"));
  EXPECT_TRUE(dense("1.0"));
  EXPECT_FALSE(dense("unknown"));
  EXPECT_FALSE(dense("0."));
  EXPECT_FALSE(dense(nullptr));
}

TEST(CtConfig, GroupsWithTheirOwnFormats) {
  Json json = changed("/format", "mixed-precision");
  EXPECT_EQ(refusal(json),
            "c: at /config_groups/group_0: expected a format of its own, since the folder's is "
            "mixed-precision, found none");
  json["config_groups"]["group_0"]["format"] = "naive-quantized";
  EXPECT_EQ(scheme(json).format, CtFormat::kNaive);
}

TEST(CtConfig, DenseFoldersHaveNoWeights) {
  EXPECT_FALSE(scheme(changed("/format", "dense")).weights.has_value());
  EXPECT_TRUE(parsed(Json::parse(R"({"format": "dense", "config_groups": {}})")).groups.empty());
  EXPECT_TRUE(parsed(Json::parse(R"({"sparsity_config": {"format": "dense"}})")).groups.empty());
}

TEST(CtConfig, TheTimeOfAllMatchesIsBounded) {
  Json json = sample();
  json["ignore"] = Json::array();
  for (int i = 0; i < 200; ++i)
    json["ignore"].push_back(fmt::format("re:((a*)*(a?){{30}})*b{}", i));
  const CtConfig config = parsed(json);
  std::vector<bool> matched(config.targets.size());
  MatchTime time;
  const std::string module(90, 'a');
  EXPECT_THAT(
      error_of<FormatError>([&] {
        for (int i = 0; i < 100000; ++i) ct_target_of(config, module, "Linear", time, matched);
      }),
      HasSubstr("matching the names of modules takes more than 0.5 s, last with 're:((a*)"));
}

TEST(CtConfig, RefusesWhatPithDoesNotRead) {
  struct Case {
    std::string pointer;
    Json value;
    const char* message;
  };
  const std::string weights = kWeights, input = kInput;
  const Case cases[] = {
      {"/format",
       "marlin-24",
       "c: at /format: expected one of dense, naive-quantized, int-quantized, float-quantized, "
       "pack-quantized, found 'marlin-24', a layout for one kernel, from which no other program "
       "gets weights back; give Pith the dense model"},
      {"/format", "sparse-24-bitmask", "found 'sparse-24-bitmask', a sparse layout that"},
      {"/format",
       "nvfp4-pack-quantized",
       "found 'nvfp4-pack-quantized', 4-bit floats in groups of 16"},
      {"/format", "zip", "found 'zip'"},
      {"/sparsity_config", {{"format", "sparse-bitmask"}}, "c: at /sparsity_config/format: "},
      {"/kv_cache_scheme",
       {{"num_bits", 8}},
       "c: at /kv_cache_scheme: expected none; Pith does not quantize the cache, found an object"},
      {"/transform_config", {{"config_groups", 1}}, "does not know transforms of activations"},
      {"/config_groups",
       Json::object(),
       "c: at /config_groups: expected at least one group, found an empty object"},
      {"/config_groups/group_0", Json::array({"Linear"}), "expected an object"},
      {"/config_groups/group_0/targets",
       Json::array(),
       "c: at /config_groups/group_0/targets: expected at least one target, found an array of 0"},
      {"/config_groups/group_0/targets", Json::array({"re:(a"}), "a group without its ')'"},
      {"/config_groups/group_0/targets",
       Json::array({std::string(2000, 'x')}),
       "expected at most 1024 characters"},
      {"/ignore", Json::array({"re:a**"}), "c: at /ignore/0: expected a regular expression that"},
      {"/ignore",
       Json(std::vector<std::string>(257, "re:a")),
       "c: at /ignore: expected at most 256 regular expressions, found 257"},
      {"/config_groups/group_0/output_activations",
       {{"num_bits", 8}},
       "expected none; Pith quantizes the inputs of a product only, found an object"},
      {weights, nullptr, "expected weights or input_activations, found neither"},
      {weights + "/num_bits", 9, "expected an integer from 1 to 8, found 9"},
      {weights + "/num_bits", 0, "expected an integer from 1 to 8, found 0"},
      {weights + "/type", "uint", "expected int or float, found \"uint\""},
      {weights + "/strategy",
       "tensor_group",
       "expected one of tensor, channel, group, block, found"},
      {weights + "/strategy",
       "channel",
       "/weights/group_size: expected none, since the strategy is channel, found 128"},
      {weights + "/group_size",
       0,
       "expected a positive group_size, since the strategy is group, found 0"},
      {weights + "/group_size", -1, "since the strategy is group, found -1"},
      {weights + "/group_size", -2, "expected an integer from -1 to 1073741824, found -2"},
      {weights + "/group_size", "128", "expected an integer from -1"},
      {weights + "/dynamic", true, "/weights/dynamic: expected false for weights, found true"},
      {weights + "/actorder", "random", "expected one of group, dynamic, weight, static"},
      {weights + "/type", "float", "/weights/num_bits: expected 8 for floats (E4M3), found 4"},
      {input,
       {{"dynamic", true}, {"strategy", "tensor"}},
       "expected token for activations scaled at run time, found 'tensor'"},
      {input,
       {{"dynamic", true}, {"strategy", "group"}, {"group_size", 128}},
       "expected token for activations scaled at run time, found 'group'"},
      {input,
       {{"strategy", "token"}},
       "expected tensor for activations with a stored scale, found 'token'"},
      {input,
       {{"dynamic", true}, {"strategy", "token"}, {"num_bits", 4}},
       "expected 8 for activations, found 4"},
      {input,
       {{"dynamic", true}, {"strategy", "token"}, {"symmetric", false}},
       "expected true for activations that are floats or scaled at run time, found false"},
      {input, {{"dynamic", "local"}}, "expected true or false, found \"local\""},
  };
  for (const Case& item : cases)
    EXPECT_THAT(refusal(changed(item.pointer, item.value)), HasSubstr(item.message))
        << item.pointer;
}

TEST(CtConfig, RefusesContradictions) {
  const auto weights = [](const char* format, const char* text) {
    Json json = changed(kWeights, Json::parse(text));
    json["format"] = format;
    return refusal(json);
  };
  EXPECT_THAT(weights("pack-quantized", R"({"type": "float"})"),
              HasSubstr("expected weights that pack-quantized holds, found floats"));
  EXPECT_THAT(weights("float-quantized", R"({"num_bits": 8})"),
              HasSubstr("expected weights that float-quantized holds, found integers"));
  EXPECT_THAT(
      weights("float-quantized", R"({"type": "float", "strategy": "group", "group_size": 8})"),
      HasSubstr("expected floats with a scale a tensor, channel or block, found"));
  EXPECT_THAT(weights("float-quantized", R"({"type": "float", "symmetric": false})"),
              HasSubstr("expected true for floats, found false"));
  EXPECT_THAT(weights("float-quantized",
                      R"({"type": "float", "strategy": "block", "block_structure": [128, 64]})"),
              HasSubstr("expected square blocks, found 128 x 64"));
  EXPECT_THAT(weights("float-quantized",
                      R"({"type": "float", "strategy": "block", "block_structure": [0, 0]})"),
              HasSubstr("expected an integer from 1 to"));
  EXPECT_THAT(weights("float-quantized", R"({"type": "float", "strategy": "block"})"),
              HasSubstr("expected a value for 'block_structure', found none"));
  EXPECT_THAT(weights("int-quantized", R"({"strategy": "block", "block_structure": [8, 8]})"),
              HasSubstr("expected floats, since the strategy is block, found integers"));
  EXPECT_THAT(weights("int-quantized", R"({"strategy": "channel", "actorder": "group"})"),
              HasSubstr("expected none, since the strategy is not group, found \"group\""));
}

TEST(CtConfig, RefusesATargetInTwoGroupsThatDiffer) {
  Json json = sample();
  json["config_groups"]["second"] = json["config_groups"]["group_0"];
  EXPECT_EQ(parsed(json).groups.size(), 2u);
  json["config_groups"]["second"]["weights"]["num_bits"] = 8;
  EXPECT_EQ(refusal(json),
            "c: at /config_groups: expected one group for target 'Linear', found group_0 and "
            "second, which differ");
}

// Names of groups by which modules are decided; "-" for none.
TEST(CtTargets, NamesBeatExpressionsBeatClasses) {
  Json json = sample();
  const Json weights = json["config_groups"]["group_0"]["weights"];
  const auto add = [&](const char* name, const char* target) {
    Json group = {{"targets", Json::array({target})}, {"weights", weights}};
    group["weights"]["group_size"] = static_cast<int>(json["config_groups"].size()) * 32;
    json["config_groups"][name] = group;
  };
  add("expression", "re:.*down_proj$");
  add("earlier", "re:.*\\.0\\..*down_proj$");
  add("name", "a.1.down_proj");
  json["ignore"] = {"lm_head", "re:.*\\.9\\.", "Embedding"};
  const CtConfig config = parsed(json);
  std::vector<bool> matched(config.targets.size());
  MatchTime time;
  const auto group = [&](std::string_view module, std::string_view module_class) -> std::string {
    const auto target = ct_target_of(config, module, module_class, time, matched);
    return target ? config.group_names[config.targets[*target].group] : "-";
  };
  EXPECT_EQ(group("a.0.up_proj", "Linear"), "group_0");
  EXPECT_EQ(group("a.2.down_proj", "Linear"), "expression");
  EXPECT_EQ(group("a.0.down_proj", "Linear"), "earlier");  // in the order of their texts
  EXPECT_EQ(group("a.1.down_proj", "Linear"), "name");
  EXPECT_EQ(group("lm_head", "Linear"), "-");
  EXPECT_EQ(group("a.9.down_proj", "Linear"), "-");
  EXPECT_EQ(group("embed", "Embedding"), "-");
  EXPECT_EQ(group("h.0.c_attn", "Conv1D"), "-");
  EXPECT_EQ(std::count(matched.begin(), matched.end(), true), 4);
}

}  // namespace
}  // namespace pith

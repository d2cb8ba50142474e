#include "pith/formats/spec.h"

#include <gmock/gmock.h>

#include <functional>

#include "pith/formats/test_files.h"

namespace pith {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> names_of(const DecoderSpec& spec) {
  std::vector<std::string> names;
  for (const Parameter& parameter : parameters_of(spec)) names.push_back(parameter.name);
  return names;
}

TEST(ParametersOf, FollowsTheForwardPassOfQwen3) {
  DecoderSpec spec = tiny_spec(Family::kQwen3);
  spec.layers.resize(1);
  EXPECT_THAT(names_of(spec),
              ElementsAre("embedding",
                          "layers.0.attn_norm",
                          "layers.0.attn.q",
                          "layers.0.attn.k",
                          "layers.0.attn.v",
                          "layers.0.attn.q_norm",
                          "layers.0.attn.k_norm",
                          "layers.0.attn.o",
                          "layers.0.mlp_norm",
                          "layers.0.mlp.gate",
                          "layers.0.mlp.up",
                          "layers.0.mlp.down",
                          "final_norm"));
}

TEST(ParametersOf, FollowsTheForwardPassOfGpt2) {
  DecoderSpec spec = tiny_spec(Family::kGpt2);
  spec.layers.resize(1);
  spec.tied_head = false;
  EXPECT_THAT(names_of(spec),
              ElementsAre("embedding",
                          "position",
                          "layers.0.attn_norm",
                          "layers.0.attn_norm.bias",
                          "layers.0.attn.qkv",
                          "layers.0.attn.qkv.bias",
                          "layers.0.attn.o",
                          "layers.0.attn.o.bias",
                          "layers.0.mlp_norm",
                          "layers.0.mlp_norm.bias",
                          "layers.0.mlp.up",
                          "layers.0.mlp.up.bias",
                          "layers.0.mlp.down",
                          "layers.0.mlp.down.bias",
                          "final_norm",
                          "final_norm.bias",
                          "lm_head"));
}

TEST(ParametersOf, KnowsShapesWhereAllWidthsDiffer) {
  DecoderSpec spec = tiny_spec(Family::kLlama);
  spec.layers = {LayerSpec{6, 3, 4, 10, 7, 0}, LayerSpec{2, 1, 2, 3, 5, 0}};
  spec.qkv_bias = true;
  const auto shape = [&](std::string_view name) {
    for (const Parameter& p : parameters_of(spec))
      if (p.name == name) return std::pair(p.rows, p.cols);
    return std::pair(std::size_t{0}, std::size_t{0});
  };
  EXPECT_EQ(shape("embedding"), std::pair(11ul, 8ul));
  EXPECT_EQ(shape("layers.0.attn.q"), std::pair(24ul, 8ul));
  EXPECT_EQ(shape("layers.0.attn.k"), std::pair(12ul, 8ul));
  EXPECT_EQ(shape("layers.0.attn.v"), std::pair(30ul, 8ul));
  EXPECT_EQ(shape("layers.0.attn.v.bias"), std::pair(1ul, 30ul));
  EXPECT_EQ(shape("layers.0.attn.o"), std::pair(8ul, 60ul));
  EXPECT_EQ(shape("layers.1.attn.o"), std::pair(8ul, 6ul));
  EXPECT_EQ(shape("layers.1.mlp.gate"), std::pair(5ul, 8ul));
  EXPECT_EQ(shape("layers.1.mlp.down"), std::pair(8ul, 5ul));
  EXPECT_EQ(shape("lm_head"), std::pair(11ul, 8ul));
}

TEST(ParametersOf, KnowsKindsAndLayers) {
  for (const Parameter& p : parameters_of(tiny_spec(Family::kGpt2))) {
    EXPECT_EQ(p.layer >= 0, p.name.starts_with("layers.")) << p.name;
    EXPECT_TRUE(p.kind == ParameterKind::kBias || !p.name.ends_with(".bias")) << p.name;
    EXPECT_TRUE(p.rows == 1 || !is_vector(p.kind)) << p.name;
  }
}

TEST(ParameterCount, IsThatOfSmolLM2) {
  DecoderSpec spec;
  spec.vocab = 49152;
  spec.hidden = 576;
  spec.context = 8192;
  spec.tied_head = true;
  spec.layers.assign(30, LayerSpec{9, 3, 64, 64, 1536, 0});
  EXPECT_EQ(parameter_count(spec), 134515008);  // as published for SmolLM2-135M
}

TEST(CheckSpec, AcceptsEveryFamily) {
  for (const Family family : kAllFamilies)
    EXPECT_NO_THROW(check_spec(tiny_spec(family), "here")) << to_string(family);
}

struct BadSpec {
  const char* message;
  std::function<void(DecoderSpec&)> spoil;
};

TEST(CheckSpec, NamesPlaceExpectedAndFound) {
  const BadSpec kCases[] = {
      {"here: expected vocabulary from 1 to 268435456, found 0",
       [](DecoderSpec& s) { s.vocab = 0; }},
      {"here: expected hidden width from 1 to 4194304, found -3",
       [](DecoderSpec& s) { s.hidden = -3; }},
      {"here: expected context from 1 to 2147483648, found 0",
       [](DecoderSpec& s) { s.context = 0; }},
      {"here: expected number of layers from 1 to 10000, found 0",
       [](DecoderSpec& s) { s.layers.clear(); }},
      {"here: expected norm epsilon above 0 and at most 1, found 0",
       [](DecoderSpec& s) { s.norm_epsilon = 0; }},
      {"here: expected heads of layer 1 from 1 to 65536, found 0",
       [](DecoderSpec& s) { s.layers[1].heads = 0; }},
      {"here: expected kv heads that divide the heads of layer 0, found 3 for 4 heads",
       [](DecoderSpec& s) { s.layers[0].heads = 4, s.layers[0].kv_heads = 3; }},
      {"here: expected an even head width for rotary positions of layer 0, found 5",
       [](DecoderSpec& s) { s.layers[0].qk_dim = 5; }},
      {"here: expected all q heads of layer 0 from 1 to 4194304, found 8388608",
       [](DecoderSpec& s) { s.layers[0].heads = 1 << 16, s.layers[0].qk_dim = 128; }},
      {"here: expected MLP width of layer 0 from 1 to 4194304, found 0",
       [](DecoderSpec& s) { s.layers[0].ffn = 0; }},
      {"here: expected attention window of layer 1 from 0 to 2147483648, found -1",
       [](DecoderSpec& s) { s.layers[1].window = -1; }},
      {"here: expected rope theta above 1, found 1", [](DecoderSpec& s) { s.rope.theta = 1; }},
      {"here: expected rope scaling factor above 0, found 0",
       [](DecoderSpec& s) { s.rope.factor = 0; }},
      {"here: expected rope high_freq_factor above low_freq_factor 4, found 4",
       [](DecoderSpec& s) {
         s.rope.scaling = RopeScalingKind::kLlama3, s.rope.low_freq_factor = 4;
       }},
      {"here: expected rope beta_slow above 0, found -1",
       [](DecoderSpec& s) { s.rope.scaling = RopeScalingKind::kYarn, s.rope.beta_slow = -1; }},
      {"here: expected head width of at least 4 for dynamic rope, found 2",
       [](DecoderSpec& s) { s.rope.scaling = RopeScalingKind::kDynamic, s.layers[0].qk_dim = 2; }},
  };
  for (const BadSpec& bad : kCases) {
    DecoderSpec spec = tiny_spec(Family::kLlama);
    bad.spoil(spec);
    EXPECT_EQ(error_of<FormatError>([&] { check_spec(spec, "here"); }), bad.message);
  }
}

// The bounds keep every count within 63 bits, whatever passes them.
TEST(CheckSpec, LargestSpecCountsWithoutOverflow) {
  DecoderSpec spec = tiny_spec(Family::kLlama);
  spec.vocab = std::int64_t{1} << 28;
  spec.hidden = std::int64_t{1} << 22;
  spec.layers.assign(10000, LayerSpec{1, 1, 1 << 22, 1 << 22, 1 << 22, 0});
  check_spec(spec, "here");
  EXPECT_GT(parameter_count(spec), std::int64_t{1} << 59);
}

}  // namespace
}  // namespace pith

#include "pith/formats/tensor_names.h"

#include <gtest/gtest.h>

#include <set>

#include "pith/formats/test_files.h"

namespace pith {
namespace {

TensorName named(const std::string& name, Family family, int layer = -1) {
  return tensor_name(Parameter{name, ParameterKind::kLinear, layer, 1, 1}, family);
}

TEST(TensorName, OfLlama) {
  EXPECT_EQ(named("embedding", Family::kLlama).name, "model.embed_tokens.weight");
  EXPECT_EQ(named("lm_head", Family::kLlama).name, "lm_head.weight");
  EXPECT_EQ(named("layers.7.attn.q.bias", Family::kQwen2, 7).name,
            "model.layers.7.self_attn.q_proj.bias");
  EXPECT_EQ(named("layers.0.mlp_norm", Family::kMistral, 0).name,
            "model.layers.0.post_attention_layernorm.weight");
  EXPECT_EQ(named("layers.12.attn.k_norm", Family::kQwen3, 12).name,
            "model.layers.12.self_attn.k_norm.weight");
  EXPECT_FALSE(named("layers.0.attn.o", Family::kLlama, 0).is_conv1d);
}

TEST(TensorName, OfGpt2) {
  EXPECT_EQ(named("embedding", Family::kGpt2).name, "transformer.wte.weight");
  EXPECT_EQ(named("position", Family::kGpt2).name, "transformer.wpe.weight");
  EXPECT_EQ(named("lm_head", Family::kGpt2).name, "lm_head.weight");
  const TensorName qkv = named("layers.3.attn.qkv", Family::kGpt2, 3);
  EXPECT_EQ(qkv.name, "transformer.h.3.attn.c_attn.weight");
  EXPECT_TRUE(qkv.is_conv1d);
  EXPECT_FALSE(named("layers.3.attn.qkv.bias", Family::kGpt2, 3).is_conv1d);
  EXPECT_FALSE(named("embedding", Family::kGpt2).is_conv1d);
}

TEST(TensorName, DiffersBetweenAllParameters) {
  for (const Family family : kAllFamilies) {
    std::set<std::string> names;
    const auto parameters = parameters_of(tiny_spec(family));
    for (const Parameter& parameter : parameters) names.insert(tensor_name(parameter, family).name);
    EXPECT_EQ(names.size(), parameters.size()) << to_string(family);
  }
}

TEST(TensorName, RefusesWhatTheFamilyLacks) {
  EXPECT_EQ(error_of<InternalError>([] { named("position", Family::kLlama); }),
            "parameter 'position' has no tensor name in family llama");
  EXPECT_EQ(error_of<InternalError>([] { named("layers.0.mlp.gate", Family::kGpt2, 0); }),
            "parameter 'mlp.gate' has no tensor name in family gpt2");
}

TEST(IsKnownBuffer, TakesMasksButNotBiases) {
  EXPECT_TRUE(is_known_buffer("h.0.attn.bias", Family::kGpt2));
  EXPECT_TRUE(is_known_buffer("transformer.h.0.attn.masked_bias", Family::kGpt2));
  EXPECT_FALSE(is_known_buffer("h.0.attn.c_attn.bias", Family::kGpt2));
  EXPECT_FALSE(is_known_buffer("h.0.attn.c_proj.bias", Family::kGpt2));
  EXPECT_TRUE(is_known_buffer("model.layers.0.self_attn.rotary_emb.inv_freq", Family::kLlama));
  EXPECT_FALSE(is_known_buffer("model.layers.0.self_attn.q_proj.bias", Family::kLlama));
}

TEST(ForeignQuantization, NamesTheLayout) {
  EXPECT_EQ(foreign_quantization("model.layers.0.mlp.up_proj.qweight"), "GPTQ or AWQ");
  EXPECT_EQ(foreign_quantization("model.layers.0.mlp.up_proj.weight_packed"), "compressed-tensors");
  EXPECT_EQ(foreign_quantization("model.layers.0.mlp.up_proj.weight.absmax"), "bitsandbytes");
  EXPECT_EQ(foreign_quantization("model.layers.0.mlp.up_proj.weight"), "");
}

TEST(LayerOfTensor, ReadsTheNumberOfTheFamilies) {
  EXPECT_EQ(layer_of_tensor("model.layers.7.mlp.up_proj.weight"), 7u);
  EXPECT_EQ(layer_of_tensor("transformer.h.31.ln_1.bias"), 31u);
  EXPECT_EQ(layer_of_tensor("h.3.ln_1.bias"), 3u);
  for (const char* other :
       {"model.norm.weight", "model.layers.x.weight", "h.", "h.3", "wte.weight"})
    EXPECT_EQ(layer_of_tensor(other), std::nullopt) << other;
}

}  // namespace
}  // namespace pith

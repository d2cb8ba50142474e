// Bad config.json files: every message has the path inside the document.
#include <gmock/gmock.h>

#include "pith/formats/config.h"
#include "pith/formats/test_files.h"

namespace pith {
namespace {

using testing::HasSubstr;

const Json kErased = "erased";

struct Case {
  Json changes;
  const char* message;
};

// The message for a small config of the family with some keys changed.
std::string refusal(Family family, const Json& changes) {
  Json config = config_from_spec(tiny_spec(family), "float32");
  config.erase("rope_parameters");
  for (const auto& [key, value] : changes.items()) {
    if (value == kErased)
      config.erase(key);
    else
      config[key] = value;
  }
  return error_of<FormatError>([&] { spec_from_config(JsonCursor(config, "config.json")); });
}

TEST(BadConfig, SizesOfLlama) {
  const Case kCases[] = {
      {{{"hidden_size", kErased}}, "config.json: expected a value for 'hidden_size', found none"},
      {{{"hidden_size", nullptr}}, "config.json: expected a value for 'hidden_size', found none"},
      {{{"hidden_size", "8"}},
       "config.json: at /hidden_size: expected an integer from 1 to 2147483648, found \"8\""},
      {{{"hidden_size", 8.5}},
       "config.json: at /hidden_size: expected an integer from 1 to 2147483648, found 8.5"},
      {{{"vocab_size", 0}},
       "config.json: at /vocab_size: expected an integer from 1 to 2147483648, found 0"},
      {{{"intermediate_size", kErased}},
       "config.json: expected a value for 'intermediate_size', found none"},
      {{{"num_hidden_layers", 1000000}},
       "config.json: at /num_hidden_layers: expected an integer from 1 to 10000, found 1000000"},
      {{{"num_attention_heads", kErased}},
       "config.json: expected a value for 'num_attention_heads', found none"},
      {{{"num_attention_heads", 3}, {"head_dim", kErased}, {"num_key_value_heads", 3}},
       "config.json: at /num_attention_heads: expected a number that divides the hidden width 8, "
       "found 3"},
      {{{"num_key_value_heads", 3}},
       "config.json: at /num_key_value_heads: expected a number of key and value heads that "
       "divides the 2 heads, found 3"},
      {{{"head_dim", 3}},
       "config.json: at /head_dim: expected an even head width for rotary positions, found 3"},
      {{{"hidden_size", 4000000000}},
       "config.json: at /hidden_size: expected an integer from 1 to 2147483648, found 4000000000"},
      {{{"hidden_size", 100000000}},
       "config.json: expected hidden width from 1 to 4194304, found 100000000"},
      {{{"rms_norm_eps", 0}},
       "config.json: at /rms_norm_eps: expected a number above 0 and at most 1, found 0"},
      {{{"hidden_act", "mish"}},
       "config.json: at /hidden_act: expected one of gelu_new, gelu, silu, relu, tanh, found "
       "'mish'"},
      {{{"tie_word_embeddings", 1}},
       "config.json: at /tie_word_embeddings: expected true or false, found 1"},
      {{{"eos_token_id", {1, "x"}}},
       "config.json: at /eos_token_id/1: expected an integer from 0 to 2147483648, found \"x\""},
  };
  for (const Case& item : kCases) EXPECT_EQ(refusal(Family::kLlama, item.changes), item.message);
}

TEST(BadConfig, DefaultsThatDoNotFit) {
  EXPECT_EQ(refusal(Family::kQwen2, {{"num_key_value_heads", kErased}}),
            "config.json: expected num_key_value_heads, a number of key and value heads that "
            "divides the 2 heads, found "
            "none, and the 32 of family qwen2 by default");
}

TEST(BadConfig, SizesOfGpt2) {
  const Case kCases[] = {
      {{{"n_embd", kErased}}, "config.json: expected a value for 'n_embd', found none"},
      {{{"n_layer", kErased}}, "config.json: expected a value for 'n_layer', found none"},
      {{{"n_head", 3}},
       "config.json: at /n_head: expected a number that divides the hidden width 8, found 3"},
      {{{"n_inner", -4}},
       "config.json: at /n_inner: expected an integer from 1 to 2147483648, found -4"},
      {{{"n_positions", 0}},
       "config.json: at /n_positions: expected an integer from 1 to 2147483648, found 0"},
      {{{"add_cross_attention", true}},
       "config.json: at /add_cross_attention: expected false, found true; Pith reads decoders "
       "without an encoder"},
  };
  for (const Case& item : kCases) EXPECT_EQ(refusal(Family::kGpt2, item.changes), item.message);
}

TEST(BadConfig, UnknownArchitectureListsTheKnown) {
  const Case kCases[] = {
      {{{"model_type", "gemma2"}},
       "config.json: at /model_type: expected a known architecture (gpt2, llama, mistral, qwen2, "
       "qwen3), found 'gemma2'"},
      {{{"model_type", kErased}, {"architectures", {"OPTForCausalLM"}}},
       "config.json: at /architectures/0: expected a known architecture (gpt2, llama, mistral, "
       "qwen2, qwen3), found "
       "'OPTForCausalLM'"},
      {{{"model_type", kErased}, {"architectures", Json::array()}},
       "config.json: expected a value for 'model_type', found none"},
      {{{"architectures", {"LlamaForSequenceClassification"}}},
       "config.json: at /architectures/0: expected 'LlamaForCausalLM' for model_type llama, found "
       "'LlamaForSequenceClassification'"},
      {{{"architectures", {"MistralForCausalLM"}}},
       "config.json: at /architectures/0: expected 'LlamaForCausalLM' for model_type llama, found "
       "'MistralForCausalLM'"},
      {{{"architectures", "LlamaForCausalLM"}},
       "config.json: at /architectures: expected an array, found \"LlamaForCausalLM\""},
  };
  for (const Case& item : kCases) EXPECT_EQ(refusal(Family::kLlama, item.changes), item.message);
  const Json list = Json::array();
  EXPECT_EQ(error_of<FormatError>([&] { spec_from_config(JsonCursor(list, "config.json")); }),
            "config.json: expected an object, found an array of 0");
}

TEST(BadConfig, KeysThatChangeTheComputation) {
  const char* remedy = "; Pith does not compute what this key asks for";
  EXPECT_EQ(
      refusal(Family::kLlama, {{"logit_scale", 0.5}}),
      std::string("config.json: at /logit_scale: expected 1 or no such key, found 0.5") + remedy);
  EXPECT_EQ(
      refusal(Family::kLlama, {{"final_logit_softcapping", 30.0}}),
      std::string("config.json: at /final_logit_softcapping: expected no such key, found 30.0") +
          remedy);
  EXPECT_EQ(refusal(Family::kLlama, {{"num_local_experts", 8}}),
            std::string("config.json: at /num_local_experts: expected 0 or no such key, found 8") +
                remedy);
  EXPECT_EQ(refusal(Family::kLlama, {{"partial_rotary_factor", 0.5}}),
            "config.json: at /partial_rotary_factor: expected 1, since Pith turns whole heads, "
            "found 0.5");
  EXPECT_EQ(refusal(Family::kLlama, {{"rope_interleaved", true}}),
            "config.json: at /rope_interleaved: expected false, found true; Pith pairs the halves "
            "of a head, not "
            "neighbours");
  EXPECT_EQ(refusal(Family::kLlama, {{"no_rope_layers", {1, 0}}}),
            "config.json: at /no_rope_layers: expected no such key, found a list; Pith does not "
            "compute layers without "
            "RoPE");
}

TEST(BadConfig, NeutralValuesOfThoseKeysAreFine) {
  Json config = config_from_spec(tiny_spec(Family::kLlama), "float32");
  config.update({{"logit_scale", 1.0},
                 {"residual_multiplier", 1},
                 {"final_logit_softcapping", nullptr},
                 {"num_local_experts", 0},
                 {"partial_rotary_factor", 1.0},
                 {"rope_interleaved", false},
                 {"no_rope_layers", Json::array()}});
  EXPECT_EQ(spec_from_config(JsonCursor(config, "config.json")), tiny_spec(Family::kLlama));
}

TEST(BadConfig, Rope) {
  const Case kCases[] = {
      {{{"rope_scaling", {{"type", "longrope"}, {"factor", 2}}}},
       "config.json: at /rope_scaling/type: expected one of default, linear, dynamic, llama3, "
       "yarn, found 'longrope'"},
      {{{"rope_parameters", {{"rope_type", "proportional"}}}},
       "config.json: at /rope_parameters/rope_type: expected one of default, linear, dynamic, "
       "llama3, yarn, found "
       "'proportional'"},
      {{{"rope_scaling", {{"type", "linear"}}}},
       "config.json: at /rope_scaling: expected a value for 'factor', found none"},
      {{{"rope_scaling", {{"type", "linear"}, {"factor", 0}}}},
       "config.json: at /rope_scaling/factor: expected a number above 0, found 0"},
      {{{"rope_scaling", {{"rope_type", "llama3"}, {"factor", 8}, {"low_freq_factor", 1}}}},
       "config.json: at /rope_scaling: expected a value for 'high_freq_factor', found none"},
      {{{"rope_scaling",
         {{"rope_type", "llama3"},
          {"factor", 8},
          {"low_freq_factor", 4},
          {"high_freq_factor", 4}}}},
       "config.json: at /rope_scaling/high_freq_factor: expected a number above low_freq_factor 4, "
       "found 4"},
      {{{"rope_scaling", "linear"}},
       "config.json: at /rope_scaling: expected an object, found \"linear\""},
      {{{"rope_theta", -1}}, "config.json: at /rope_theta: expected a number above 0, found -1"},
      {{{"rope_theta", 0.5}}, "config.json: expected rope theta above 1, found 0.5"},
      {{{"rope_parameters",
         {{"full_attention", {{"rope_theta", 5.0}}},
          {"sliding_attention", {{"rope_theta", 6.0}}}}}},
       "config.json: at /rope_parameters/sliding_attention: expected the same values as at "
       "/rope_parameters/full_attention, found others; one RoPE for all layers is supported"},
      {{{"rope_parameters", {{"partial_rotary_factor", 0.25}}}},
       "config.json: at /rope_parameters/partial_rotary_factor: expected 1, since Pith turns whole "
       "heads, found 0.25"},
      {{{"rope_scaling", {{"type", "dynamic"}, {"factor", 2}}}, {"head_dim", 2}},
       "config.json: expected head width of at least 4 for dynamic rope, found 2"},
  };
  for (const Case& item : kCases) EXPECT_EQ(refusal(Family::kLlama, item.changes), item.message);
}

TEST(BadConfig, Windows) {
  EXPECT_EQ(refusal(Family::kMistral, {{"sliding_window", 0}}),
            "config.json: at /sliding_window: expected an integer from 1 to 2147483648, found 0");
  EXPECT_EQ(refusal(Family::kQwen2, {{"layer_types", {"full_attention"}}}),
            "config.json: at /layer_types: expected one entry for each of 2 layers, found 1");
  EXPECT_EQ(refusal(Family::kQwen2, {{"layer_types", {"full_attention", "chunked_attention"}}}),
            "config.json: at /layer_types/1: expected full_attention or sliding_attention, found "
            "'chunked_attention'");
  EXPECT_EQ(refusal(Family::kQwen2, {{"layer_types", {"full_attention", "sliding_attention"}}}),
            "config.json: at /layer_types/1: expected full_attention, since no sliding window is "
            "set, found "
            "'sliding_attention'");
}

}  // namespace
}  // namespace pith

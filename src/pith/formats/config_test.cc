#include "pith/formats/config.h"

#include <gmock/gmock.h>

#include <functional>

#include "pith/formats/test_files.h"

namespace pith {
namespace {

using testing::HasSubstr;

DecoderSpec spec_of(const Json& config) {
  return spec_from_config(JsonCursor(config, "config.json"));
}
DecoderSpec spec_of_text(std::string_view text) { return spec_of(parse_json(text, "config.json")); }

// The spec must come back from the config that Pith writes for it.
void expect_round_trip(const DecoderSpec& spec) {
  const Json written = config_from_spec(spec, "bfloat16");
  EXPECT_EQ(written["dtype"], "bfloat16");
  EXPECT_EQ(written["torch_dtype"], "bfloat16");
  EXPECT_EQ(spec_of(parse_json(written.dump(), "written")), spec) << written.dump(1);
}

// As transformers 4 wrote them.
constexpr std::string_view kSmolLm2 =
    R"({"architectures": ["LlamaForCausalLM"], "attention_bias": false,
  "attention_dropout": 0.0, "bos_token_id": 1, "eos_token_id": 2, "hidden_act": "silu", "hidden_size": 576,
  "initializer_range": 0.041666666666666664, "intermediate_size": 1536, "is_llama_config": true,
  "max_position_embeddings": 8192, "mlp_bias": false, "model_type": "llama", "num_attention_heads": 9,
  "num_hidden_layers": 30, "num_key_value_heads": 3, "pad_token_id": 2, "pretraining_tp": 1, "rms_norm_eps": 1e-05,
  "rope_interleaved": false, "rope_scaling": null, "rope_theta": 100000, "tie_word_embeddings": true,
  "torch_dtype": "bfloat16", "transformers_version": "4.42.3", "use_cache": true, "vocab_size": 49152})";
constexpr std::string_view kGpt2 =
    R"({"activation_function": "gelu_new", "architectures": ["GPT2LMHeadModel"],
  "attn_pdrop": 0.1, "bos_token_id": 50256, "embd_pdrop": 0.1, "eos_token_id": 50256, "initializer_range": 0.02,
  "layer_norm_epsilon": 1e-05, "model_type": "gpt2", "n_ctx": 1024, "n_embd": 768, "n_head": 12, "n_layer": 12,
  "n_positions": 1024, "resid_pdrop": 0.1, "summary_activation": null, "task_specific_params":
  {"text-generation": {"do_sample": true, "max_length": 50}}, "vocab_size": 50257})";
constexpr std::string_view kMistral =
    R"({"architectures": ["MistralForCausalLM"], "bos_token_id": 1, "eos_token_id": 2,
  "hidden_act": "silu", "hidden_size": 4096, "initializer_range": 0.02, "intermediate_size": 14336,
  "max_position_embeddings": 32768, "model_type": "mistral", "num_attention_heads": 32, "num_hidden_layers": 32,
  "num_key_value_heads": 8, "rms_norm_eps": 1e-05, "rope_theta": 10000.0, "sliding_window": 4096,
  "tie_word_embeddings": false, "torch_dtype": "bfloat16", "vocab_size": 32000})";
constexpr std::string_view kQwen2 =
    R"({"architectures": ["Qwen2ForCausalLM"], "bos_token_id": 151643, "eos_token_id":
  151645, "hidden_act": "silu", "hidden_size": 896, "intermediate_size": 4864, "max_position_embeddings": 32768,
  "max_window_layers": 21, "model_type": "qwen2", "num_attention_heads": 14, "num_hidden_layers": 24,
  "num_key_value_heads": 2, "rms_norm_eps": 1e-06, "rope_theta": 1000000.0, "sliding_window": 32768,
  "tie_word_embeddings": true, "torch_dtype": "bfloat16", "use_sliding_window": false, "vocab_size": 151936})";
constexpr std::string_view kQwen3 =
    R"({"architectures": ["Qwen3ForCausalLM"], "attention_bias": false, "bos_token_id":
  151643, "eos_token_id": 151645, "head_dim": 128, "hidden_act": "silu", "hidden_size": 1024, "intermediate_size": 3072,
  "max_position_embeddings": 40960, "max_window_layers": 28, "model_type": "qwen3", "num_attention_heads": 16,
  "num_hidden_layers": 28, "num_key_value_heads": 8, "rms_norm_eps": 1e-06, "rope_scaling": null, "rope_theta": 1000000,
  "sliding_window": null, "tie_word_embeddings": true, "use_sliding_window": false, "vocab_size": 151936})";

TEST(SpecFromConfig, ReadsSmolLm2OfTransformers4) {
  const DecoderSpec spec = spec_of_text(kSmolLm2);
  DecoderSpec expected;
  expected.family = Family::kLlama;
  expected.vocab = 49152;
  expected.hidden = 576;
  expected.context = 8192;
  expected.layers.assign(30, LayerSpec{9, 3, 64, 64, 1536, 0});
  expected.norm_epsilon = 1e-5;
  expected.rope.theta = 100000;
  expected.tied_head = true;
  expected.bos_id = 1;
  expected.pad_id = 2;
  expected.eos_ids = {2};
  EXPECT_EQ(spec, expected);
  expect_round_trip(spec);
}

TEST(SpecFromConfig, ReadsGpt2OfTransformers4) {
  const DecoderSpec spec = spec_of_text(kGpt2);
  EXPECT_EQ(spec.family, Family::kGpt2);
  EXPECT_EQ(spec.context, 1024);
  EXPECT_EQ(spec.layers, std::vector<LayerSpec>(12, LayerSpec{12, 12, 64, 64, 3072, 0}));
  EXPECT_EQ(spec.norm, NormKind::kLayerNorm);
  EXPECT_EQ(spec.position, PositionKind::kLearned);
  EXPECT_EQ(spec.mlp, MlpKind::kPlain);
  EXPECT_EQ(spec.activation, Activation::kGeluTanh);
  EXPECT_TRUE(spec.fused_qkv && spec.qkv_bias && spec.output_bias && spec.mlp_bias &&
              spec.tied_head);
  EXPECT_TRUE(spec.scale_scores);
  EXPECT_FALSE(spec.scale_scores_by_layer);
  EXPECT_EQ(parameter_count(spec), 124439808);
  expect_round_trip(spec);
}

TEST(SpecFromConfig, ReadsTheOthersOfTransformers4) {
  const DecoderSpec mistral = spec_of_text(kMistral);
  EXPECT_EQ(mistral.layers, std::vector<LayerSpec>(32, LayerSpec{32, 8, 128, 128, 14336, 4096}));
  EXPECT_FALSE(mistral.qkv_bias || mistral.tied_head);
  const DecoderSpec qwen2 = spec_of_text(kQwen2);
  EXPECT_EQ(qwen2.layers, std::vector<LayerSpec>(24, LayerSpec{14, 2, 64, 64, 4864, 0}));
  EXPECT_TRUE(qwen2.qkv_bias && qwen2.tied_head);
  EXPECT_FALSE(qwen2.output_bias || qwen2.qk_norm);
  EXPECT_EQ(parameter_count(qwen2), 494032768);  // as published for Qwen2.5-0.5B
  const DecoderSpec qwen3 = spec_of_text(kQwen3);
  EXPECT_EQ(qwen3.layers, std::vector<LayerSpec>(28, LayerSpec{16, 8, 128, 128, 3072, 0}));
  EXPECT_TRUE(qwen3.qk_norm);
  EXPECT_EQ(parameter_count(qwen3), 596049920);  // as published for Qwen3-0.6B
  for (const DecoderSpec& spec : {mistral, qwen2, qwen3}) expect_round_trip(spec);
}

TEST(SpecFromConfig, ReadsAllFamiliesOfTransformers5) {
  const Json configs = read_json_file(golden("configs.json"));
  for (const auto& [name, config] : configs.items()) {
    SCOPED_TRACE(name);
    const DecoderSpec spec = spec_of(config);
    EXPECT_EQ(to_string(spec.family), name);
    expect_round_trip(spec);
  }
  const DecoderSpec llama = spec_of(configs["llama"]);
  EXPECT_EQ(llama.rope,
            (RopeSpec{.theta = 500000,
                      .scaling = RopeScalingKind::kLlama3,
                      .factor = 8,
                      .original_context = 64}));
  EXPECT_TRUE(llama.qkv_bias && llama.output_bias && llama.tied_head);
  EXPECT_EQ(spec_of(configs["mistral"]).layers,
            std::vector<LayerSpec>(3, LayerSpec{4, 2, 16, 16, 112, 32}));
  const DecoderSpec qwen2 = spec_of(configs["qwen2"]);
  EXPECT_EQ(qwen2.layers[0].window, 0);
  EXPECT_EQ(qwen2.layers[1].window, 48);
  EXPECT_EQ(qwen2.layers[2].window, 48);
  const DecoderSpec qwen3 = spec_of(configs["qwen3"]);
  EXPECT_EQ(qwen3.layers[0].qk_dim, 24);
  EXPECT_EQ(qwen3.eos_ids, (std::vector<std::int64_t>{3, 5}));
  EXPECT_EQ(qwen3.bos_id, std::nullopt);
}

// A Llama-like config with some keys replaced; a null value that is `erased` removes the key.
Json edited(std::string_view base, const Json& changes) {
  Json config = parse_json(base, "base");
  for (const auto& [key, value] : changes.items()) {
    if (value == "erased")
      config.erase(key);
    else
      config[key] = value;
  }
  return config;
}

TEST(SpecFromConfig, AbsentKeysTakeTheDefaultsOfTheFamily) {
  const auto kv_heads = [](std::string_view base, const Json& value) {
    return spec_of(
               edited(
                   base,
                   {{"num_key_value_heads", value}, {"num_attention_heads", 32}, {"head_dim", 8}}))
        .layers[0]
        .kv_heads;
  };
  EXPECT_EQ(kv_heads(kSmolLm2, "erased"), 32);
  EXPECT_EQ(kv_heads(kMistral, "erased"), 8);
  EXPECT_EQ(kv_heads(kMistral, nullptr), 32);
  EXPECT_EQ(kv_heads(kQwen2, "erased"), 32);
  EXPECT_EQ(kv_heads(kQwen2, nullptr), 32);
  EXPECT_EQ(spec_of(edited(kQwen3, {{"head_dim", "erased"}})).layers[0].qk_dim, 128);
  EXPECT_FALSE(spec_of(edited(kSmolLm2, {{"tie_word_embeddings", "erased"}})).tied_head);
  EXPECT_TRUE(spec_of_text(kGpt2).tied_head);
  EXPECT_EQ(spec_of(edited(kSmolLm2, {{"eos_token_id", "erased"}})).eos_ids,
            std::vector<std::int64_t>{2});
  EXPECT_TRUE(spec_of(edited(kSmolLm2, {{"eos_token_id", nullptr}})).eos_ids.empty());
  EXPECT_TRUE(spec_of(edited(kQwen2, {{"eos_token_id", "erased"}})).eos_ids.empty());
  EXPECT_EQ(spec_of(edited(kSmolLm2, {{"pad_token_id", -1}})).pad_id, std::nullopt);
  EXPECT_EQ(spec_of(edited(kSmolLm2, {{"rms_norm_eps", "erased"}})).norm_epsilon, 1e-6);
  EXPECT_EQ(spec_of(edited(kSmolLm2, {{"rope_theta", "erased"}})).rope.theta, 10000);
}

TEST(SpecFromConfig, ModelTypeOrArchitectureAloneWillDo) {
  EXPECT_EQ(spec_of(edited(kMistral, {{"model_type", "erased"}})).family, Family::kMistral);
  EXPECT_EQ(spec_of(edited(kMistral, {{"architectures", "erased"}})).family, Family::kMistral);
  EXPECT_EQ(spec_of(edited(kGpt2, {{"architectures", {"GPT2Model"}}})).family, Family::kGpt2);
}

TEST(SpecFromConfig, WindowsFollowTheSwitchesOfTheFamily) {
  const auto windows = [](std::string_view base, const Json& changes) {
    Json config = edited(base, {{"num_hidden_layers", 3}});
    config.update(changes);
    std::vector<std::int64_t> list;
    for (const LayerSpec& layer : spec_of(config).layers) list.push_back(layer.window);
    return list;
  };
  using List = std::vector<std::int64_t>;
  EXPECT_EQ(windows(kMistral, {{"sliding_window", nullptr}}), (List{0, 0, 0}));
  EXPECT_EQ(windows(kMistral, {{"sliding_window", 7}}), (List{7, 7, 7}));
  EXPECT_EQ(windows(kSmolLm2, {{"sliding_window", 7}}), (List{0, 0, 0}));  // no key of llama
  EXPECT_EQ(windows(kQwen2, {{"sliding_window", 7}, {"max_window_layers", 1}}), (List{0, 0, 0}));
  const Json on = {{"use_sliding_window", true}, {"sliding_window", 7}, {"max_window_layers", 1}};
  EXPECT_EQ(windows(kQwen2, on), (List{0, 7, 7}));
  EXPECT_EQ(windows(kQwen3, on), (List{0, 7, 7}));
  Json typed = on;
  typed["layer_types"] = {"sliding_attention", "full_attention", "full_attention"};
  EXPECT_EQ(windows(kQwen3, typed), (List{7, 0, 0}));
}

TEST(SpecFromConfig, ReadsRopeInAllSpellings) {
  const auto rope = [](const Json& changes) { return spec_of(edited(kSmolLm2, changes)).rope; };
  const RopeSpec linear{.theta = 5000, .scaling = RopeScalingKind::kLinear, .factor = 2};
  EXPECT_EQ(rope({{"rope_theta", 5000}, {"rope_scaling", {{"type", "linear"}, {"factor", 2}}}}),
            linear);
  EXPECT_EQ(
      rope({{"rope_theta", 5000}, {"rope_scaling", {{"rope_type", "linear"}, {"factor", 2.0}}}}),
      linear);
  EXPECT_EQ(rope({{"rope_parameters",
                   {{"rope_type", "linear"}, {"factor", 2.0}, {"rope_theta", 5000.0}}}}),
            linear);
  const Json inner = {{"rope_type", "linear"}, {"factor", 2.0}, {"rope_theta", 5000.0}};
  EXPECT_EQ(rope({{"rope_parameters", {{"full_attention", inner}}}}), linear);
  EXPECT_EQ(rope({{"rope_parameters", {{"full_attention", inner}, {"sliding_attention", inner}}}}),
            linear);
  // without an original context the model's own counts
  EXPECT_EQ(rope({{"rope_scaling", {{"type", "yarn"}, {"factor", 4}}}}).original_context, 8192);
  // the top level wins in transformers 5
  EXPECT_EQ(rope({{"original_max_position_embeddings", 100},
                  {"rope_scaling",
                   {{"type", "yarn"}, {"factor", 4}, {"original_max_position_embeddings", 50}}}})
                .original_context,
            100);
}

TEST(ConfigFromSpec, RoundTripsEveryRopeScaling) {
  DecoderSpec spec = spec_of_text(kSmolLm2);
  for (const RopeSpec& rope :
       {RopeSpec{.theta = 12345.5},
        RopeSpec{.scaling = RopeScalingKind::kLinear, .factor = 3.5},
        RopeSpec{.scaling = RopeScalingKind::kDynamic, .factor = 2},
        RopeSpec{.scaling = RopeScalingKind::kDynamic, .factor = 2, .original_context = 77},
        RopeSpec{.scaling = RopeScalingKind::kLlama3,
        .factor = 32,
        .low_freq_factor = 2,
        .high_freq_factor = 5,
        .original_context = 8192},
        RopeSpec{.scaling = RopeScalingKind::kYarn,
        .factor = 4,
        .beta_fast = 20,
        .beta_slow = 2,
        .truncate = false,
        .attention_factor = 1.5,
        .mscale = 0.7,
        .mscale_all_dim = 0.8,
        .original_context = 4096}}) {
    spec.rope = rope;
    expect_round_trip(spec);
  }
}

TEST(ConfigFromSpec, RoundTripsWhatSetsFamiliesApart) {
  for (const Family family : kAllFamilies) {
    SCOPED_TRACE(to_string(family));
    DecoderSpec spec = tiny_spec(family);
    expect_round_trip(spec);
    spec.tied_head = !spec.tied_head;
    spec.bos_id = std::nullopt;
    spec.pad_id = 0;
    spec.eos_ids = {4, 5, 6};
    spec.activation = Activation::kRelu;
    expect_round_trip(spec);
    spec.eos_ids.clear();
    expect_round_trip(spec);
  }
  DecoderSpec gpt2 = tiny_spec(Family::kGpt2);
  gpt2.scale_scores = false;
  gpt2.scale_scores_by_layer = true;
  expect_round_trip(gpt2);
  DecoderSpec llama = tiny_spec(Family::kLlama);
  llama.qkv_bias = llama.output_bias = llama.mlp_bias = true;
  for (LayerSpec& layer : llama.layers) layer.qk_dim = layer.v_dim = 10;  // not hidden / heads
  expect_round_trip(llama);
}

TEST(ConfigFromSpec, WritesBothSpellings) {
  const Json config =
      config_from_spec(spec_of(read_json_file(golden("configs.json"))["llama"]), "float32");
  EXPECT_EQ(config["rope_theta"], 500000.0);
  EXPECT_EQ(config["rope_scaling"]["rope_type"], "llama3");
  EXPECT_EQ(config["rope_parameters"]["rope_theta"], 500000.0);
  EXPECT_EQ(config["rope_parameters"]["factor"], 8.0);
  EXPECT_EQ(config["architectures"], Json::array({"LlamaForCausalLM"}));
}

TEST(ConfigFromSpec, RefusesWhatTheFamilyCannotSay) {
  struct Case {
    Family family;
    const char* what;
    std::function<void(DecoderSpec&)> spoil;
  };
  const Case kCases[] = {
      {Family::kLlama, "MLP width of a layer", [](DecoderSpec& s) { s.layers[1].ffn = 5; }},
      {Family::kLlama, "number of heads of a layer", [](DecoderSpec& s) { s.layers[1].heads = 1; }},
      {Family::kLlama,
       "width of v heads of a layer",
       [](DecoderSpec& s) { s.layers[0].v_dim = s.layers[1].v_dim = 2; }},
      {Family::kLlama,
       "attention window of a layer",
       [](DecoderSpec& s) { s.layers[0].window = 4; }},
      {Family::kQwen2, "bias of q, k and v", [](DecoderSpec& s) { s.qkv_bias = false; }},
      {Family::kMistral, "q and k norms", [](DecoderSpec& s) { s.qk_norm = true; }},
      {Family::kMistral,
       "attention window of a layer",
       [](DecoderSpec& s) { s.layers[1].window = 0; }},
      {Family::kLlama, "kind of MLP", [](DecoderSpec& s) { s.mlp = MlpKind::kPlain; }},
  };
  for (const Case& item : kCases) {
    DecoderSpec spec = tiny_spec(item.family);
    item.spoil(spec);
    EXPECT_EQ(
        error_of<UserError>([&] { config_from_spec(spec, "float32"); }),
        fmt::format("the config of family {} cannot express this network: it has no key for {}",
                    to_string(item.family),
                    item.what));
  }
  DecoderSpec odd = tiny_spec(Family::kGpt2);
  for (LayerSpec& layer : odd.layers) layer.heads = layer.kv_heads = 3;
  EXPECT_THAT(error_of<UserError>([&] { config_from_spec(odd, "float32"); }),
              HasSubstr("the config of family gpt2 cannot express this network: config.json: at "
                        "/n_head: expected"));
}

}  // namespace
}  // namespace pith

#include "pith/formats/config.h"

#include <algorithm>

#include "pith/formats/config_rope.h"
#include "pith/formats/family_facts.h"

namespace pith {
namespace {

// Limits of single values; check_spec() repeats the narrow ones for specs of any origin.
constexpr std::int64_t kMaxSize = std::int64_t{1} << 31;
constexpr std::int64_t kMaxLayers = 10000;

bool names_key(const JsonCursor& config, const char* key) { return config.json().contains(key); }

std::int64_t size_at(const JsonCursor& config, std::string_view key) {
  return config.at(key).integer(1, kMaxSize);
}

// The value under the first of the names that is present; the error of a missing key speaks of the
// first name.
JsonCursor at_any(const JsonCursor& config, std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names)
    if (auto value = config.find(name)) return *value;
  return config.at(*names.begin());
}

Family read_family(const JsonCursor& config) {
  const std::string known = join_names(enum_names<Family>());
  const auto type = config.find("model_type");
  const auto architectures = config.find("architectures");
  std::optional<JsonCursor> architecture;
  if (architectures && !architectures->items().empty())
    architecture = architectures->items().front();
  if (!type && !architecture) config.at("model_type");
  for (const FamilyFacts& facts : kFamilyFacts) {
    if (type ? type->string() != to_string(facts.family)
             : architecture->string() != facts.architecture)
      continue;
    const bool bare_gpt2 =
        architecture && facts.family == Family::kGpt2 && architecture->string() == "GPT2Model";
    if (architecture && architecture->string() != facts.architecture && !bare_gpt2)
      architecture->fail(
          fmt::format("'{}' for model_type {}", facts.architecture, to_string(facts.family)),
          "'" + architecture->string() + "'");
    return facts.family;
  }
  const JsonCursor& culprit = type ? *type : *architecture;
  culprit.fail("a known architecture (" + known + ")", "'" + culprit.string() + "'");
}

// Keys of relatives that change the computation, with the value that leaves it as it is.
struct ForeignKey {
  std::string_view key;
  std::optional<double> neutral;
};
constexpr ForeignKey kForeignKeys[] = {
    {"logit_scale", 1.0},
    {"logits_scaling", 1.0},
    {"residual_multiplier", 1.0},
    {"embedding_multiplier", 1.0},
    {"attention_multiplier", {}},
    {"attn_logit_softcapping", {}},
    {"final_logit_softcapping", {}},
    {"num_local_experts", 0.0},
    {"num_experts", 0.0},
};

void refuse_foreign_keys(const JsonCursor& config) {
  for (const ForeignKey& foreign : kForeignKeys) {
    const auto value = config.find(foreign.key);
    if (!value ||
        (foreign.neutral && value->json().is_number() && value->number() == *foreign.neutral))
      continue;
    value->fail(
        foreign.neutral ? fmt::format("{} or no such key", *foreign.neutral) : "no such key",
        value->json().dump(),
        "Pith does not compute what this key asks for");
  }
  if (config.boolean_or("rope_interleaved", false))
    config.at("rope_interleaved")
        .fail("false", "true", "Pith pairs the halves of a head, not neighbours");
  const auto without_rope = config.find("no_rope_layers");
  if (without_rope && !without_rope->items().empty())
    without_rope->fail("no such key", "a list", "Pith does not compute layers without RoPE");
}

Activation read_activation(const JsonCursor& value) {
  struct Synonym {
    std::string_view name;
    Activation activation;
  };
  constexpr Synonym kSynonyms[] = {{"gelu_pytorch_tanh", Activation::kGeluTanh},
                                   {"gelu_fast", Activation::kGeluTanh},
                                   {"gelu_python", Activation::kGeluErf},
                                   {"swish", Activation::kSilu}};
  const std::string name = value.string();
  for (const Synonym& synonym : kSynonyms)
    if (synonym.name == name) return synonym.activation;
  return value.one_of<Activation>();
}

double read_epsilon(const JsonCursor& config, std::string_view key, double otherwise) {
  const auto value = config.find(key);
  if (!value) return otherwise;
  const double epsilon = value->number();
  if (epsilon <= 0 || epsilon > 1) value->fail("a number above 0 and at most 1");
  return epsilon;
}

// A token id; absent means the family's default, null or negative means none.
std::optional<std::int64_t> read_id(const JsonCursor& config,
                                    const char* key,
                                    std::optional<std::int64_t> otherwise) {
  if (!names_key(config, key)) return otherwise;
  const auto value = config.find(key);
  if (!value) return std::nullopt;
  const std::int64_t id = value->integer(-kMaxSize, kMaxSize);
  return id < 0 ? std::nullopt : std::optional(id);
}

std::vector<std::int64_t> read_eos(const JsonCursor& config,
                                   std::optional<std::int64_t> otherwise) {
  const auto value = config.find("eos_token_id");
  if (value && value->json().is_array()) {
    std::vector<std::int64_t> ids;
    for (const JsonCursor& item : value->items()) ids.push_back(item.integer(0, kMaxSize));
    return ids;
  }
  const auto id = read_id(config, "eos_token_id", otherwise);
  return id ? std::vector{*id} : std::vector<std::int64_t>{};
}

void read_ids(const JsonCursor& config, const FamilyFacts& facts, DecoderSpec& spec) {
  spec.bos_id = read_id(config, "bos_token_id", facts.bos_id);
  spec.pad_id = read_id(config, "pad_token_id", std::nullopt);
  spec.eos_ids = read_eos(config, facts.eos_id);
}

// Width of one head: hidden / heads, which must divide.
std::int64_t divided_head(const JsonCursor& heads_at, std::int64_t hidden, std::int64_t heads) {
  if (hidden % heads != 0)
    heads_at.fail(fmt::format("a number that divides the hidden width {}", hidden),
                  fmt::format("{}", heads));
  return hidden / heads;
}

DecoderSpec read_gpt2(const JsonCursor& config, const FamilyFacts& facts) {
  DecoderSpec spec;
  spec.family = Family::kGpt2;
  spec.vocab = size_at(config, "vocab_size");
  spec.hidden = at_any(config, {"n_embd", "hidden_size"}).integer(1, kMaxSize);
  spec.context = facts.context;
  for (const char* name : {"n_positions", "max_position_embeddings", "n_ctx"})
    if (const auto value = config.find(name)) {
      spec.context = value->integer(1, kMaxSize);
      break;
    }
  const std::int64_t layers =
      at_any(config, {"n_layer", "num_hidden_layers"}).integer(1, kMaxLayers);
  const JsonCursor heads_at = at_any(config, {"n_head", "num_attention_heads"});
  const std::int64_t heads = heads_at.integer(1, kMaxSize);
  const std::int64_t width = divided_head(heads_at, spec.hidden, heads);
  const std::int64_t ffn = config.integer_or("n_inner", 4 * spec.hidden, 1, kMaxSize);
  spec.layers.assign(static_cast<std::size_t>(layers),
                     LayerSpec{heads, heads, width, width, ffn, 0});
  spec.norm = NormKind::kLayerNorm;
  spec.norm_epsilon = read_epsilon(config, "layer_norm_epsilon", 1e-5);
  spec.position = PositionKind::kLearned;
  spec.mlp = MlpKind::kPlain;
  const auto activation = config.find("activation_function");
  spec.activation = activation ? read_activation(*activation) : Activation::kGeluTanh;
  spec.fused_qkv = spec.qkv_bias = spec.output_bias = spec.mlp_bias = true;
  spec.tied_head = config.boolean_or("tie_word_embeddings", true);
  spec.scale_scores = config.boolean_or("scale_attn_weights", true);
  spec.scale_scores_by_layer = config.boolean_or("scale_attn_by_inverse_layer_idx", false);
  if (config.boolean_or("add_cross_attention", false))
    config.at("add_cross_attention")
        .fail("false", "true", "Pith reads decoders without an encoder");
  return spec;
}

// Widths of the layers of a Llama-like model; all the same, the window apart.
LayerSpec read_layer(const JsonCursor& config, const FamilyFacts& facts, std::int64_t hidden) {
  LayerSpec layer;
  const JsonCursor heads_at = config.at("num_attention_heads");
  layer.heads = heads_at.integer(1, kMaxSize);
  const auto kv_heads = config.find("num_key_value_heads");
  const bool by_default = !names_key(config, "num_key_value_heads") && facts.kv_heads != 0;
  layer.kv_heads = kv_heads     ? kv_heads->integer(1, kMaxSize)
                   : by_default ? facts.kv_heads
                                : layer.heads;
  if (layer.heads % layer.kv_heads != 0) {
    const std::string expected =
        fmt::format("a number of key and value heads that divides the {} heads", layer.heads);
    if (kv_heads) kv_heads->fail(expected);
    config.fail(
        "num_key_value_heads, " + expected,
        fmt::format(
            "none, and the {} of family {} by default", layer.kv_heads, to_string(facts.family)));
  }
  const auto head_dim = config.find("head_dim");
  if (head_dim) {
    layer.qk_dim = head_dim->integer(1, kMaxSize);
  } else {
    layer.qk_dim =
        facts.head_dim != 0 ? facts.head_dim : divided_head(heads_at, hidden, layer.heads);
  }
  if (layer.qk_dim % 2 != 0)
    (head_dim ? *head_dim : heads_at)
        .fail("an even head width for rotary positions", fmt::format("{}", layer.qk_dim));
  layer.v_dim = layer.qk_dim;
  layer.ffn = size_at(config, "intermediate_size");
  return layer;
}

// The window where the family's switch turns it on; 0 otherwise.
std::int64_t read_window(const JsonCursor& config, Family family) {
  if (family == Family::kLlama || family == Family::kGpt2) return 0;
  if (family != Family::kMistral && !config.boolean_or("use_sliding_window", false)) return 0;
  if (!names_key(config, "sliding_window")) return kDefaultWindow;
  const auto value = config.find("sliding_window");
  return value ? value->integer(1, kMaxSize) : 0;
}

void apply_layer_types(const JsonCursor& types,
                       std::int64_t window,
                       std::vector<LayerSpec>& layers) {
  const JsonCursor::Items items = types.items();
  if (items.size() != layers.size())
    types.fail(fmt::format("one entry for each of {} layers", layers.size()),
               fmt::format("{}", items.size()));
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const std::string type = items[i].string();
    if (type != "full_attention" && type != "sliding_attention")
      items[i].fail("full_attention or sliding_attention", "'" + type + "'");
    if (type == "sliding_attention" && window == 0)
      items[i].fail("full_attention, since no sliding window is set", "'" + type + "'");
    layers[i].window = type == "sliding_attention" ? window : 0;
  }
}

void read_windows(const JsonCursor& config, Family family, std::vector<LayerSpec>& layers) {
  const std::int64_t window = read_window(config, family);
  if (const auto types = config.find("layer_types"))
    return apply_layer_types(*types, window, layers);
  if (window == 0) return;
  std::int64_t first = 0;
  if (family != Family::kMistral)
    first = config.integer_or("max_window_layers", kDefaultMaxWindowLayers, 0, kMaxSize);
  for (std::size_t i = 0; i < layers.size(); ++i)
    if (static_cast<std::int64_t>(i) >= first) layers[i].window = window;
}

DecoderSpec read_llama_like(const JsonCursor& config, const FamilyFacts& facts) {
  DecoderSpec spec;
  spec.family = facts.family;
  spec.vocab = size_at(config, "vocab_size");
  spec.hidden = size_at(config, "hidden_size");
  spec.context = config.integer_or("max_position_embeddings", facts.context, 1, kMaxSize);
  const std::int64_t layers = config.at("num_hidden_layers").integer(1, kMaxLayers);
  spec.layers.assign(static_cast<std::size_t>(layers), read_layer(config, facts, spec.hidden));
  read_windows(config, facts.family, spec.layers);
  spec.norm_epsilon = read_epsilon(config, "rms_norm_eps", 1e-6);
  spec.rope = rope_from_config(config, spec.context);
  const auto activation = config.find("hidden_act");
  spec.activation = activation ? read_activation(*activation) : Activation::kSilu;
  spec.qk_norm = facts.family == Family::kQwen3;
  const bool bias_key = facts.family == Family::kLlama || facts.family == Family::kQwen3;
  const bool attention_bias = bias_key && config.boolean_or("attention_bias", false);
  spec.qkv_bias = attention_bias || facts.family == Family::kQwen2;
  spec.output_bias = attention_bias;
  spec.mlp_bias = facts.family == Family::kLlama && config.boolean_or("mlp_bias", false);
  spec.tied_head = config.boolean_or("tie_word_embeddings", false);
  return spec;
}

}  // namespace

DecoderSpec spec_from_config(const JsonCursor& config) {
  if (!config.json().is_object()) config.fail("an object");
  const FamilyFacts& facts = facts_of(read_family(config));
  refuse_foreign_keys(config);
  DecoderSpec spec =
      facts.family == Family::kGpt2 ? read_gpt2(config, facts) : read_llama_like(config, facts);
  read_ids(config, facts, spec);
  check_spec(spec, config.place());
  return spec;
}

}  // namespace pith

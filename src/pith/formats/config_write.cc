// DecoderSpec -> config.json.
#include <algorithm>

#include "pith/formats/config.h"
#include "pith/formats/config_rope.h"
#include "pith/formats/family_facts.h"

namespace pith {
namespace {

Json id_json(std::optional<std::int64_t> id) { return id ? Json(*id) : Json(nullptr); }

Json eos_json(const std::vector<std::int64_t>& ids) {
  if (ids.empty()) return nullptr;
  if (ids.size() == 1) return ids.front();
  return ids;
}

void put_gpt2(const DecoderSpec& spec, const LayerSpec& layer, Json& config) {
  config["n_positions"] = spec.context;
  config["n_embd"] = spec.hidden;
  config["n_layer"] = spec.layers.size();
  config["n_head"] = layer.heads;
  config["n_inner"] = layer.ffn;
  config["activation_function"] = std::string(to_string(spec.activation));
  config["layer_norm_epsilon"] = spec.norm_epsilon;
  config["scale_attn_weights"] = spec.scale_scores;
  config["scale_attn_by_inverse_layer_idx"] = spec.scale_scores_by_layer;
}

void put_windows(const DecoderSpec& spec, Json& config) {
  if (spec.family == Family::kLlama) return;
  const auto slides = [](const LayerSpec& layer) { return layer.window != 0; };
  const auto first = std::find_if(spec.layers.begin(), spec.layers.end(), slides);
  config["sliding_window"] = first == spec.layers.end() ? Json(nullptr) : Json(first->window);
  if (spec.family == Family::kMistral) return;
  config["use_sliding_window"] = first != spec.layers.end();
  // where the layers before slide not and all after do, releases before `layer_types` agree
  config["max_window_layers"] = first - spec.layers.begin();
  Json types = Json::array();
  for (const LayerSpec& layer : spec.layers)
    types.push_back(slides(layer) ? "sliding_attention" : "full_attention");
  config["layer_types"] = std::move(types);
}

void put_llama_like(const DecoderSpec& spec, const LayerSpec& layer, Json& config) {
  config["hidden_size"] = spec.hidden;
  config["intermediate_size"] = layer.ffn;
  config["num_hidden_layers"] = spec.layers.size();
  config["num_attention_heads"] = layer.heads;
  config["num_key_value_heads"] = layer.kv_heads;
  if (spec.family != Family::kQwen2 || layer.qk_dim * layer.heads != spec.hidden)
    config["head_dim"] = layer.qk_dim;
  config["hidden_act"] = std::string(to_string(spec.activation));
  config["max_position_embeddings"] = spec.context;
  config["rms_norm_eps"] = spec.norm_epsilon;
  if (spec.family == Family::kLlama || spec.family == Family::kQwen3)
    config["attention_bias"] = spec.output_bias;
  if (spec.family == Family::kLlama) config["mlp_bias"] = spec.mlp_bias;
  put_rope(spec.rope, config);
  put_windows(spec, config);
}

std::vector<std::string_view> different_layer_fields(const std::vector<LayerSpec>& a,
                                                     const std::vector<LayerSpec>& b) {
  std::vector<std::string_view> names;
  const auto compare = [&](std::string_view name, auto member) {
    for (std::size_t i = 0; i < a.size(); ++i)
      if (a[i].*member != b[i].*member) return names.push_back(name);
  };
  compare("number of heads of a layer", &LayerSpec::heads);
  compare("number of kv heads of a layer", &LayerSpec::kv_heads);
  compare("width of q and k heads of a layer", &LayerSpec::qk_dim);
  compare("width of v heads of a layer", &LayerSpec::v_dim);
  compare("MLP width of a layer", &LayerSpec::ffn);
  compare("attention window of a layer", &LayerSpec::window);
  return names;
}

// What a reader of the config would take for something else.
std::vector<std::string_view> different_fields(const DecoderSpec& a, const DecoderSpec& b) {
  std::vector<std::string_view> names = different_layer_fields(a.layers, b.layers);
  const auto compare = [&](std::string_view name, bool same) {
    if (!same) names.push_back(name);
  };
  compare("kind of norm", a.norm == b.norm);
  compare("kind of position", a.position == b.position);
  compare("rope", a.rope == b.rope);
  compare("kind of MLP", a.mlp == b.mlp);
  compare("q and k norms", a.qk_norm == b.qk_norm);
  compare("fused qkv matrix", a.fused_qkv == b.fused_qkv);
  compare("bias of q, k and v", a.qkv_bias == b.qkv_bias);
  compare("bias of the attention output", a.output_bias == b.output_bias);
  compare("bias of the MLP", a.mlp_bias == b.mlp_bias);
  compare("scaling of scores",
          a.scale_scores == b.scale_scores && a.scale_scores_by_layer == b.scale_scores_by_layer);
  if (names.empty() && a != b) names.push_back("something else");
  return names;
}

}  // namespace

Json config_from_spec(const DecoderSpec& spec, std::string_view dtype_name) {
  check_spec(spec, "specification of the model");
  const FamilyFacts& facts = facts_of(spec.family);
  Json config = {{"architectures", Json::array({std::string(facts.architecture)})},
                 {"model_type", std::string(to_string(spec.family))},
                 {"vocab_size", spec.vocab}};
  if (spec.family == Family::kGpt2) {
    put_gpt2(spec, spec.layers.front(), config);
  } else {
    put_llama_like(spec, spec.layers.front(), config);
  }
  config["tie_word_embeddings"] = spec.tied_head;
  config["bos_token_id"] = id_json(spec.bos_id);
  config["eos_token_id"] = eos_json(spec.eos_ids);
  config["pad_token_id"] = id_json(spec.pad_id);
  config["torch_dtype"] = std::string(dtype_name);  // transformers 4
  config["dtype"] = std::string(dtype_name);        // transformers 5

  // Reading it back is the one complete test of whether the family's keys can say what the spec
  // says.
  std::vector<std::string_view> lost;
  try {
    lost = different_fields(spec, spec_from_config(JsonCursor(config, "config.json")));
  } catch (const FormatError& error) {
    fail<UserError>("the config of family {} cannot express this network: {}",
                    to_string(spec.family),
                    error.what());
  }
  require(lost.empty(),
          "the config of family {} cannot express this network: it has no key for {}",
          to_string(spec.family),
          join_names(lost));
  return config;
}

}  // namespace pith

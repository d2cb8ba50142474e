// DecoderSpec as JSON.
#include "pith/report/model_summary.h"

namespace pith {
namespace {

Json widths_to_json(const LayerSpec& layer) {
  Json json{{"heads", layer.heads}, {"kv_heads", layer.kv_heads}, {"head_dim", layer.qk_dim}};
  if (layer.v_dim != layer.qk_dim) json["value_dim"] = layer.v_dim;
  json["ffn"] = layer.ffn;
  json["window"] = layer.window;
  return json;
}

Json layers_to_json(const DecoderSpec& spec) {
  Json runs = Json::array();
  for (std::size_t first = 0; first < spec.layers.size();) {
    std::size_t end = first + 1;
    while (end < spec.layers.size() && spec.layers[end] == spec.layers[first]) ++end;
    Json run{{"layers",
              end - first == 1 ? fmt::to_string(first) : fmt::format("{}-{}", first, end - 1)}};
    run.update(widths_to_json(spec.layers[first]));
    runs.push_back(std::move(run));
    first = end;
  }
  return runs;
}

void add_rope(const RopeSpec& rope, Json& json) {
  json["rope_theta"] = rope.theta;
  json["rope_scaling"] = std::string(to_string(rope.scaling));
  const auto add = [&json](const char* key, const std::optional<double>& value) {
    if (value) json[key] = *value;
  };
  if (rope.scaling == RopeScalingKind::kNone) return;
  json["rope_factor"] = rope.factor;
  if (rope.original_context) json["rope_original_context"] = *rope.original_context;
  if (rope.scaling == RopeScalingKind::kLlama3) {
    json["rope_low_freq_factor"] = rope.low_freq_factor;
    json["rope_high_freq_factor"] = rope.high_freq_factor;
  }
  if (rope.scaling != RopeScalingKind::kYarn) return;
  json["rope_beta_fast"] = rope.beta_fast;
  json["rope_beta_slow"] = rope.beta_slow;
  json["rope_truncate"] = rope.truncate;
  add("rope_attention_factor", rope.attention_factor);
  add("rope_mscale", rope.mscale);
  add("rope_mscale_all_dim", rope.mscale_all_dim);
}

}  // namespace

Json spec_to_json(const DecoderSpec& spec) {
  Json json{{"family", std::string(to_string(spec.family))},
            {"parameters", parameter_count(spec)},
            {"vocab", spec.vocab},
            {"hidden", spec.hidden},
            {"layers", spec.layers.size()},
            {"context", spec.context}};
  const Json layers = layers_to_json(spec);
  if (layers.size() == 1)
    json.update(widths_to_json(spec.layers.front()));
  else
    json["layer_widths"] = layers;
  json["norm"] = std::string(to_string(spec.norm));
  json["norm_epsilon"] = spec.norm_epsilon;
  json["position"] = std::string(to_string(spec.position));
  json["mlp"] = std::string(to_string(spec.mlp));
  json["activation"] = std::string(to_string(spec.activation));
  json["tied_head"] = spec.tied_head;
  if (spec.position == PositionKind::kRotary) add_rope(spec.rope, json);
  json["qk_norm"] = spec.qk_norm;
  json["fused_qkv"] = spec.fused_qkv;
  json["qkv_bias"] = spec.qkv_bias;
  json["output_bias"] = spec.output_bias;
  json["mlp_bias"] = spec.mlp_bias;
  json["scale_scores"] = spec.scale_scores;
  json["scale_scores_by_layer"] = spec.scale_scores_by_layer;
  json["bos_id"] = spec.bos_id ? Json(*spec.bos_id) : Json(nullptr);
  json["eos_ids"] = spec.eos_ids;
  json["pad_id"] = spec.pad_id ? Json(*spec.pad_id) : Json(nullptr);
  return json;
}

}  // namespace pith

#include "pith/formats/tensor_names.h"

#include <algorithm>
#include <charconv>
#include <span>

#include "pith/base/error.h"

namespace pith {
namespace {

struct NameRow {
  std::string_view pith;
  std::string_view stored;  // without .weight or .bias
  bool is_conv1d = false;
};

constexpr NameRow kGpt2Outside[] = {{"embedding", "transformer.wte"},
                                    {"position", "transformer.wpe"},
                                    {"final_norm", "transformer.ln_f"},
                                    {"lm_head", "lm_head"}};
constexpr NameRow kGpt2Layer[] = {{"attn_norm", "ln_1"},
                                  {"attn.qkv", "attn.c_attn", true},
                                  {"attn.o", "attn.c_proj", true},
                                  {"mlp_norm", "ln_2"},
                                  {"mlp.up", "mlp.c_fc", true},
                                  {"mlp.down", "mlp.c_proj", true}};
constexpr NameRow kLlamaOutside[] = {
    {"embedding", "model.embed_tokens"}, {"final_norm", "model.norm"}, {"lm_head", "lm_head"}};
constexpr NameRow kLlamaLayer[] = {{"attn_norm", "input_layernorm"},
                                   {"attn.q", "self_attn.q_proj"},
                                   {"attn.k", "self_attn.k_proj"},
                                   {"attn.v", "self_attn.v_proj"},
                                   {"attn.o", "self_attn.o_proj"},
                                   {"attn.q_norm", "self_attn.q_norm"},
                                   {"attn.k_norm", "self_attn.k_norm"},
                                   {"mlp_norm", "post_attention_layernorm"},
                                   {"mlp.gate", "mlp.gate_proj"},
                                   {"mlp.up", "mlp.up_proj"},
                                   {"mlp.down", "mlp.down_proj"}};

const NameRow& look_up(std::span<const NameRow> rows, std::string_view stem, Family family) {
  const auto found =
      std::find_if(rows.begin(), rows.end(), [&](const NameRow& row) { return row.pith == stem; });
  if (found == rows.end())
    fail<InternalError>("parameter '{}' has no tensor name in family {}", stem, to_string(family));
  return *found;
}

}  // namespace

TensorName tensor_name(const Parameter& parameter, Family family) {
  constexpr std::string_view kBias = ".bias";
  std::string_view stem = parameter.name;
  const bool is_bias = stem.ends_with(kBias);
  if (is_bias) stem.remove_suffix(kBias.size());
  const std::string_view suffix = is_bias ? ".bias" : ".weight";
  const bool gpt2 = family == Family::kGpt2;
  if (parameter.layer < 0) {
    const NameRow& row = look_up(
        gpt2 ? std::span<const NameRow>(kGpt2Outside) : std::span<const NameRow>(kLlamaOutside),
        stem,
        family);
    return {fmt::format("{}{}", row.stored, suffix), false};
  }
  const std::string prefix = fmt::format("layers.{}.", parameter.layer);
  PITH_CHECK(stem.starts_with(prefix));
  stem.remove_prefix(prefix.size());
  const NameRow& row =
      look_up(gpt2 ? std::span<const NameRow>(kGpt2Layer) : std::span<const NameRow>(kLlamaLayer),
              stem,
              family);
  return {fmt::format("{}.{}.{}{}",
                      gpt2 ? "transformer.h" : "model.layers",
                      parameter.layer,
                      row.stored,
                      suffix),
          row.is_conv1d && !is_bias};
}

bool is_known_buffer(std::string_view tensor, Family family) {
  // the dots matter: `.attn.c_attn.bias` is a parameter
  if (family == Family::kGpt2)
    return tensor.ends_with(".attn.bias") || tensor.ends_with(".attn.masked_bias");
  return tensor.ends_with(".rotary_emb.inv_freq");
}

std::optional<std::size_t> layer_of_tensor(std::string_view tensor) {
  if (tensor.starts_with(kGpt2Prefix)) tensor.remove_prefix(kGpt2Prefix.size());
  for (const std::string_view start : {"model.layers.", "h."}) {
    if (!tensor.starts_with(start)) continue;
    const char* first = tensor.data() + start.size();
    const char* last = tensor.data() + tensor.size();
    std::size_t layer = 0;
    const auto [end, error] = std::from_chars(first, last, layer);
    if (error == std::errc{} && end != last && *end == '.') return layer;
  }
  return std::nullopt;
}

std::string_view foreign_quantization(std::string_view tensor) {
  struct Mark {
    std::string_view suffix, layout;
  };
  constexpr Mark kMarks[] = {{".qweight", "GPTQ or AWQ"},
                             {".qzeros", "GPTQ or AWQ"},
                             {".g_idx", "GPTQ"},
                             {".weight_packed", "compressed-tensors"},
                             {".weight_scale", "compressed-tensors"},
                             {".weight_scale_inv", "fp8"},
                             {".weight.absmax", "bitsandbytes"},
                             {".weight.quant_map", "bitsandbytes"},
                             {".SCB", "bitsandbytes"}};
  const auto* found = std::find_if(std::begin(kMarks), std::end(kMarks), [&](const Mark& mark) {
    return tensor.ends_with(mark.suffix);
  });
  return found == std::end(kMarks) ? "" : found->layout;
}

}  // namespace pith

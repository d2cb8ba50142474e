#include "pith/formats/gguf/gguf_keys.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <optional>
#include <string>

#include "pith/base/error.h"
#include "pith/base/log.h"

namespace pith {
namespace {

using LayerWidth = std::int64_t LayerSpec::*;

bool same_in_all_layers(const DecoderSpec& spec, LayerWidth width) {
  return std::all_of(spec.layers.begin(), spec.layers.end(), [&](const LayerSpec& layer) {
    return layer.*width == spec.layers[0].*width;
  });
}

[[noreturn]] void fail_property(std::string_view property,
                                std::string expected,
                                std::string found) {
  throw UserError(ErrorParts{
      fmt::format("GGUF export: {}", property), std::move(expected), std::move(found), {}});
}

void expect_property(bool ok,
                     std::string_view property,
                     std::string_view expected,
                     std::string_view found) {
  if (!ok) fail_property(property, std::string(expected), std::string(found));
}

// What the graph of an architecture takes for granted.
void check_shape(const DecoderSpec& spec) {
  const bool gpt2 = spec.family == Family::kGpt2;
  const std::string_view name = to_string(spec.family);
  const auto expect = [&](std::string_view property, auto found, auto expected) {
    expect_property(
        found == expected,
        property,
        fmt::format(
            "{}, as architecture {} has it", to_string(expected), gguf_architecture(spec.family)),
        to_string(found));
  };
  expect("norm", spec.norm, gpt2 ? NormKind::kLayerNorm : NormKind::kRmsNorm);
  expect("positions", spec.position, gpt2 ? PositionKind::kLearned : PositionKind::kRotary);
  expect("MLP", spec.mlp, gpt2 ? MlpKind::kPlain : MlpKind::kGated);
  expect("activation", spec.activation, gpt2 ? Activation::kGeluTanh : Activation::kSilu);
  expect_property(spec.fused_qkv == gpt2, "attention", "q, k and v as the family has them", name);
  expect_property(spec.qk_norm == (spec.family == Family::kQwen3),
                  "q_norm and k_norm",
                  "them in qwen3 and only there",
                  name);
  expect_property(spec.scale_scores && !spec.scale_scores_by_layer,
                  "attention scores",
                  "a division by the square root of the head width and by nothing else",
                  spec.scale_scores ? "one by the layer's number too" : "none");
}

void check_biases(const DecoderSpec& spec) {
  const bool gpt2 = spec.family == Family::kGpt2;
  const bool optional = gguf_architecture(spec.family) == "llama";
  const auto expect = [&](bool has, std::string_view parameter) {
    expect_property(
        gpt2 ? has : !has || optional,
        fmt::format("parameter 'layers.0.{}.bias'", parameter),
        gpt2 ? "it, as architecture gpt2 has it"
             : fmt::format("none, as architecture {} has none", gguf_architecture(spec.family)),
        has ? "it" : "none");
  };
  expect(spec.output_bias, "attn.o");
  expect(spec.mlp_bias, "mlp.up");
  const bool required = gpt2 || spec.family == Family::kQwen2;
  expect_property(spec.qkv_bias || !required,
                  gpt2 ? "parameter 'layers.0.attn.qkv.bias'" : "parameter 'layers.0.attn.q.bias'",
                  fmt::format("it, as architecture {} has it", gguf_architecture(spec.family)),
                  "none");
}

void check_layers(const DecoderSpec& spec) {
  struct Width {
    LayerWidth member;
    std::string_view name;
  };
  constexpr Width kOneForAll[] = {{&LayerSpec::qk_dim, "the width of q and k heads"},
                                  {&LayerSpec::v_dim, "the width of v heads"},
                                  {&LayerSpec::window, "the attention window"}};
  for (const Width& width : kOneForAll)
    for (std::size_t i = 1; i < spec.layers.size(); ++i)
      if (const auto found = spec.layers[i].*width.member; found != spec.layers[0].*width.member)
        fail_property(fmt::format("{} of layer {}", width.name, i),
                      fmt::format("{}, as in layer 0", spec.layers[0].*width.member),
                      fmt::format("{}", found));
  const bool even = same_in_all_layers(spec, &LayerSpec::heads) &&
                    same_in_all_layers(spec, &LayerSpec::kv_heads) &&
                    same_in_all_layers(spec, &LayerSpec::ffn);
  if (!even)
    log_warning(
        "[gguf] the widths of the layers differ: Pith reads such a file, llama.cpp does not");
  if (spec.layers[0].qk_dim != spec.layers[0].v_dim)
    log_warning(
        "[gguf] heads of q and k have another width than those of v: Pith reads such a file, "
        "llama.cpp does not");
  const std::int64_t window = spec.layers[0].window;
  if (window > 0 && window < spec.context)
    log_warning(
        "[gguf] llama.cpp has no attention window in architecture {}: beyond {} tokens it computes "
        "something else than this model",
        gguf_architecture(spec.family),
        window);
}

void check_rope(const DecoderSpec& spec) {
  if (spec.position != PositionKind::kRotary) return;
  const RopeSpec& rope = spec.rope;
  expect_property(rope.scaling != RopeScalingKind::kDynamic,
                  "rope scaling",
                  "default, linear, llama3 or yarn",
                  to_string(rope.scaling));
  expect_property(rope.scaling != RopeScalingKind::kYarn || rope.truncate,
                  "rope scaling yarn",
                  "truncate true, which llama.cpp takes for granted",
                  "false");
}

// A number when all layers have the same, else an array.
void set_width(const DecoderSpec& spec, LayerWidth width, std::string key, GgufMetadata& metadata) {
  std::vector<std::uint32_t> widths;
  for (const LayerSpec& layer : spec.layers)
    widths.push_back(static_cast<std::uint32_t>(layer.*width));
  if (same_in_all_layers(spec, width))
    metadata.set_u32(std::move(key), widths[0]);
  else
    metadata.set_u32s(std::move(key), widths);
}

void set_rope_keys(const RopeSpec& rope,
                   const std::string& prefix,
                   std::int64_t context,
                   GgufMetadata& metadata) {
  metadata.set_f32(prefix + "freq_base", static_cast<float>(rope.theta));
  if (rope.scaling != RopeScalingKind::kLinear && rope.scaling != RopeScalingKind::kYarn) return;
  metadata.set_text(prefix + "scaling.type", to_string(rope.scaling));
  metadata.set_f32(prefix + "scaling.factor", static_cast<float>(rope.factor));
  if (rope.scaling == RopeScalingKind::kLinear) return;
  metadata.set_u32(prefix + "scaling.original_context_length",
                   static_cast<std::uint32_t>(rope.original_context.value_or(context)));
  const RopeSpec usual;
  if (rope.beta_fast != usual.beta_fast || rope.beta_slow != usual.beta_slow)
    log_warning("[gguf] llama.cpp takes yarn's beta_fast and beta_slow to be {} and {}",
                usual.beta_fast,
                usual.beta_slow);
  if (rope.beta_fast != usual.beta_fast)
    metadata.set_f32(prefix + "scaling.yarn_beta_fast", static_cast<float>(rope.beta_fast));
  if (rope.beta_slow != usual.beta_slow)
    metadata.set_f32(prefix + "scaling.yarn_beta_slow", static_cast<float>(rope.beta_slow));
  // llama.cpp multiplies 0.1 ln(factor) + 1 by this key.
  constexpr std::int64_t kAnyWidth = 2;
  const double wanted = rope_frequencies(rope, kAnyWidth, context, context).attention_factor;
  const auto attention = static_cast<float>(wanted / (0.1 * std::log(rope.factor) + 1.0));
  if (std::abs(attention - 1.0f) > 1e-6f)
    metadata.set_f32(prefix + "scaling.attn_factor", attention);
}

void set_attention_keys(const DecoderSpec& spec,
                        const std::string& prefix,
                        GgufMetadata& metadata) {
  const LayerSpec& layer = spec.layers[0];
  const auto u32 = [&](const char* name, std::int64_t value) {
    metadata.set_u32(prefix + name, static_cast<std::uint32_t>(value));
  };
  set_width(spec, &LayerSpec::heads, prefix + "attention.head_count", metadata);
  set_width(spec, &LayerSpec::kv_heads, prefix + "attention.head_count_kv", metadata);
  metadata.set_f32(prefix + (spec.norm == NormKind::kRmsNorm ? "attention.layer_norm_rms_epsilon"
                                                             : "attention.layer_norm_epsilon"),
                   static_cast<float>(spec.norm_epsilon));
  const std::int64_t usual = spec.hidden % layer.heads == 0 ? spec.hidden / layer.heads : 0;
  if (layer.qk_dim != usual) u32("attention.key_length", layer.qk_dim);
  if (layer.v_dim != usual) u32("attention.value_length", layer.v_dim);
  if (layer.window > 0) u32("attention.sliding_window", layer.window);
}

}  // namespace

std::string_view gguf_architecture(Family family) {
  return family == Family::kMistral ? "llama" : to_string(family);
}

void check_gguf_expresses(const DecoderSpec& spec) {
  check_shape(spec);
  check_biases(spec);
  check_layers(spec);
  check_rope(spec);
}

void set_spec_keys(const DecoderSpec& spec, GgufMetadata& metadata) {
  const std::string_view architecture = gguf_architecture(spec.family);
  const std::string prefix = fmt::format("{}.", architecture);
  const auto u32 = [&](const char* name, std::int64_t value) {
    metadata.set_u32(prefix + name, static_cast<std::uint32_t>(value));
  };
  metadata.set_text("general.architecture", architecture);
  u32("vocab_size", spec.vocab);
  u32("context_length", spec.context);
  u32("embedding_length", spec.hidden);
  u32("block_count", static_cast<std::int64_t>(spec.layers.size()));
  set_width(spec, &LayerSpec::ffn, prefix + "feed_forward_length", metadata);
  set_attention_keys(spec, prefix, metadata);
  if (spec.position != PositionKind::kRotary) return;
  u32("rope.dimension_count", spec.layers[0].qk_dim);
  set_rope_keys(spec.rope, prefix + "rope.", spec.context, metadata);
}

void set_token_id_keys(const DecoderSpec& spec, GgufMetadata& metadata) {
  const auto key = [](std::string_view name) {
    return fmt::format("tokenizer.ggml.{}_token_id", name);
  };
  constexpr std::string_view kEnds[] = {"eos", "eot", "eom"};
  for (const std::string_view name : {"bos", "eos", "eot", "eom", "padding"})
    if (metadata.has(key(name))) return;
  // Configurations of small models keep their family's ids, which may be of no token.
  const auto exists = [&](std::int64_t id) { return id >= 0 && id < spec.vocab; };
  const auto set = [&](std::string_view name, const std::optional<std::int64_t>& id) {
    if (id && exists(*id)) metadata.set_u32(key(name), static_cast<std::uint32_t>(*id));
  };
  set("bos", spec.bos_id);
  std::vector<std::int64_t> ends;
  std::copy_if(spec.eos_ids.begin(), spec.eos_ids.end(), std::back_inserter(ends), exists);
  for (std::size_t i = 0; i < ends.size() && i < std::size(kEnds); ++i) set(kEnds[i], ends[i]);
  if (ends.size() > std::size(kEnds))
    log_warning(
        "[gguf] the format has room for 3 ids that end a text, the model has {}: {} left out",
        ends.size(),
        fmt::join(ends.begin() + std::size(kEnds), ends.end(), ", "));
  set("padding", spec.pad_id);
}

std::vector<float> rope_divisors(const DecoderSpec& spec) {
  if (spec.position != PositionKind::kRotary || spec.rope.scaling != RopeScalingKind::kLlama3)
    return {};
  const std::int64_t qk_dim = spec.layers[0].qk_dim;
  RopeSpec plain;
  plain.theta = spec.rope.theta;
  const auto before = rope_frequencies(plain, qk_dim, spec.context, spec.context).inv_freq;
  const auto after = rope_frequencies(spec.rope, qk_dim, spec.context, spec.context).inv_freq;
  std::vector<float> divisors;
  for (std::size_t j = 0; j < before.size(); ++j)
    divisors.push_back(static_cast<float>(before[j] / after[j]));
  return divisors;
}

}  // namespace pith

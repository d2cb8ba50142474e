#include "pith/model/block.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cmath>

#include "pith/base/error.h"

namespace pith {
namespace {

Linear make_linear(const std::string& name, bool has_bias, const FormMaker& form) {
  return {form(name), has_bias ? form(name + ".bias") : nullptr};
}

double score_scale(const DecoderSpec& spec, std::size_t layer) {
  double scale = 1.0;
  if (spec.scale_scores) scale /= std::sqrt(static_cast<double>(spec.layers[layer].qk_dim));
  if (spec.scale_scores_by_layer) scale /= static_cast<double>(layer + 1);
  return scale;
}

at::Tensor activate(Activation activation, const at::Tensor& x) {
  switch (activation) {
    case Activation::kGeluTanh:
      return at::gelu(x, "tanh");
    case Activation::kGeluErf:
      return at::gelu(x);
    case Activation::kSilu:
      return at::silu(x);
    case Activation::kRelu:
      return at::relu(x);
    case Activation::kTanh:
      return at::tanh(x);
  }
  return x;
}

// [B, T, H * d] -> [B, H, T, d]
at::Tensor split_heads(const at::Tensor& x, std::int64_t heads) {
  return x.view({x.size(0), x.size(1), heads, -1}).transpose(1, 2);
}

// [T, S] bool: which keys each query sees. Query i stands at position S - T + i.
at::Tensor visible_keys(std::int64_t queries, std::int64_t keys, std::int64_t window) {
  const at::Tensor position = at::arange(keys - queries, keys, at::kLong).unsqueeze(1);
  const at::Tensor key = at::arange(keys, at::kLong).unsqueeze(0);
  at::Tensor visible = key <= position;
  if (window > 0) visible = visible & (position - key < window);
  return visible;
}

}  // namespace

Norm make_norm(const DecoderSpec& spec, const std::string& name, const FormMaker& form) {
  const bool has_bias = spec.norm == NormKind::kLayerNorm;
  return {spec.norm, spec.norm_epsilon, form(name), has_bias ? form(name + ".bias") : nullptr};
}

Attention::Attention(const DecoderSpec& spec, std::size_t layer, const FormMaker& form)
    : spec_(spec.layers[layer]), layer_(layer), scale_(score_scale(spec, layer)) {
  const std::string prefix = fmt::format("layers.{}.attn.", layer);
  if (spec.fused_qkv) {
    qkv_ = make_linear(prefix + "qkv", spec.qkv_bias, form);
  } else {
    q_ = make_linear(prefix + "q", spec.qkv_bias, form);
    k_ = make_linear(prefix + "k", spec.qkv_bias, form);
    v_ = make_linear(prefix + "v", spec.qkv_bias, form);
  }
  o_ = make_linear(prefix + "o", spec.output_bias, form);
  if (!spec.qk_norm) return;
  q_norm_ = {NormKind::kRmsNorm, spec.norm_epsilon, form(prefix + "q_norm"), nullptr};
  k_norm_ = {NormKind::kRmsNorm, spec.norm_epsilon, form(prefix + "k_norm"), nullptr};
}

Attention::Heads Attention::project(const at::Tensor& x_btd) const {
  at::Tensor q, k, v;  // [B, T, H * d]
  if (qkv_) {
    const std::int64_t q_width = spec_.heads * spec_.qk_dim;
    const std::int64_t k_width = spec_.kv_heads * spec_.qk_dim;
    const auto parts =
        qkv_.forward(x_btd).split_with_sizes({q_width, k_width, spec_.kv_heads * spec_.v_dim}, -1);
    q = parts[0], k = parts[1], v = parts[2];
  } else {
    q = q_.forward(x_btd), k = k_.forward(x_btd), v = v_.forward(x_btd);
  }
  return {
      split_heads(q, spec_.heads), split_heads(k, spec_.kv_heads), split_heads(v, spec_.kv_heads)};
}

at::Tensor Attention::attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) const {
  const std::int64_t queries = q.size(2), keys = k.size(2);
  const bool grouped = spec_.kv_heads != spec_.heads;
  const bool windowed = spec_.window > 0 && keys > spec_.window;
  if (!windowed && (queries == 1 || queries == keys))
    return at::scaled_dot_product_attention(q, k, v, {}, 0.0, queries > 1, scale_, grouped);
  const at::Tensor mask = visible_keys(queries, keys, spec_.window);
  return at::scaled_dot_product_attention(q, k, v, mask, 0.0, false, scale_, grouped);
}

at::Tensor Attention::forward(const at::Tensor& x_btd, const PassContext& pass) const {
  Heads heads = project(x_btd);
  if (q_norm_) {
    heads.q = q_norm_.forward(heads.q);
    heads.k = k_norm_.forward(heads.k);
  }
  if (pass.rotary != nullptr) {
    heads.q = rotate(heads.q, *pass.rotary);
    heads.k = rotate(heads.k, *pass.rotary);
  }
  if (pass.cache != nullptr)
    std::tie(heads.k, heads.v) = pass.cache->append(layer_, heads.k, heads.v);
  const at::Tensor mixed = attend(heads.q, heads.k, heads.v);  // [B, H, T, v_dim]
  return o_.forward(mixed.transpose(1, 2).reshape({x_btd.size(0), x_btd.size(1), -1}));
}

Mlp::Mlp(const DecoderSpec& spec, std::size_t layer, const FormMaker& form)
    : kind_(spec.mlp), activation_(spec.activation) {
  const std::string prefix = fmt::format("layers.{}.mlp.", layer);
  if (kind_ == MlpKind::kGated) gate_ = make_linear(prefix + "gate", spec.mlp_bias, form);
  up_ = make_linear(prefix + "up", spec.mlp_bias, form);
  down_ = make_linear(prefix + "down", spec.mlp_bias, form);
}

at::Tensor Mlp::forward(const at::Tensor& x) const {
  switch (kind_) {
    case MlpKind::kGated:
      return down_.forward(activate(activation_, gate_.forward(x)) * up_.forward(x));
    case MlpKind::kPlain:
      return down_.forward(activate(activation_, up_.forward(x)));
  }
  return {};
}

Block::Block(const DecoderSpec& spec, std::size_t layer, const FormMaker& form)
    : attention_norm_(make_norm(spec, fmt::format("layers.{}.attn_norm", layer), form)),
      mlp_norm_(make_norm(spec, fmt::format("layers.{}.mlp_norm", layer), form)),
      attention_(spec, layer, form),
      mlp_(spec, layer, form) {}

at::Tensor Block::forward(const at::Tensor& x_btd, const PassContext& pass) const {
  const at::Tensor attended = x_btd + attention_.forward(attention_norm_.forward(x_btd), pass);
  return attended + mlp_.forward(mlp_norm_.forward(attended));
}

}  // namespace pith

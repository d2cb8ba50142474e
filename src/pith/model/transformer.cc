#include "pith/model/transformer.h"

#include <ATen/ATen.h>

#include <cmath>
#include <optional>
#include <set>
#include <string_view>

#include "pith/base/error.h"

namespace pith {

std::int64_t longest_sequence(const DecoderSpec& spec) {
  const bool stretched =
      spec.position == PositionKind::kRotary && spec.rope.scaling == RopeScalingKind::kDynamic;
  return stretched ? std::llround(static_cast<double>(spec.context) * spec.rope.factor)
                   : spec.context;
}

namespace {

std::string names_of(const std::set<ActivationScheme>& schemes) {
  std::vector<std::string_view> names;
  for (const ActivationScheme scheme : schemes) names.push_back(to_string(scheme));
  return names.empty() ? "f32" : join_names(names);
}

}  // namespace

Transformer Transformer::load(const Checkpoint& checkpoint) {
  Transformer model;
  std::set<ActivationScheme> schemes;
  model.spec_ = checkpoint.spec();
  const DecoderSpec& spec = model.spec_;
  const FormMaker form = [&](const std::string& name) {
    return in_context("while loading '" + name + "'", [&] {
      const PackedMatrix matrix = checkpoint.load(name);
      model.weight_bytes_ += matrix.storage_bytes();
      if (matrix.activation.scheme != ActivationScheme::kNone)
        schemes.insert(matrix.activation.scheme);
      return make_frozen_form(matrix);
    });
  };
  model.embedding_ = form("embedding");
  if (spec.position == PositionKind::kLearned) model.position_ = form("position");
  for (std::size_t i = 0; i < spec.layers.size(); ++i) model.blocks_.emplace_back(spec, i, form);
  model.final_norm_ = make_norm(spec, "final_norm", form);
  model.head_ = spec.tied_head ? model.embedding_ : form("lm_head");
  model.activations_ = names_of(schemes);
  return model;
}

at::Tensor Transformer::hidden(const at::Tensor& ids, KvCache* cache) const {
  const std::int64_t tokens = ids.size(1);
  const std::int64_t past = cache == nullptr ? 0 : cache->length();
  at::Tensor x = embedding_->rows(ids);  // [B, T, D]
  if (position_) x = x + position_->rows(at::arange(past, past + tokens, at::kLong));
  std::optional<RotaryTable> rotary;
  if (spec_.position == PositionKind::kRotary)
    rotary = rotary_table(spec_, spec_.layers.front().qk_dim, past, tokens, past + tokens);
  const PassContext pass{rotary ? &*rotary : nullptr, cache, past};
  for (const Block& block : blocks_) x = block.forward(x, pass);
  if (cache != nullptr) cache->advance(tokens);
  return final_norm_.forward(x);
}

at::Tensor Transformer::logits(const at::Tensor& hidden) const { return head_->forward(hidden); }

void Transformer::logits_into(const at::Tensor& hidden_td, at::Tensor& out_tv) const {
  head_->infer_into(hidden_td, out_tv);
}

}  // namespace pith

// One layer of the decoder: attention and MLP, each with its norm and residual.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <string>

#include "pith/formats/spec.h"
#include "pith/model/kv_cache.h"
#include "pith/model/linear.h"
#include "pith/model/norm.h"
#include "pith/model/rotary.h"

namespace pith {

// B batch, T new tokens, S = cached + T, D hidden, H heads, Hkv key/value heads.

// Makes the form of a parameter by its canonical name (formats/spec.h).
using FormMaker = std::function<std::shared_ptr<const WeightForm>(const std::string& name)>;

// What all layers of a pass share.
struct PassContext {
  const RotaryTable* rotary = nullptr;  // null for learned positions
  KvCache* cache = nullptr;             // null: the sequence is whole
  std::int64_t past = 0;                // tokens in the cache before this pass
};

class Attention {
 public:
  Attention(const DecoderSpec& spec, std::size_t layer, const FormMaker& form);
  at::Tensor forward(const at::Tensor& x_btd, const PassContext& pass) const;  // -> [B, T, D]

 private:
  struct Heads {
    at::Tensor q, k, v;  // [B, H or Hkv, T, d]
  };
  Heads project(const at::Tensor& x_btd) const;
  at::Tensor attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) const;

  LayerSpec spec_;
  std::size_t layer_;
  double scale_;
  Linear q_, k_, v_, qkv_, o_;
  Norm q_norm_, k_norm_;
};

class Mlp {
 public:
  Mlp(const DecoderSpec& spec, std::size_t layer, const FormMaker& form);
  at::Tensor forward(const at::Tensor& x) const;

 private:
  MlpKind kind_;
  Activation activation_;
  Linear gate_, up_, down_;
};

class Block {
 public:
  Block(const DecoderSpec& spec, std::size_t layer, const FormMaker& form);
  at::Tensor forward(const at::Tensor& x_btd, const PassContext& pass) const;

 private:
  Norm attention_norm_, mlp_norm_;
  Attention attention_;
  Mlp mlp_;
};

Norm make_norm(const DecoderSpec& spec, const std::string& name, const FormMaker& form);

}  // namespace pith

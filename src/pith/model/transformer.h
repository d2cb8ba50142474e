// Transformer: the decoder that a DecoderSpec describes, over weights in any form. The reference
// forward pass.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "pith/formats/checkpoint.h"
#include "pith/model/block.h"
#include "pith/model/kv_cache.h"

namespace pith {

// Tokens that a sequence may have: the context, which dynamic RoPE scaling stretches by its factor.
std::int64_t longest_sequence(const DecoderSpec& spec);

// B batch, T tokens, D hidden, V vocabulary.
class Transformer {
 public:
  // Weights frozen, in the forms that the checkpoint stores. FormatError for what cannot be loaded.
  static Transformer load(const Checkpoint& checkpoint);

  const DecoderSpec& spec() const { return spec_; }
  // ids [B, T] int64, each in [0, V); with a cache they continue what it holds. -> [B, T, D] after
  // the final norm.
  at::Tensor hidden(const at::Tensor& ids, KvCache* cache = nullptr) const;
  at::Tensor logits(const at::Tensor& hidden) const;                        // [..., D] -> [..., V]
  void logits_into(const at::Tensor& hidden_td, at::Tensor& out_tv) const;  // no gradients, no copy
  // Bytes of all weights as stored; those of dense f32 weights lie in mapped files.
  std::uint64_t weight_bytes() const { return weight_bytes_; }
  // What meets the weights: "f32", or the schemes of those that quantize it ("llm-int8").
  const std::string& activations() const { return activations_; }

 private:
  Transformer() = default;
  DecoderSpec spec_;
  std::shared_ptr<const WeightForm> embedding_, position_, head_;
  std::vector<Block> blocks_;
  Norm final_norm_;
  std::uint64_t weight_bytes_ = 0;
  std::string activations_ = "f32";
};

}  // namespace pith

// Keys and values of the tokens seen so far.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "pith/formats/spec.h"

namespace pith {

// For `batch` sequences of the same length, at most `capacity` tokens. Keys are kept after RoPE.
class KvCache {
 public:
  KvCache(const DecoderSpec& spec, std::int64_t batch, std::int64_t capacity);

  std::int64_t length() const { return length_; }
  std::int64_t capacity() const { return capacity_; }
  // Stores k [B, Hkv, T, qk_dim] and v [B, Hkv, T, v_dim] of new tokens of one layer and returns
  // all, old and new: views [B, Hkv, length() + T, d]. The length grows by advance(), once all
  // layers have appended.
  std::pair<at::Tensor, at::Tensor> append(std::size_t layer,
                                           const at::Tensor& k,
                                           const at::Tensor& v);
  void advance(std::int64_t tokens);
  void truncate(std::int64_t length);  // forgets what comes after
  std::uint64_t bytes() const;

 private:
  std::int64_t capacity_, length_ = 0;
  std::vector<at::Tensor> keys_, values_;  // a layer: [B, Hkv, capacity, d]
};

}  // namespace pith

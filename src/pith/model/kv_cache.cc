#include "pith/model/kv_cache.h"

#include <ATen/ATen.h>

#include "pith/base/error.h"

namespace pith {

KvCache::KvCache(const DecoderSpec& spec, std::int64_t batch, std::int64_t capacity)
    : capacity_(capacity) {
  for (const LayerSpec& layer : spec.layers) {
    keys_.push_back(at::empty({batch, layer.kv_heads, capacity, layer.qk_dim}, at::kFloat));
    values_.push_back(at::empty({batch, layer.kv_heads, capacity, layer.v_dim}, at::kFloat));
  }
}

std::pair<at::Tensor, at::Tensor> KvCache::append(std::size_t layer,
                                                  const at::Tensor& k,
                                                  const at::Tensor& v) {
  const std::int64_t tokens = k.size(2);
  PITH_CHECK(length_ + tokens <= capacity_);
  keys_[layer].narrow(2, length_, tokens).copy_(k);
  values_[layer].narrow(2, length_, tokens).copy_(v);
  return {keys_[layer].narrow(2, 0, length_ + tokens),
          values_[layer].narrow(2, 0, length_ + tokens)};
}

void KvCache::advance(std::int64_t tokens) {
  length_ += tokens;
  PITH_CHECK(length_ <= capacity_);
}

void KvCache::truncate(std::int64_t length) {
  PITH_CHECK(length >= 0 && length <= length_);
  length_ = length;
}

std::uint64_t KvCache::bytes() const {
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < keys_.size(); ++i) total += keys_[i].nbytes() + values_[i].nbytes();
  return total;
}

}  // namespace pith

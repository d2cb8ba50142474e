#include "pith/model/torch_stepper.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include "pith/base/error.h"
#include "pith/model/tensor_bridge.h"

namespace pith {

std::vector<std::int32_t> TorchStepper::pass(std::span<const std::int32_t> ids,
                                             std::int64_t batch) {
  const c10::InferenceMode guard;
  const at::Tensor input = id_tensor(ids).view({batch, -1});                      // [B, T]
  const at::Tensor hidden = model_.hidden(input, cache_ ? &*cache_ : nullptr);    // [B, T, D]
  const at::Tensor logits = model_.logits(hidden.select(1, hidden.size(1) - 1));  // [B, V]
  const at::Tensor best = logits.argmax(-1);
  const auto* id = best.data_ptr<std::int64_t>();
  return {id, id + batch};
}

std::vector<std::int32_t> TorchStepper::prefill(std::span<const std::int32_t> ids,
                                                std::size_t batch,
                                                KeepCache keep_cache) {
  PITH_CHECK(batch > 0 && !ids.empty() && ids.size() % batch == 0);
  cache_.reset();
  if (keep_cache == KeepCache::kYes)
    cache_.emplace(model_.spec(), static_cast<std::int64_t>(batch), context());
  return pass(ids, static_cast<std::int64_t>(batch));
}

std::vector<std::int32_t> TorchStepper::step(std::span<const std::int32_t> ids) {
  PITH_CHECK(cache_.has_value());
  return pass(ids, static_cast<std::int64_t>(ids.size()));
}

}  // namespace pith

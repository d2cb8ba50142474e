#include "pith/model/torch_scorer.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include "pith/base/error.h"
#include "pith/model/tensor_bridge.h"

namespace pith {

void check_ids(std::span<const std::int32_t> ids, std::int64_t vocab, std::int64_t context) {
  require(!ids.empty(), "the sequence has no tokens; expected at least 1");
  require(static_cast<std::int64_t>(ids.size()) <= context,
          "the sequence has {} tokens, expected at most the model's context of {}",
          ids.size(),
          context);
  for (std::size_t i = 0; i < ids.size(); ++i)
    require(ids[i] >= 0 && ids[i] < vocab,
            "token {} of the sequence is {}, expected 0 to {}",
            i,
            ids[i],
            vocab - 1);
}

void TorchScorer::run(std::span<const std::int32_t> ids) {
  check_ids(ids, vocab(), context());
  const c10::InferenceMode guard;
  hidden_ = model_.hidden(id_tensor(ids).unsqueeze(0)).squeeze(0);
}

void TorchScorer::logits(std::size_t first, std::size_t count, std::span<float> out) {
  PITH_CHECK(hidden_.defined() && first + count <= static_cast<std::size_t>(hidden_.size(0)));
  PITH_CHECK(out.size() == count * static_cast<std::size_t>(vocab()));
  const c10::InferenceMode guard;
  at::Tensor rows =
      at::from_blob(out.data(), {static_cast<std::int64_t>(count), vocab()}, at::kFloat);
  model_.logits_into(
      hidden_.narrow(0, static_cast<std::int64_t>(first), static_cast<std::int64_t>(count)), rows);
}

}  // namespace pith

// The torch model as a Scorer.
#pragma once

#include <ATen/core/Tensor.h>

#include "pith/evaluation/scorer.h"
#include "pith/model/transformer.h"

namespace pith {

class TorchScorer final : public Scorer {
 public:
  explicit TorchScorer(const Checkpoint& checkpoint) : model_(Transformer::load(checkpoint)) {}

  std::int64_t vocab() const override { return model_.spec().vocab; }
  std::int64_t context() const override { return longest_sequence(model_.spec()); }
  std::string engine() const override { return "torch"; }
  std::string activations() const override { return model_.activations(); }
  std::uint64_t weight_bytes() const override { return model_.weight_bytes(); }
  void run(std::span<const std::int32_t> ids) override;
  void logits(std::size_t first, std::size_t count, std::span<float> out) override;

  const Transformer& model() const { return model_; }

 private:
  Transformer model_;
  at::Tensor hidden_;  // [T, D] of the last run
};

// Throws UserError unless 1 <= ids.size() <= context and each id is in [0, vocab).
void check_ids(std::span<const std::int32_t> ids, std::int64_t vocab, std::int64_t context);

}  // namespace pith

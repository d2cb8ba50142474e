// The torch model as a Stepper, for latency.
#pragma once

#include <optional>

#include "pith/evaluation/latency.h"
#include "pith/model/transformer.h"

namespace pith {

class TorchStepper final : public Stepper {
 public:
  explicit TorchStepper(const Transformer& model) : model_(model) {}  // borrows

  std::int64_t vocab() const override { return model_.spec().vocab; }
  std::int64_t context() const override { return longest_sequence(model_.spec()); }
  std::string engine() const override { return "torch"; }
  std::string activations() const override { return model_.activations(); }
  std::vector<std::int32_t> prefill(std::span<const std::int32_t> ids,
                                    std::size_t batch,
                                    KeepCache keep_cache) override;
  std::vector<std::int32_t> step(std::span<const std::int32_t> ids) override;

 private:
  std::vector<std::int32_t> pass(std::span<const std::int32_t> ids, std::int64_t batch);
  const Transformer& model_;
  std::optional<KvCache> cache_;
};

}  // namespace pith

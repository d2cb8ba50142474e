// Linear: a weight in some form and an optional bias.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>

#include "pith/model/weight/weight_form.h"

namespace pith {

class Linear {
 public:
  Linear() = default;
  Linear(std::shared_ptr<const WeightForm> weight, std::shared_ptr<const WeightForm> bias)
      : weight_(std::move(weight)), bias_(std::move(bias)) {}

  at::Tensor forward(const at::Tensor& x) const;  // [..., in] -> [..., out]
  const WeightForm& weight() const { return *weight_; }
  // The only way a method changes a layer. A tied head shares its form with the embedding.
  void set_weight(std::shared_ptr<const WeightForm> form) { weight_ = std::move(form); }
  explicit operator bool() const { return weight_ != nullptr; }

 private:
  std::shared_ptr<const WeightForm> weight_;
  std::shared_ptr<const WeightForm> bias_;  // [1, out] or null
};

}  // namespace pith

// LayerNorm and RMSNorm.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>

#include "pith/formats/spec.h"
#include "pith/model/weight/weight_form.h"

namespace pith {

class Norm {
 public:
  Norm() = default;
  // weight and bias [1, width]; bias null for RMSNorm.
  Norm(NormKind kind,
       double epsilon,
       std::shared_ptr<const WeightForm> weight,
       std::shared_ptr<const WeightForm> bias)
      : kind_(kind), epsilon_(epsilon), weight_(std::move(weight)), bias_(std::move(bias)) {}

  at::Tensor forward(const at::Tensor& x) const;  // over the last dimension; any leading shape
  explicit operator bool() const { return weight_ != nullptr; }

 private:
  NormKind kind_ = NormKind::kRmsNorm;
  double epsilon_ = 1e-6;
  std::shared_ptr<const WeightForm> weight_, bias_;
};

}  // namespace pith

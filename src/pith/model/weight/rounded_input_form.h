// Any frozen weight met by quantized activations, in floats: x is rounded as its scheme says, then
// multiplied as if nothing had happened. The same function as integer or fp8 products, up to
// rounding of sums.
#pragma once

#include <memory>

#include "pith/model/weight/frozen_form.h"

namespace pith {

class RoundedInputForm final : public FrozenForm {
 public:
  // `product` is the form of the same weight with plain activations.
  RoundedInputForm(PackedMatrix matrix, std::shared_ptr<const WeightForm> product)
      : FrozenForm(std::move(matrix)), product_(std::move(product)) {}
  void infer_into(const at::Tensor& x, at::Tensor& out) const override;
  at::Tensor rows(const at::Tensor& ids) const override { return product_->rows(ids); }
  at::Tensor dense() const override { return product_->dense(); }

 private:
  std::shared_ptr<const WeightForm> product_;
};

}  // namespace pith

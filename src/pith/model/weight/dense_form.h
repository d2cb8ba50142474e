// A plain f32 weight, frozen or trainable.
#pragma once

#include "pith/model/weight/weight_form.h"

namespace pith {

class DenseForm final : public WeightForm {
 public:
  explicit DenseForm(at::Tensor weight);  // [O, I] f32; trainable if it requires a gradient
  at::Tensor forward(const at::Tensor& x) const override;
  void infer_into(const at::Tensor& x, at::Tensor& out) const override;
  at::Tensor rows(const at::Tensor& ids) const override;
  at::Tensor dense() const override;
  std::vector<at::Tensor> trainable() const override;
  PackedMatrix stored() const override;
  std::int64_t out_features() const override { return weight_.size(0); }
  std::int64_t in_features() const override { return weight_.size(1); }

 private:
  at::Tensor weight_;  // [O, I]
};

}  // namespace pith

// What all frozen forms share: a PackedMatrix that stays as it is stored.
#pragma once

#include <utility>

#include "pith/model/weight/weight_form.h"

namespace pith {

// A subclass has the product, infer_into().
class FrozenForm : public WeightForm {
 public:
  at::Tensor forward(const at::Tensor& x) const final;
  void infer_into(const at::Tensor& x, at::Tensor& out) const override = 0;
  at::Tensor rows(const at::Tensor& ids) const override;
  at::Tensor dense() const override;
  std::vector<at::Tensor> trainable() const final { return {}; }
  PackedMatrix stored() const final { return matrix_; }
  std::int64_t out_features() const final { return static_cast<std::int64_t>(matrix_.rows()); }
  std::int64_t in_features() const final { return static_cast<std::int64_t>(matrix_.cols()); }

 protected:
  explicit FrozenForm(PackedMatrix matrix) : matrix_(std::move(matrix)) {}
  const PackedMatrix& matrix() const { return matrix_; }

 private:
  PackedMatrix matrix_;
};

}  // namespace pith

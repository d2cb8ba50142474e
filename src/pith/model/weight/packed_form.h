// A frozen weight that stays in its Encoding; pieces of rows are dequantized while they are
// multiplied.
#pragma once

#include "pith/model/weight/weight_form.h"

namespace pith {

class PackedForm final : public WeightForm {
 public:
  explicit PackedForm(PackedMatrix matrix) : matrix_(std::move(matrix)) {}
  at::Tensor forward(const at::Tensor& x) const override;
  void infer_into(const at::Tensor& x, at::Tensor& out) const override;
  at::Tensor rows(const at::Tensor& ids) const override;
  at::Tensor dense() const override;
  std::vector<at::Tensor> trainable() const override { return {}; }
  PackedMatrix stored() const override { return matrix_; }
  std::int64_t out_features() const override { return static_cast<std::int64_t>(matrix_.rows()); }
  std::int64_t in_features() const override { return static_cast<std::int64_t>(matrix_.cols()); }

 private:
  PackedMatrix matrix_;
};

// Rows of `matrix` by id: [N] int64 -> [N, cols] f32.
at::Tensor gather_rows(const PackedMatrix& matrix, const at::Tensor& ids);

}  // namespace pith

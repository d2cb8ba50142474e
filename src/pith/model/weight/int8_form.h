// int8 weights with one scale a row, met by activations quantized to int8 a token: real integer
// products.
#pragma once

#include "pith/model/weight/weight_form.h"

namespace pith {

// Source: quantization cards 5b and 6. y = (xq wq^T) * s_x * s_w, the sum exact in int32.
class DynamicInt8Form final : public WeightForm {
 public:
  // group_int, 8 bits, symmetric, a scale a row or tensor; in <= 131071 so that the sum fits int32.
  explicit DynamicInt8Form(PackedMatrix matrix);
  static bool accepts(const PackedMatrix& matrix);

  at::Tensor forward(const at::Tensor& x) const override;
  void infer_into(const at::Tensor& x, at::Tensor& out) const override;
  at::Tensor rows(const at::Tensor& ids) const override;
  at::Tensor dense() const override;
  std::vector<at::Tensor> trainable() const override { return {}; }
  PackedMatrix stored() const override { return matrix_; }
  std::int64_t out_features() const override { return codes_.size(0); }
  std::int64_t in_features() const override { return codes_.size(1); }

 private:
  PackedMatrix matrix_;
  at::Tensor codes_;   // [O, I] int8
  at::Tensor scales_;  // [O] f32
};

}  // namespace pith

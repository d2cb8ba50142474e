// int8 weights with one scale a row, met by activations quantized to int8: real integer products.
#pragma once

#include "pith/model/weight/frozen_form.h"

namespace pith {

// Source: quantization cards 5b, 6, 7 and 10. y = (xq wq^T) * s_x * s_w, the sum exact in int32;
// for kLlmInt8 plus the float product of the outlier columns of x with the dequantized weights.
class Int8Form final : public FrozenForm {
 public:
  explicit Int8Form(PackedMatrix matrix);
  // Activations int8 a token, of a static scale with zero point 0, or of LLM.int8(); weights
  // group_int, 8 bits, symmetric, a scale a row or tensor; in <= 131071 so that the sum fits int32.
  static bool accepts(const PackedMatrix& matrix);

  void infer_into(const at::Tensor& x, at::Tensor& out) const override;

 private:
  at::Tensor codes_;   // [O, I] int8
  at::Tensor scales_;  // [O] f32
};

}  // namespace pith

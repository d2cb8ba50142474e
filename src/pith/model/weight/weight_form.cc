#include "pith/model/weight/weight_form.h"

#include <ATen/ATen.h>

#include "pith/model/tensor_bridge.h"
#include "pith/model/weight/dense_form.h"
#include "pith/model/weight/int8_form.h"
#include "pith/model/weight/packed_form.h"
#include "pith/model/weight/rounded_input_form.h"

namespace pith {

void WeightForm::infer_into(const at::Tensor& x, at::Tensor& out) const { out.copy_(forward(x)); }

std::shared_ptr<const WeightForm> make_frozen_form(const PackedMatrix& matrix) {
  if (matrix.activation.scheme != ActivationScheme::kNone) {
    if (Int8Form::accepts(matrix)) return std::make_shared<Int8Form>(matrix);
    PackedMatrix plain = matrix;
    plain.activation = {};
    return std::make_shared<RoundedInputForm>(matrix, make_frozen_form(plain));
  }
  const auto* dense = std::get_if<DenseEncoding>(&matrix.encoding());
  if (dense != nullptr && dense->dtype == DType::kF32)
    return std::make_shared<DenseForm>(share_dense(matrix));
  return std::make_shared<PackedForm>(matrix);
}

}  // namespace pith

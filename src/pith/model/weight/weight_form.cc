#include "pith/model/weight/weight_form.h"

#include <ATen/ATen.h>

#include "pith/base/error.h"
#include "pith/model/tensor_bridge.h"
#include "pith/model/weight/dense_form.h"
#include "pith/model/weight/int8_form.h"
#include "pith/model/weight/packed_form.h"

namespace pith {

void WeightForm::infer_into(const at::Tensor& x, at::Tensor& out) const { out.copy_(forward(x)); }

std::shared_ptr<const WeightForm> make_frozen_form(const PackedMatrix& matrix) {
  const auto* dense = std::get_if<DenseEncoding>(&matrix.encoding());
  if (dense != nullptr && dense->dtype == DType::kF32)
    return std::make_shared<DenseForm>(share_dense(matrix));
  if (matrix.activation.scheme == ActivationScheme::kNone)
    return std::make_shared<PackedForm>(matrix);
  if (!DynamicInt8Form::accepts(matrix))
    fail<FormatError>(
        "int8 activations a token go with symmetric 8-bit weights that have a scale a row or "
        "tensor; found {} with {} columns",
        to_string(matrix.encoding()),
        matrix.cols());
  return std::make_shared<DynamicInt8Form>(matrix);
}

}  // namespace pith

#include "pith/formats/layouts/scalar_tensor.h"

#include <limits>

#include "pith/base/error.h"
#include "pith/codec/packed_matrix.h"

namespace pith {

const StoredTensor& require_scalar(const std::string& name,
                                   std::initializer_list<DType> dtypes,
                                   FolderTensors& tensors) {
  using Shape = std::vector<std::int64_t>;
  const StoredTensor* tensor = tensors.find(name);
  const bool has_no_axis = tensor != nullptr && tensor->spec.shape.empty();
  return tensors.require(name, has_no_axis ? Shape{} : Shape{1}, dtypes);
}

float positive_scalar(const StoredTensor& scalar, const FolderTensors& tensors) {
  const DType dtype = scalar.spec.dtype;
  const Buffer number{{"", dtype, {1, 1}}, scalar.bytes, scalar.file};
  const float value = PackedMatrix(DenseEncoding{dtype}, 1, 1, {number}).dequantize()[0];
  if (!(value > 0 && value <= std::numeric_limits<float>::max()))
    tensors.fail(scalar.spec.name, "a positive number", fmt::format("{}", value));
  return value;
}

}  // namespace pith

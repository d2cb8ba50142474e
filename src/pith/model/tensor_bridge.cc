#include "pith/model/tensor_bridge.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <memory>

#include "pith/base/error.h"
#include "pith/base/threads.h"

namespace pith {

std::span<float> float_span(const at::Tensor& tensor) {
  PITH_CHECK(tensor.device().is_cpu() && tensor.scalar_type() == at::kFloat &&
             tensor.is_contiguous());
  return {tensor.data_ptr<float>(), static_cast<std::size_t>(tensor.numel())};
}

at::Tensor id_tensor(std::span<const std::int32_t> ids) {
  at::Tensor tensor = at::empty({static_cast<std::int64_t>(ids.size())}, at::kLong);
  std::copy(ids.begin(), ids.end(), tensor.data_ptr<std::int64_t>());
  return tensor;
}

at::Tensor share_dense(const PackedMatrix& matrix) {
  const Buffer& buffer = matrix.buffer("");
  PITH_CHECK(buffer.spec.dtype == DType::kF32);
  const auto address = reinterpret_cast<std::uintptr_t>(buffer.bytes.data());
  if (address % alignof(float) != 0) return dequantized(matrix);
  // from_blob has no read-only form; nothing in Pith writes through a frozen weight.
  void* data = const_cast<std::byte*>(buffer.bytes.data());
  return at::from_blob(
      data,
      {static_cast<std::int64_t>(matrix.rows()), static_cast<std::int64_t>(matrix.cols())},
      [owner = buffer.owner](void*) mutable { owner.reset(); },
      at::TensorOptions(at::kFloat));
}

at::Tensor dequantized(const PackedMatrix& matrix) {
  at::Tensor tensor = at::empty(
      {static_cast<std::int64_t>(matrix.rows()), static_cast<std::int64_t>(matrix.cols())},
      at::kFloat);
  const std::span<float> out = float_span(tensor);
  const std::size_t cols = matrix.cols();
  const std::size_t grain = std::max<std::size_t>(1, 16384 / std::max<std::size_t>(1, cols));
  parallel_for(matrix.rows(), grain, [&](std::size_t first, std::size_t last) {
    matrix.dequantize_rows(first, last - first, out.subspan(first * cols, (last - first) * cols));
  });
  return tensor;
}

}  // namespace pith

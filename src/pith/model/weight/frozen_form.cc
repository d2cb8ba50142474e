#include "pith/model/weight/frozen_form.h"

#include <ATen/ATen.h>

#include "pith/base/error.h"
#include "pith/model/tensor_bridge.h"

namespace pith {

at::Tensor FrozenForm::forward(const at::Tensor& x) const {
  const at::Tensor flat = x.reshape({-1, in_features()});
  at::Tensor out = at::empty({flat.size(0), out_features()}, at::kFloat);
  infer_into(flat, out);
  auto shape = x.sizes().vec();
  shape.back() = out_features();
  return out.reshape(shape);
}

at::Tensor FrozenForm::rows(const at::Tensor& ids) const {
  const at::Tensor flat = ids.reshape({-1}).contiguous();
  const auto count = flat.numel();
  const auto cols = in_features();
  at::Tensor out = at::empty({count, cols}, at::kFloat);
  const auto values = float_span(out);
  const auto* id = flat.data_ptr<std::int64_t>();
  for (std::int64_t i = 0; i < count; ++i) {
    PITH_CHECK(id[i] >= 0 && id[i] < out_features());
    matrix_.dequantize_rows(static_cast<std::size_t>(id[i]),
                            1,
                            values.subspan(static_cast<std::size_t>(i * cols), matrix_.cols()));
  }
  auto shape = ids.sizes().vec();
  shape.push_back(cols);
  return out.reshape(shape);
}

at::Tensor FrozenForm::dense() const { return dequantized(matrix_); }

}  // namespace pith

#include "pith/model/weight/packed_form.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <vector>

#include "pith/base/error.h"
#include "pith/base/threads.h"
#include "pith/model/tensor_bridge.h"
#include "pith/model/weight/product.h"

namespace pith {
namespace {

// Dequantized weights held at a time: 8 MiB stays near the caches, and a product of that many rows
// is still large enough for the GEMM to run at its full rate.
constexpr std::size_t kPieceElements = std::size_t{2} << 20;

}  // namespace

at::Tensor gather_rows(const PackedMatrix& matrix, const at::Tensor& ids) {
  const at::Tensor flat = ids.reshape({-1}).contiguous();
  const auto count = flat.numel();
  const auto cols = static_cast<std::int64_t>(matrix.cols());
  at::Tensor out = at::empty({count, cols}, at::kFloat);
  const auto values = float_span(out);
  const auto* id = flat.data_ptr<std::int64_t>();
  for (std::int64_t i = 0; i < count; ++i) {
    PITH_CHECK(id[i] >= 0 && id[i] < static_cast<std::int64_t>(matrix.rows()));
    matrix.dequantize_rows(static_cast<std::size_t>(id[i]),
                           1,
                           values.subspan(static_cast<std::size_t>(i * cols), matrix.cols()));
  }
  auto shape = ids.sizes().vec();
  shape.push_back(cols);
  return out.reshape(shape);
}

at::Tensor PackedForm::forward(const at::Tensor& x) const {
  const at::Tensor flat = x.reshape({-1, in_features()});
  at::Tensor out = at::empty({flat.size(0), out_features()}, at::kFloat);
  infer_into(flat, out);
  auto shape = x.sizes().vec();
  shape.back() = out_features();
  return out.reshape(shape);
}

void PackedForm::infer_into(const at::Tensor& x, at::Tensor& out) const {
  const std::size_t rows = matrix_.rows(), cols = matrix_.cols();
  const std::size_t piece = std::clamp<std::size_t>(kPieceElements / cols, 1, rows);
  at::Tensor scratch = at::empty({static_cast<std::int64_t>(piece), in_features()}, at::kFloat);
  const auto values = float_span(scratch);
  const std::size_t grain = std::max<std::size_t>(1, 16384 / cols);
  for (std::size_t begin = 0; begin < rows; begin += piece) {
    const std::size_t count = std::min(piece, rows - begin);
    parallel_for(count, grain, [&](std::size_t first, std::size_t last) {
      matrix_.dequantize_rows(
          begin + first, last - first, values.subspan(first * cols, (last - first) * cols));
    });
    const at::Tensor weight = scratch.narrow(0, 0, static_cast<std::int64_t>(count));  // [count, I]
    if (count == rows) {
      dense_product_into(x, weight, out);
    } else {
      out.narrow(1, static_cast<std::int64_t>(begin), static_cast<std::int64_t>(count))
          .copy_(dense_product(x, weight));
    }
  }
}

at::Tensor PackedForm::rows(const at::Tensor& ids) const { return gather_rows(matrix_, ids); }

at::Tensor PackedForm::dense() const { return dequantized(matrix_); }

}  // namespace pith

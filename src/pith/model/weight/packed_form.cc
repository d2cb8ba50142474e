#include "pith/model/weight/packed_form.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "pith/base/threads.h"
#include "pith/model/tensor_bridge.h"
#include "pith/model/weight/product.h"

namespace pith {
namespace {

// Dequantized weights held at a time: 8 MiB stays near the caches, and a product of that many rows
// is still large enough for the GEMM to run at its full rate.
constexpr std::size_t kPieceElements = std::size_t{2} << 20;

}  // namespace

void PackedForm::infer_into(const at::Tensor& x, at::Tensor& out) const {
  const std::size_t rows = matrix().rows(), cols = matrix().cols();
  const std::size_t piece = std::clamp<std::size_t>(kPieceElements / cols, 1, rows);
  at::Tensor scratch = at::empty({static_cast<std::int64_t>(piece), in_features()}, at::kFloat);
  const auto values = float_span(scratch);
  const std::size_t grain = std::max<std::size_t>(1, 16384 / cols);
  for (std::size_t begin = 0; begin < rows; begin += piece) {
    const std::size_t count = std::min(piece, rows - begin);
    parallel_for(count, grain, [&](std::size_t first, std::size_t last) {
      matrix().dequantize_rows(
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

}  // namespace pith

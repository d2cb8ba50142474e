#include "pith/model/weight/int8_form.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <utility>

#include "pith/base/error.h"
#include "pith/base/threads.h"
#include "pith/codec/float_convert.h"
#include "pith/codec/quantize.h"
#include "pith/model/tensor_bridge.h"
#include "pith/model/weight/packed_form.h"

namespace pith {
namespace {

constexpr std::size_t kMaxColumns = 131071;  // 128 * 128 * K < 2^31

// Stored codes are unsigned, code + 128; the products want them signed.
at::Tensor signed_codes(const PackedMatrix& matrix) {
  at::Tensor codes = at::empty(
      {static_cast<std::int64_t>(matrix.rows()), static_cast<std::int64_t>(matrix.cols())},
      at::kChar);
  const auto stored = matrix.buffer("codes").bytes;
  std::transform(stored.begin(), stored.end(), codes.data_ptr<std::int8_t>(), [](std::byte u) {
    return static_cast<std::int8_t>(static_cast<int>(u) - 128);
  });
  return codes;
}

at::Tensor row_scales(const PackedMatrix& matrix) {
  const Buffer& stored = matrix.buffer("scales");
  std::vector<float> values(stored.spec.bytes() / size_of(stored.spec.dtype));
  to_f32(stored.spec.dtype, stored.bytes, values);
  at::Tensor scales = at::empty({static_cast<std::int64_t>(matrix.rows())}, at::kFloat);
  const auto out = float_span(scales);
  for (std::size_t r = 0; r < out.size(); ++r) out[r] = values[values.size() == 1 ? 0 : r];
  return scales;
}

// out[t][o] = sums[t][o] * token_scale[t] * row_scale[o]
void rescale(const at::Tensor& sums,
             std::span<const float> token_scales,
             const at::Tensor& row_scales,
             at::Tensor& out) {
  const auto tokens = static_cast<std::size_t>(sums.size(0));
  const auto width = static_cast<std::size_t>(sums.size(1));
  const std::int32_t* sum = sums.data_ptr<std::int32_t>();
  const std::span<const float> row_scale = float_span(row_scales);
  const std::span<float> values = float_span(out);
  parallel_for(tokens, std::max<std::size_t>(1, 65536 / width), [&](auto first, auto last) {
    for (std::size_t t = first; t < last; ++t)
      for (std::size_t o = 0; o < width; ++o)
        values[t * width + o] =
            static_cast<float>(sum[t * width + o]) * token_scales[t] * row_scale[o];
  });
}

}  // namespace

bool DynamicInt8Form::accepts(const PackedMatrix& matrix) {
  const auto* encoding = std::get_if<GroupIntEncoding>(&matrix.encoding());
  return matrix.activation.scheme == ActivationScheme::kDynamicInt8Token && encoding != nullptr &&
         encoding->bits == 8 && encoding->zero_points == ZeroPoints::kNone &&
         encoding->granularity != Granularity::kGroup && matrix.cols() <= kMaxColumns;
}

DynamicInt8Form::DynamicInt8Form(PackedMatrix matrix) : matrix_(std::move(matrix)) {
  PITH_CHECK(accepts(matrix_));
  codes_ = signed_codes(matrix_);
  scales_ = row_scales(matrix_);
}

at::Tensor DynamicInt8Form::forward(const at::Tensor& x) const {
  const at::Tensor flat = x.reshape({-1, in_features()});
  at::Tensor out = at::empty({flat.size(0), out_features()}, at::kFloat);
  infer_into(flat, out);
  auto shape = x.sizes().vec();
  shape.back() = out_features();
  return out.reshape(shape);
}

void DynamicInt8Form::infer_into(const at::Tensor& x, at::Tensor& out) const {
  const at::Tensor input = x.contiguous();  // [T, I]
  const auto tokens = static_cast<std::size_t>(input.size(0));
  const auto width = static_cast<std::size_t>(input.size(1));
  at::Tensor codes = at::empty({input.size(0), input.size(1)}, at::kChar);
  std::vector<float> token_scales(tokens);
  const MatrixView<const float> view(float_span(input).data(), tokens, width);
  std::int8_t* code = codes.data_ptr<std::int8_t>();
  parallel_for(tokens, 16, [&](std::size_t first, std::size_t last) {
    quantize_tokens_int8(view.rows_from(first, last - first),
                         {code + first * width, (last - first) * width},
                         std::span(token_scales).subspan(first, last - first));
  });
  const at::Tensor sums = at::_int_mm(codes, codes_.t());  // [T, O] int32
  rescale(sums, token_scales, scales_, out);
}

at::Tensor DynamicInt8Form::rows(const at::Tensor& ids) const { return gather_rows(matrix_, ids); }

at::Tensor DynamicInt8Form::dense() const { return dequantized(matrix_); }

}  // namespace pith

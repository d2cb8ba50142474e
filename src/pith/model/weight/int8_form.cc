#include "pith/model/weight/int8_form.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <utility>

#include "pith/base/error.h"
#include "pith/base/threads.h"
#include "pith/codec/float_convert.h"
#include "pith/model/tensor_bridge.h"
#include "pith/model/weight/token_rounding.h"

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

// out += x[:, columns] times the dequantized columns of the weight.
void add_columns(const at::Tensor& x,
                 const std::vector<std::uint32_t>& columns,
                 const at::Tensor& codes,
                 const at::Tensor& scales,
                 at::Tensor& out) {
  at::Tensor index = at::empty({static_cast<std::int64_t>(columns.size())}, at::kLong);
  std::copy(columns.begin(), columns.end(), index.data_ptr<std::int64_t>());
  const at::Tensor weight =
      codes.index_select(1, index).to(at::kFloat).mul_(scales.unsqueeze(1));  // [O, columns]
  out.addmm_(x.index_select(1, index), weight.t());
}

bool has_integer_product(const ActivationQuantization& activation) {
  return activation.scheme == ActivationScheme::kDynamicInt8Token ||
         activation.scheme == ActivationScheme::kLlmInt8 ||
         (activation.scheme == ActivationScheme::kStaticInt8Tensor && activation.zero_point == 0);
}

}  // namespace

bool Int8Form::accepts(const PackedMatrix& matrix) {
  const auto* encoding = std::get_if<GroupIntEncoding>(&matrix.encoding());
  return has_integer_product(matrix.activation) && encoding != nullptr && encoding->bits == 8 &&
         encoding->zero_points == ZeroPoints::kNone &&
         encoding->granularity != Granularity::kGroup && matrix.cols() <= kMaxColumns;
}

Int8Form::Int8Form(PackedMatrix packed) : FrozenForm(std::move(packed)) {
  PITH_CHECK(accepts(matrix()));
  codes_ = signed_codes(matrix());
  scales_ = row_scales(matrix());
}

void Int8Form::infer_into(const at::Tensor& x, at::Tensor& out) const {
  const at::Tensor input = x.contiguous();  // [T, I]
  const ActivationQuantization& activation = matrix().activation;
  const std::vector<std::uint32_t> outliers = outliers_of(input, activation);
  const Int8Tokens tokens = int8_tokens(input, activation, outliers);
  const at::Tensor sums = at::_int_mm(tokens.codes, codes_.t());  // [T, O] int32
  rescale(sums, tokens.scales, scales_, out);
  if (!outliers.empty()) add_columns(input, outliers, codes_, scales_, out);
}

}  // namespace pith

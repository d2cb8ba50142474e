#include "pith/model/weight/token_rounding.h"

#include <ATen/ATen.h>

#include "pith/base/threads.h"
#include "pith/codec/activations.h"
#include "pith/model/tensor_bridge.h"

namespace pith {
namespace {

constexpr std::size_t kTokensAThread = 16;

MatrixView<const float> view_of(const at::Tensor& x) {
  return {float_span(x).data(),
          static_cast<std::size_t>(x.size(0)),
          static_cast<std::size_t>(x.size(1))};
}

}  // namespace

std::vector<std::uint32_t> outliers_of(const at::Tensor& x,
                                       const ActivationQuantization& activation) {
  if (activation.scheme != ActivationScheme::kLlmInt8) return {};
  return outlier_columns(view_of(x), activation.threshold);
}

at::Tensor rounded_tokens(const at::Tensor& x, const ActivationQuantization& activation) {
  const std::vector<std::uint32_t> outliers = outliers_of(x, activation);
  at::Tensor rounded = at::empty(x.sizes(), at::kFloat);
  const MatrixView<const float> view = view_of(x);
  const std::span<float> out = float_span(rounded);
  parallel_for(view.rows, kTokensAThread, [&](std::size_t first, std::size_t last) {
    round_activations(view.rows_from(first, last - first),
                      activation,
                      outliers,
                      out.subspan(first * view.cols, (last - first) * view.cols));
  });
  return rounded;
}

Int8Tokens int8_tokens(const at::Tensor& x,
                       const ActivationQuantization& activation,
                       const std::vector<std::uint32_t>& outliers) {
  const MatrixView<const float> view = view_of(x);
  Int8Tokens tokens{at::empty(x.sizes(), at::kChar), std::vector<float>(view.rows)};
  std::int8_t* code = tokens.codes.data_ptr<std::int8_t>();
  parallel_for(view.rows, kTokensAThread, [&](std::size_t first, std::size_t last) {
    quantize_activations(view.rows_from(first, last - first),
                         activation,
                         outliers,
                         {code + first * view.cols, (last - first) * view.cols},
                         std::span(tokens.scales).subspan(first, last - first));
  });
  return tokens;
}

}  // namespace pith

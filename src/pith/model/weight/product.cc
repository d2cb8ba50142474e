#include "pith/model/weight/product.h"

#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>

#include <optional>

namespace pith {
namespace {

// Below this many tokens both libraries are bound by reading the weight, and oneDNN's set-up costs
// more than it gains.
constexpr std::int64_t kFewTokens = 16;

bool onednn_is_faster() {
  static const bool kFaster = !__builtin_cpu_is("intel") && __builtin_cpu_supports("avx512f");
  return kFaster;
}

bool needs_gradient(const at::Tensor& x, const at::Tensor& weight) {
  return at::GradMode::is_enabled() && (x.requires_grad() || weight.requires_grad());
}

at::Tensor onednn_linear(const at::Tensor& x, const at::Tensor& weight) {
  using Signature = at::Tensor(const at::Tensor&,
                               const at::Tensor&,
                               const std::optional<at::Tensor>&,
                               c10::string_view,
                               c10::List<std::optional<at::Scalar>>,
                               std::optional<c10::string_view>);
  static const auto kOp = c10::Dispatcher::singleton()
                              .findSchemaOrThrow("mkldnn::_linear_pointwise", "")
                              .typed<Signature>();
  return kOp.call(
      x, weight, std::nullopt, "none", c10::List<std::optional<at::Scalar>>(), std::nullopt);
}

bool goes_to_onednn(const at::Tensor& x, const at::Tensor& weight) {
  return onednn_is_faster() && !needs_gradient(x, weight) && x.numel() >= kFewTokens * x.size(-1);
}

}  // namespace

at::Tensor dense_product(const at::Tensor& x, const at::Tensor& weight) {
  return goes_to_onednn(x, weight) ? onednn_linear(x, weight) : at::linear(x, weight);
}

void dense_product_into(const at::Tensor& x, const at::Tensor& weight, at::Tensor& out) {
  if (goes_to_onednn(x, weight))
    out.copy_(onednn_linear(x, weight));
  else
    at::linear_out(out, x, weight);
}

}  // namespace pith

#include "pith/model/norm.h"

#include <ATen/ATen.h>

namespace pith {

at::Tensor Norm::forward(const at::Tensor& x) const {
  const at::Tensor weight = weight_->dense().view({-1});
  switch (kind_) {
    case NormKind::kLayerNorm:
      return at::layer_norm(
          x, weight.sizes(), weight, bias_ ? bias_->dense().view({-1}) : at::Tensor(), epsilon_);
    case NormKind::kRmsNorm:
      return at::rms_norm(x, weight.sizes(), weight, epsilon_);
  }
  return {};
}

}  // namespace pith

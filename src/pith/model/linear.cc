#include "pith/model/linear.h"

#include <ATen/ATen.h>

namespace pith {

at::Tensor Linear::forward(const at::Tensor& x) const {
  at::Tensor y = weight_->forward(x);
  return bias_ ? y.add_(bias_->dense().view({-1})) : y;
}

}  // namespace pith

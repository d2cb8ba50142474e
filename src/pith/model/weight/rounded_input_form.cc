#include "pith/model/weight/rounded_input_form.h"

#include <ATen/ATen.h>

#include "pith/model/weight/token_rounding.h"

namespace pith {

void RoundedInputForm::infer_into(const at::Tensor& x, at::Tensor& out) const {
  product_->infer_into(rounded_tokens(x.contiguous(), matrix().activation), out);
}

}  // namespace pith

#include "pith/model/weight/dense_form.h"

#include <ATen/ATen.h>

#include <utility>

#include "pith/base/error.h"
#include "pith/model/weight/product.h"

namespace pith {

DenseForm::DenseForm(at::Tensor weight) : weight_(std::move(weight)) {
  PITH_CHECK(weight_.dim() == 2 && weight_.scalar_type() == at::kFloat);
}

at::Tensor DenseForm::forward(const at::Tensor& x) const { return dense_product(x, weight_); }

void DenseForm::infer_into(const at::Tensor& x, at::Tensor& out) const {
  dense_product_into(x, weight_, out);
}

at::Tensor DenseForm::rows(const at::Tensor& ids) const { return at::embedding(weight_, ids); }

at::Tensor DenseForm::dense() const { return weight_; }

std::vector<at::Tensor> DenseForm::trainable() const {
  if (!weight_.requires_grad()) return {};
  return {weight_};
}

PackedMatrix DenseForm::stored() const {
  const at::Tensor weight = weight_.detach().contiguous();
  const auto rows = static_cast<std::size_t>(weight.size(0));
  const auto cols = static_cast<std::size_t>(weight.size(1));
  const DenseEncoding encoding{DType::kF32};
  Buffer buffer;
  buffer.spec = buffer_specs(encoding, rows, cols).front();
  buffer.bytes = {reinterpret_cast<const std::byte*>(weight.data_ptr<float>()),
                  buffer.spec.bytes()};
  buffer.owner = std::make_shared<at::Tensor>(weight);
  return {encoding, rows, cols, {buffer}};
}

}  // namespace pith

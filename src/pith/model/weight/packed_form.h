// A frozen weight that stays in its Encoding; pieces of rows are dequantized while they are
// multiplied.
#pragma once

#include "pith/model/weight/frozen_form.h"

namespace pith {

class PackedForm final : public FrozenForm {
 public:
  explicit PackedForm(PackedMatrix matrix) : FrozenForm(std::move(matrix)) {}
  void infer_into(const at::Tensor& x, at::Tensor& out) const override;
};

}  // namespace pith

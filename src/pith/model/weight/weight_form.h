// WeightForm: what a Linear, an embedding or a norm holds. The seam through which methods change a
// layer.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "pith/codec/packed_matrix.h"

namespace pith {

// O out, I in, N rows looked up. No code outside model/weight/ asks which form it holds.
class WeightForm {
 public:
  virtual ~WeightForm() = default;

  // [..., I] -> [..., O], x * dense()^T with x rounded as stored().activation says.
  virtual at::Tensor forward(const at::Tensor& x) const = 0;
  // The same without gradients into `out` [T, O], f32 contiguous; x is [T, I].
  virtual void infer_into(const at::Tensor& x, at::Tensor& out) const;
  virtual at::Tensor rows(const at::Tensor& ids) const = 0;  // [N] int64 -> [N, I]; the look-up
  virtual at::Tensor dense() const = 0;                      // [O, I] f32
  virtual std::vector<at::Tensor> trainable() const = 0;     // what an optimizer may change
  // What is written to disk: the packed weight whose buffers are stored; storage_bytes() is its
  // size.
  virtual PackedMatrix stored() const = 0;
  virtual std::int64_t out_features() const = 0;
  virtual std::int64_t in_features() const = 0;
};

// A frozen weight as a checkpoint stores it, with its activations quantized as it says: dense f32
// is shared with the file, everything else stays packed and is dequantized only while needed.
std::shared_ptr<const WeightForm> make_frozen_form(const PackedMatrix& matrix);

}  // namespace pith

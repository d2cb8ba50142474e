// The one border between torch tensors and Pith's spans and packed matrices.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>

#include "pith/codec/packed_matrix.h"

namespace pith {

// The elements of a contiguous f32 CPU tensor. Throws InternalError for any other tensor.
std::span<float> float_span(const at::Tensor& tensor);
// [n] int64 from token ids.
at::Tensor id_tensor(std::span<const std::int32_t> ids);
// A dense F32 buffer as a [rows, cols] tensor that shares the bytes and keeps their owner alive;
// copied only when the bytes are not aligned to floats. Treat it as read-only: it may be a mapped
// file.
at::Tensor share_dense(const PackedMatrix& matrix);
// Any matrix as an owned f32 [rows, cols] tensor.
at::Tensor dequantized(const PackedMatrix& matrix);

}  // namespace pith

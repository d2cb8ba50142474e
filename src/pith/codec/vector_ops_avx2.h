// Parts of avx2_ops() that have a file of their own. Internal to codec.
#pragma once

#include <cstddef>
#include <span>

#include "pith/codec/encoding.h"

namespace pith {

std::size_t quantize_ggml_avx2(GgmlType type,
                               const float* x,
                               std::size_t blocks,
                               std::span<const float> importance,
                               std::byte* out);
void dequantize_ggml_avx2(GgmlType type, const std::byte* in, std::size_t blocks, float* out);
void widen_avx2(DType dtype, const std::byte* in, std::size_t n, float* out);
void narrow_avx2(DType dtype, const float* in, std::size_t n, std::byte* out);

}  // namespace pith

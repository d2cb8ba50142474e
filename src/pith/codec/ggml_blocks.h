// Blocks of 32 weights of GGUF files: Q8_0, Q4_0, Q4_1. Source: formats.md 4.5 and 4.7; scalar
// reference of vector_ops.h.
#pragma once

#include <cstddef>

#include "pith/codec/encoding.h"

namespace pith {

constexpr std::size_t kGgmlBlock = 32;  // elements

std::size_t ggml_block_bytes(GgmlType type);

// Quantizes `blocks` blocks by the reference rounding of the format's owner; returns in how many
// the scale or the minimum is beyond f16.
std::size_t quantize_ggml_blocks(GgmlType type, const float* x, std::size_t blocks, std::byte* out);
void dequantize_ggml_blocks(GgmlType type, const std::byte* in, std::size_t blocks, float* out);

}  // namespace pith

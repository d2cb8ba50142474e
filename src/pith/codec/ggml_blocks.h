// Blocks of 32 or 256 neighbours of a row, as GGUF files hold them. Source: formats.md 4.5 and 4.7;
// the functions here are the scalar reference of vector_ops.h.
#pragma once

#include <cstddef>
#include <span>

#include "pith/codec/encoding.h"
#include "pith/codec/ggml_layout.h"

namespace pith {

std::size_t ggml_block_elements(GgmlType type);  // 32 or 256
std::size_t ggml_block_bytes(GgmlType type);
int ggml_code_bits(GgmlType type);     // of one code, without its share of the scales
bool ggml_is_writable(GgmlType type);  // quantize_ggml_blocks can make it

// Quantizes `blocks` blocks by the reference rounding of the format's owner; returns in how many
// the scale or the minimum is beyond f16. `importance` is empty, or x is one row and each of its
// elements has a weight, finite and >= 0, that its square error counts with (Q8_0 ignores it).
std::size_t quantize_ggml_blocks(GgmlType type,
                                 const float* x,
                                 std::size_t blocks,
                                 std::span<const float> importance,
                                 std::byte* out);
void dequantize_ggml_blocks(GgmlType type, const std::byte* in, std::size_t blocks, float* out);

}  // namespace pith

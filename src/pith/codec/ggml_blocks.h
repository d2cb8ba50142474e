// Blocks of 32 or 256 neighbours of a row, as GGUF files hold them. Source: formats.md 4.5 and 4.7;
// the functions here are the scalar reference of vector_ops.h.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "pith/codec/encoding.h"
#include "pith/codec/ggml_layout.h"

namespace pith {

std::size_t ggml_block_elements(GgmlType type);  // 32 or 256
std::size_t ggml_block_bytes(GgmlType type);
int ggml_code_bits(GgmlType type);     // of one code, without its share of the scales
bool ggml_is_writable(GgmlType type);  // quantize_ggml_blocks can make it

// Element i of a block is scales[i / unit] * level of codes[i] + offsets[i / unit].
struct GgmlParts {
  std::size_t unit = 0;  // elements that share a scale: 16 or 32
  std::uint8_t codes[kGgmlSuperBlock] = {};
  float scales[16] = {};
  // The minima; -0 in types without: it adds nothing, not even a sign.
  float offsets[16] = {};
};
GgmlParts take_ggml_block_apart(GgmlType type, const std::byte* block);
const std::array<float, 256>& ggml_levels(
    GgmlType type);  // whole numbers; as many as a code has values
bool ggml_has_offsets(GgmlType type);

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

// Quantizing to GGUF blocks whose scales are searched for: Q4_K, Q5_K, Q6_K and IQ4_NL, and with
// importance Q4_0, Q4_1, Q5_0 and Q5_1. Internal to codec.
#pragma once

#include <cstddef>
#include <span>

#include "pith/codec/encoding.h"
#include "pith/codec/ggml_layout.h"

namespace pith {

// Whether a type searches for its scales.
bool ggml_searches(GgmlType type, std::span<const float> importance);

// As quantize_ggml_blocks; importance is null or one number an element.
std::size_t quantize_searched_scalar(
    GgmlType type, const float* x, const float* importance, std::size_t blocks, std::byte* out);
std::size_t quantize_searched_avx2(
    GgmlType type, const float* x, const float* importance, std::size_t blocks, std::byte* out);

// Half-way between neighbours of kIq4Levels; the upper level begins at it.
constexpr float kIq4Thresholds[15] = {
    -115.5f, -93.5f, -74, -57, -42, -28.5f, -16, -4.5f, 7, 19, 31.5f, 45.5f, 61, 79, 101};

}  // namespace pith

// The schemes of codec/activations.h over tensors, on all threads.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "pith/codec/packed_matrix.h"

namespace pith {

// T tokens, I in features; x is [T, I] f32 contiguous.

// Columns that LLM.int8() keeps as floats; empty for the other schemes.
std::vector<std::uint32_t> outliers_of(const at::Tensor& x,
                                       const ActivationQuantization& activation);

// x rounded, [T, I] f32.
at::Tensor rounded_tokens(const at::Tensor& x, const ActivationQuantization& activation);

// int8 codes of one of the int8 schemes.
struct Int8Tokens {
  at::Tensor codes;           // [T, I] int8, 0 in outlier columns
  std::vector<float> scales;  // T
};
Int8Tokens int8_tokens(const at::Tensor& x,
                       const ActivationQuantization& activation,
                       const std::vector<std::uint32_t>& outliers);

}  // namespace pith

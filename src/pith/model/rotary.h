// Rotary position embedding in the half-split layout of Hugging Face. Source: formats.md 2.4.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "pith/formats/spec.h"

namespace pith {

// cos and sin [T, d / 2] f32 of positions first .. first + count - 1. `length` is the length of the
// whole sequence, which dynamic scaling depends on.
struct RotaryTable {
  at::Tensor cos, sin;
};
RotaryTable rotary_table(const DecoderSpec& spec,
                         std::int64_t qk_dim,
                         std::int64_t first,
                         std::int64_t count,
                         std::int64_t length);

// x [B, H, T, d] -> the same shape, each pair (j, j + d/2) turned by its angle.
at::Tensor rotate(const at::Tensor& x, const RotaryTable& table);

}  // namespace pith

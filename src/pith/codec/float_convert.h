// fp32 <-> fp16, bf16, fp8. Rounding is to nearest, ties to even, subnormals included.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "pith/codec/dtype.h"

namespace pith {

// Scalar definitions; the references of the vector paths. NaN stays NaN.
float f16_to_f32(std::uint16_t bits);
std::uint16_t f32_to_f16(float value);  // overflow gives infinity from 65520 on
float bf16_to_f32(std::uint16_t bits);
std::uint16_t f32_to_bf16(float value);
float f8e4m3_to_f32(std::uint8_t bits);   // e4m3fn: no infinity, 0x7f and 0xff are NaN
std::uint8_t f32_to_f8e4m3(float value);  // saturates at +-448
float f8e5m2_to_f32(std::uint8_t bits);
std::uint8_t f32_to_f8e5m2(float value);  // saturates at +-57344

// Arrays. `bytes` holds out.size() little-endian elements of `dtype` and needs no alignment.
// `dtype` is a float type.
void to_f32(DType dtype, std::span<const std::byte> bytes, std::span<float> out);
void from_f32(DType dtype, std::span<const float> values, std::span<std::byte> out);

}  // namespace pith

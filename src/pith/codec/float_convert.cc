#include "pith/codec/float_convert.h"

#include <bit>
#include <cmath>
#include <cstring>

#include "pith/base/error.h"
#include "pith/codec/vector_ops.h"

namespace pith {
namespace {

constexpr std::uint32_t kSignBit = 0x80000000u;
constexpr std::uint32_t kInfinityBits = 0x7f800000u;

// An IEEE-like narrow float: its mantissa bits and exponent bias.
struct NarrowFormat {
  int mantissa_bits;
  int bias;
};

// The code of a finite magnitude (bits of a non-negative f32) in `format`, to nearest even; may run
// past the largest code.
std::uint32_t round_magnitude(std::uint32_t magnitude, NarrowFormat format) {
  const int shift = 23 - format.mantissa_bits;
  const std::uint32_t smallest_normal = static_cast<std::uint32_t>(128 - format.bias) << 23;
  if (magnitude < smallest_normal) {
    // Adding a power of two whose ulp is the smallest subnormal makes the hardware round to a
    // multiple of it.
    const std::uint32_t magic = smallest_normal + (static_cast<std::uint32_t>(shift) << 23);
    const float sum = std::bit_cast<float>(magnitude) + std::bit_cast<float>(magic);
    return std::bit_cast<std::uint32_t>(sum) - magic;
  }
  const std::uint32_t odd = (magnitude >> shift) & 1;
  const std::uint32_t rounded = (magnitude + (1u << (shift - 1)) - 1 + odd) >> shift;
  return rounded - (static_cast<std::uint32_t>(127 - format.bias) << format.mantissa_bits);
}

float widen_magnitude(std::uint32_t code, NarrowFormat format) {
  const std::uint32_t exponent = code >> format.mantissa_bits;
  const std::uint32_t mantissa = code & ((1u << format.mantissa_bits) - 1);
  if (exponent == 0)
    return std::ldexp(static_cast<float>(mantissa), 1 - format.bias - format.mantissa_bits);
  const std::uint32_t bits =
      (code << (23 - format.mantissa_bits)) + (static_cast<std::uint32_t>(127 - format.bias) << 23);
  return std::bit_cast<float>(bits);
}

constexpr NarrowFormat kF16Format{10, 15};
constexpr NarrowFormat kE4M3Format{3, 7};
constexpr NarrowFormat kE5M2Format{2, 15};
constexpr std::uint32_t kE4M3Largest = 0x7e;  // 448
constexpr std::uint32_t kE5M2Largest = 0x7b;  // 57344

std::uint8_t saturating_f8(float value,
                           NarrowFormat format,
                           std::uint32_t largest,
                           std::uint32_t nan) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = (bits & kSignBit) >> 24;
  const std::uint32_t magnitude = bits & ~kSignBit;
  if (magnitude > kInfinityBits) return static_cast<std::uint8_t>(sign | nan);
  return static_cast<std::uint8_t>(sign | std::min(round_magnitude(magnitude, format), largest));
}

}  // namespace

float f16_to_f32(std::uint16_t bits) {
  const std::uint32_t sign = (bits & 0x8000u) << 16;
  const std::uint32_t magnitude = bits & 0x7fffu;
  if (magnitude > 0x7c00u)  // quiet, as the F16C instructions make it
    return std::bit_cast<float>(sign | 0x7fc00000u | ((magnitude & 0x3ffu) << 13));
  if (magnitude == 0x7c00u) return std::bit_cast<float>(sign | kInfinityBits);
  return std::bit_cast<float>(sign |
                              std::bit_cast<std::uint32_t>(widen_magnitude(magnitude, kF16Format)));
}

std::uint16_t f32_to_f16(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = (bits & kSignBit) >> 16;
  const std::uint32_t magnitude = bits & ~kSignBit;
  if (magnitude > kInfinityBits)
    return static_cast<std::uint16_t>(sign | 0x7e00u | ((magnitude >> 13) & 0x3ffu));
  if (magnitude >= 0x477ff000u) return static_cast<std::uint16_t>(sign | 0x7c00u);  // from 65520 on
  return static_cast<std::uint16_t>(sign | round_magnitude(magnitude, kF16Format));
}

float bf16_to_f32(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

std::uint16_t f32_to_bf16(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & ~kSignBit) > kInfinityBits) return static_cast<std::uint16_t>((bits >> 16) | 0x40u);
  return static_cast<std::uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1)) >> 16);
}

float f8e4m3_to_f32(std::uint8_t bits) {
  const std::uint32_t sign = (bits & 0x80u) << 24;
  const std::uint32_t magnitude = bits & 0x7fu;
  if (magnitude > kE4M3Largest) return std::bit_cast<float>(sign | 0x7fc00000u);
  return std::bit_cast<float>(
      sign | std::bit_cast<std::uint32_t>(widen_magnitude(magnitude, kE4M3Format)));
}

std::uint8_t f32_to_f8e4m3(float value) {
  return saturating_f8(value, kE4M3Format, kE4M3Largest, 0x7f);
}

float f8e5m2_to_f32(std::uint8_t bits) {  // e5m2 is the upper byte of f16
  return f16_to_f32(static_cast<std::uint16_t>(bits << 8));
}

std::uint8_t f32_to_f8e5m2(float value) {
  return saturating_f8(value, kE5M2Format, kE5M2Largest, 0x7f);
}

void to_f32(DType dtype, std::span<const std::byte> bytes, std::span<float> out) {
  PITH_CHECK(is_float(dtype));
  PITH_CHECK(bytes.size() == out.size() * size_of(dtype));
  if (out.empty()) return;
  if (dtype == DType::kF32) {
    std::memcpy(out.data(), bytes.data(), bytes.size());
  } else if (dtype == DType::kF64) {
    for (std::size_t i = 0; i < out.size(); ++i) {
      double value;
      std::memcpy(&value, bytes.data() + i * sizeof value, sizeof value);
      out[i] = static_cast<float>(value);
    }
  } else {
    vector_ops().widen(dtype, bytes.data(), out.size(), out.data());
  }
}

void from_f32(DType dtype, std::span<const float> values, std::span<std::byte> out) {
  PITH_CHECK(is_float(dtype));
  PITH_CHECK(out.size() == values.size() * size_of(dtype));
  if (values.empty()) return;
  if (dtype == DType::kF32) {
    std::memcpy(out.data(), values.data(), out.size());
  } else if (dtype == DType::kF64) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double value = values[i];
      std::memcpy(out.data() + i * sizeof value, &value, sizeof value);
    }
  } else {
    vector_ops().narrow(dtype, values.data(), values.size(), out.data());
  }
}

}  // namespace pith

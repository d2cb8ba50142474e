#include "pith/codec/ggml_pack.h"

#include <algorithm>
#include <bit>

#include "pith/codec/float_convert.h"

namespace pith {
namespace {

constexpr int kHighest = 63;

std::uint8_t u8(int value) { return static_cast<std::uint8_t>(value); }

// A negative number wraps, as the owner's does, and so becomes the highest code.
std::uint8_t scale_code(float value) {
  return std::min<std::uint8_t>(kHighest, u8(nearest_int(value)));
}

float largest_of(const float (&values)[8]) {
  float largest = 0;
  for (const float value : values) largest = value > largest ? value : largest;
  return largest;
}

// The better of nine scales around largest / 63, by the weighted square error; its inverse.
float best_inverse(const float (&values)[8], const float (&weights)[8], float largest) {
  float inverse = static_cast<float>(kHighest) / largest;
  float least_error = 0;
  for (const int k : {0, -4, -3, -2, -1, 1, 2, 3, 4}) {
    const float tried = (0.1f * static_cast<float>(k) + static_cast<float>(kHighest)) / largest;
    const float scale = 1 / tried;
    float error = 0;
    for (std::size_t i = 0; i < 8; ++i) {
      const int code = std::min(kHighest, nearest_int(tried * values[i]));
      const float difference = values[i] - scale * static_cast<float>(code);
      error += weights[i] * difference * difference;
    }
    if (k != 0 && !(error < least_error)) continue;
    least_error = error;
    inverse = tried;
  }
  return inverse;
}

// Moves one code at a time to where it is best for the others; true if one moved.
struct ScaleSums {
  float xq = 0;
  float qq = 0;
};
bool improve_codes(const float (&values)[8],
                   const float (&weights)[8],
                   std::uint8_t (&codes)[8],
                   ScaleSums& sums) {
  bool moved = false;
  for (std::size_t i = 0; i < 8; ++i) {
    const float w = weights[i], wx = w * values[i], old = codes[i];
    ScaleSums others{sums.xq - wx * old, sums.qq - w * old * old};
    if (!(others.xq > 0 && others.qq > 0)) continue;
    const int code = std::min(kHighest, nearest_int(values[i] * others.qq / others.xq));
    if (code < 0 || code == codes[i]) continue;
    const float q = static_cast<float>(code);
    others.xq += wx * q;
    others.qq += w * q * q;
    if (!(others.xq * others.xq * sums.qq > sums.xq * sums.xq * others.qq)) continue;
    codes[i] = u8(code);
    sums = others;
    moved = true;
  }
  return moved;
}

}  // namespace

bool store_f16(float value, std::uint16_t& out) {
  out = f32_to_f16(value);
  return (out & 0x7c00u) != 0x7c00u;
}

int nearest_int(float value) {
  return static_cast<int>(std::bit_cast<std::uint32_t>(value + 12582912.0f) & 0x007fffffu) -
         0x00400000;
}

void pack_codes(const std::uint8_t (&codes)[kGgmlSuperBlock], BlockQ4K& block) {
  for (std::size_t pair = 0; pair < 4; ++pair)
    for (std::size_t l = 0; l < 32; ++l)
      block.nibbles[pair * 32 + l] = u8(codes[pair * 64 + l] | codes[pair * 64 + 32 + l] << 4);
}

void pack_codes(const std::uint8_t (&codes)[kGgmlSuperBlock], BlockQ5K& block) {
  for (std::size_t pair = 0; pair < 4; ++pair)
    for (std::size_t l = 0; l < 32; ++l)
      block.nibbles[pair * 32 + l] =
          u8((codes[pair * 64 + l] & 15) | codes[pair * 64 + 32 + l] << 4);
  for (std::size_t l = 0; l < 32; ++l) {
    unsigned bits = 0;
    for (std::size_t j = 0; j < 8; ++j) bits |= static_cast<unsigned>(codes[j * 32 + l] >> 4) << j;
    block.high_bits[l] = static_cast<std::uint8_t>(bits);
  }
}

void pack_codes(const std::uint8_t (&codes)[kGgmlSuperBlock], BlockQ6K& block) {
  for (std::size_t half = 0; half < 2; ++half) {
    const std::uint8_t* c = codes + half * 128;
    for (std::size_t l = 0; l < 32; ++l) {
      const int a = c[l], b = c[l + 32], e = c[l + 64], f = c[l + 96];
      block.nibbles[half * 64 + l] = u8((a & 15) | e << 4);
      block.nibbles[half * 64 + 32 + l] = u8((b & 15) | f << 4);
      block.high_bits[half * 32 + l] = u8(a >> 4 | b >> 4 << 2 | e >> 4 << 4 | f >> 4 << 6);
    }
  }
}

ScaleCodes round_scales(const float (&values)[8]) {
  const float largest = largest_of(values);
  const float inverse = largest > 0 ? static_cast<float>(kHighest) / largest : 0.0f;
  ScaleCodes result{.scale = largest / static_cast<float>(kHighest), .codes = {}};
  for (std::size_t i = 0; i < 8; ++i) result.codes[i] = scale_code(inverse * values[i]);
  return result;
}

ScaleCodes fit_scales(const float (&values)[8], const float (&weights)[8]) {
  const float largest = largest_of(values);
  ScaleCodes result;
  if (largest < kSmallestMagnitude) return result;
  const float inverse = best_inverse(values, weights, largest);
  ScaleSums sums;
  for (std::size_t i = 0; i < 8; ++i) {
    result.codes[i] = scale_code(inverse * values[i]);
    const float q = result.codes[i];
    sums.xq += weights[i] * values[i] * q;
    sums.qq += weights[i] * q * q;
  }
  constexpr int kPasses = 5;
  for (int pass = 0; pass < kPasses; ++pass)
    if (!improve_codes(values, weights, result.codes, sums)) break;
  result.scale = sums.qq > 0 ? sums.xq / sums.qq : 0.0f;
  return result;
}

void pack_sub_scales(const ScaleCodes& scales,
                     const ScaleCodes& minima,
                     std::uint8_t (&packed)[12]) {
  const auto& s = scales.codes;
  const auto& m = minima.codes;
  for (std::size_t j = 0; j < 4; ++j) {
    packed[j] = u8(s[j] | s[j + 4] >> 4 << 6);
    packed[j + 4] = u8(m[j] | m[j + 4] >> 4 << 6);
    packed[j + 8] = u8((s[j + 4] & 15) | (m[j + 4] & 15) << 4);
  }
}

}  // namespace pith

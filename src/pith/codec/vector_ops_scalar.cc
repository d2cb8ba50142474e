// The reference of every vector path: plain loops, one element after the other.
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#include "pith/base/error.h"
#include "pith/codec/float_convert.h"
#include "pith/codec/ggml_blocks.h"
#include "pith/codec/vector_ops.h"

namespace pith {
namespace {

bool always() { return true; }

// As the min and max instructions do it: a NaN in x gives the bound.
float clamp(float x, float low, float high) {
  x = x > low ? x : low;
  return x < high ? x : high;
}

float unit_code(float x, const UnitRound& unit) {
  return clamp(std::nearbyint(x / unit.scale) + unit.zero, unit.lowest, unit.highest);
}

ValueRange range(const float* x, std::size_t n) {
  constexpr std::uint32_t kMagnitude = 0x7fffffffu;
  ValueRange result{x[0], x[0], true};
  std::uint32_t largest = 0;
  for (std::size_t i = 0; i < n; ++i) {
    result.low = x[i] < result.low ? x[i] : result.low;
    result.high = x[i] > result.high ? x[i] : result.high;
    largest = std::max(largest, std::bit_cast<std::uint32_t>(x[i]) & kMagnitude);
  }
  result.finite = largest < 0x7f800000u;
  return result;
}

void round_codes(const float* x, std::size_t n, const UnitRound& unit, std::uint8_t* codes) {
  for (std::size_t i = 0; i < n; ++i) codes[i] = static_cast<std::uint8_t>(unit_code(x[i], unit));
}

void expand_codes(
    const std::uint8_t* codes, std::size_t n, float scale, std::int32_t zero, float* out) {
  for (std::size_t i = 0; i < n; ++i) {
    const std::uint32_t level = std::uint32_t{codes[i]} - static_cast<std::uint32_t>(zero);
    out[i] = static_cast<float>(static_cast<std::int32_t>(level)) * scale;
  }
}

// a^0.2 for a in [0, 1]: a guess from the exponent, then three Newton steps. 0 gives a small
// positive number.
float fifth_root(float a) {
  constexpr std::int32_t kBias = 852282573;  // 0.8 * 127 * 2^23
  const float bits = static_cast<float>(std::bit_cast<std::int32_t>(a));
  float y = std::bit_cast<float>(static_cast<std::int32_t>(bits * 0.2f) + kBias);
  for (int step = 0; step < 3; ++step) {
    const float y2 = y * y;
    y = (y * 4.0f + a / (y2 * y2)) * 0.2f;
  }
  return y;
}

float power_error(const float* x, std::size_t n, const UnitRound& unit, float inverse) {
  std::array<float, 8> lanes{};
  for (std::size_t i = 0; i < n; ++i) {
    const float value = (unit_code(x[i], unit) - unit.zero) * unit.scale;
    const float e = (x[i] - value) * inverse;
    const float square = e * e;
    lanes[i % 8] += square * fifth_root(square);
  }
  return ((lanes[0] + lanes[4]) + (lanes[1] + lanes[5])) +
         ((lanes[2] + lanes[6]) + (lanes[3] + lanes[7]));
}

void round_int8(const float* x, std::size_t n, float scale, std::int8_t* codes) {
  for (std::size_t i = 0; i < n; ++i)
    codes[i] = static_cast<std::int8_t>(clamp(std::nearbyint(x[i] / scale), -127, 127));
}

SquareSums square_sums(const float* a, const float* b, std::size_t n) {
  std::array<double, 8> error{}, total{};
  for (std::size_t i = 0; i < n; ++i) {
    const double value = a[i];
    const double difference = value - static_cast<double>(b[i]);
    error[i % 8] += difference * difference;
    total[i % 8] += value * value;
  }
  const auto sum = [](const std::array<double, 8>& v) {
    return ((v[0] + v[4]) + (v[1] + v[5])) + ((v[2] + v[6]) + (v[3] + v[7]));
  };
  return {sum(error), sum(total)};
}

void pack(const std::uint8_t* codes, std::size_t n, int bits, std::byte* out) {
  std::uint32_t pending = 0;
  int filled = 0;
  for (std::size_t i = 0; i < n; ++i) {
    pending |= std::uint32_t{codes[i]} << filled;
    for (filled += bits; filled >= 8; filled -= 8, pending >>= 8)
      *out++ = static_cast<std::byte>(pending & 0xff);
  }
  if (filled > 0) *out = static_cast<std::byte>(pending & 0xff);
}

void unpack(const std::byte* packed, std::size_t n, int bits, std::uint8_t* codes) {
  const std::uint32_t mask = (1u << bits) - 1;
  std::uint32_t pending = 0;
  int filled = 0;
  for (std::size_t i = 0; i < n; ++i) {
    if (filled < bits) {
      pending |= std::to_integer<std::uint32_t>(*packed++) << filled;
      filled += 8;
    }
    codes[i] = static_cast<std::uint8_t>(pending & mask);
    pending >>= bits;
    filled -= bits;
  }
}

void pack_high_first(const std::uint8_t* codes, std::size_t n, std::byte* out) {
  for (std::size_t i = 0; i < n; i += 2) {
    const int low = i + 1 < n ? codes[i + 1] : 0;
    out[i / 2] = static_cast<std::byte>(codes[i] << 4 | low);
  }
}

void unpack_high_first(const std::byte* packed, std::size_t n, std::uint8_t* codes) {
  for (std::size_t i = 0; i < n; ++i) {
    const int byte = std::to_integer<int>(packed[i / 2]);
    codes[i] = static_cast<std::uint8_t>(i % 2 == 0 ? byte >> 4 : byte & 15);
  }
}

std::uint8_t nf4_code(float y) {
  int code = 0;
  for (const float t : nf4_thresholds()) code += y > t ? 1 : 0;
  return static_cast<std::uint8_t>(code);
}

std::uint8_t fp4_code(float y) {
  std::size_t rank = 0;
  for (const float t : fp4_thresholds()) rank += std::fabs(y) > t ? 1 : 0;
  return static_cast<std::uint8_t>(fp4_magnitude_codes()[rank] | (y < 0 ? 8 : 0));
}

void encode_codebook(
    CodebookTable table, const float* x, std::size_t n, float inverse, std::uint8_t* codes) {
  for (std::size_t i = 0; i < n; ++i) {
    const float y = clamp(x[i] * inverse, -1.0f, 1.0f);
    codes[i] = table == CodebookTable::kNf4 ? nf4_code(y) : fp4_code(y);
  }
}

void decode_levels(
    const std::uint8_t* codes, std::size_t n, const float* levels, float scale, float* out) {
  for (std::size_t i = 0; i < n; ++i) out[i] = levels[codes[i] & 15] * scale;
}

void widen(DType dtype, const std::byte* in, std::size_t n, float* out) {
  const auto word = [in](std::size_t i) {
    std::uint16_t bits;
    std::memcpy(&bits, in + 2 * i, sizeof bits);
    return bits;
  };
  const auto byte = [in](std::size_t i) { return std::to_integer<std::uint8_t>(in[i]); };
  const auto each = [n, out](auto&& value) {
    for (std::size_t i = 0; i < n; ++i) out[i] = value(i);
  };
  if (dtype == DType::kF16) return each([&](std::size_t i) { return f16_to_f32(word(i)); });
  if (dtype == DType::kBF16) return each([&](std::size_t i) { return bf16_to_f32(word(i)); });
  if (dtype == DType::kF8E4M3) return each([&](std::size_t i) { return f8e4m3_to_f32(byte(i)); });
  PITH_CHECK(dtype == DType::kF8E5M2);
  each([&](std::size_t i) { return f8e5m2_to_f32(byte(i)); });
}

void narrow(DType dtype, const float* in, std::size_t n, std::byte* out) {
  const auto each = [&](auto&& code) {
    for (std::size_t i = 0; i < n; ++i) {
      const auto bits = code(in[i]);
      std::memcpy(out + i * sizeof bits, &bits, sizeof bits);
    }
  };
  if (dtype == DType::kF16) return each(f32_to_f16);
  if (dtype == DType::kBF16) return each(f32_to_bf16);
  if (dtype == DType::kF8E4M3) return each(f32_to_f8e4m3);
  PITH_CHECK(dtype == DType::kF8E5M2);
  each(f32_to_f8e5m2);
}

constexpr VectorOps kScalar{
    .name = "scalar",
    .runs_here = always,
    .range = range,
    .round_codes = round_codes,
    .expand_codes = expand_codes,
    .power_error = power_error,
    .round_int8 = round_int8,
    .square_sums = square_sums,
    .pack = pack,
    .unpack = unpack,
    .pack_high_first = pack_high_first,
    .unpack_high_first = unpack_high_first,
    .encode_codebook = encode_codebook,
    .decode_levels = decode_levels,
    .quantize_ggml = quantize_ggml_blocks,
    .dequantize_ggml = dequantize_ggml_blocks,
    .widen = widen,
    .narrow = narrow,
};

}  // namespace

const VectorOps& scalar_ops() { return kScalar; }

std::span<const VectorOps* const> vector_ops_impls() {
  static const std::array<const VectorOps*, 2> kImpls = {&avx2_ops(), &scalar_ops()};
  return kImpls;
}

const VectorOps& vector_ops() {
  static const VectorOps& chosen = **std::ranges::find_if(
      vector_ops_impls(), [](const VectorOps* ops) { return ops->runs_here(); });
  return chosen;
}

}  // namespace pith

#include "pith/codec/float_convert.h"

#include <bit>
#include <cmath>
#include <limits>

#include "pith/codec/test_support.h"

namespace pith {
namespace {

// The definition, independent of the code under test: value of a code by the formula of IEEE 754.
struct Format {
  DType dtype;
  int exponent_bits, mantissa_bits, bias;
  bool has_infinity;  // e4m3fn uses the top exponent for numbers
  bool saturates;
  unsigned largest;  // code of the largest finite number
};
constexpr Format kFormats[] = {
    {DType::kF16, 5, 10, 15, true, false, 0x7bff},
    {DType::kBF16, 8, 7, 127, true, false, 0x7f7f},
    {DType::kF8E4M3, 4, 3, 7, false, true, 0x7e},
    {DType::kF8E5M2, 5, 2, 15, true, true, 0x7b},
};

int width(const Format& f) { return 1 + f.exponent_bits + f.mantissa_bits; }

double magnitude(const Format& f, unsigned code) {
  const unsigned exponent = code >> f.mantissa_bits;
  const double fraction = (code & ((1u << f.mantissa_bits) - 1)) / std::ldexp(1.0, f.mantissa_bits);
  if (exponent == 0) return std::ldexp(fraction, 1 - f.bias);
  return std::ldexp(1 + fraction, static_cast<int>(exponent) - f.bias);
}

// Nearest, ties to the even code, by comparing with the neighbours in the table.
unsigned nearest(const Format& f, double value) {
  unsigned low = 0, high = f.largest + 1;  // magnitude(high) continues the grid past the largest
  while (high - low > 1) {
    const unsigned middle = (low + high) / 2;
    (magnitude(f, middle) <= value ? low : high) = middle;
  }
  const double below = value - magnitude(f, low), above = magnitude(f, low + 1) - value;
  unsigned code = below < above || (below == above && low % 2 == 0) ? low : low + 1;
  if (f.saturates) code = std::min(code, f.largest);
  return std::min(code, f.largest + 1);
}

float widen(DType dtype, unsigned code) {
  const std::uint16_t word = static_cast<std::uint16_t>(code);
  float value;
  to_f32(dtype, std::as_bytes(std::span(&word, 1)).first(size_of(dtype)), std::span(&value, 1));
  return value;
}

unsigned narrow(DType dtype, float value) {
  std::uint16_t word = 0;
  from_f32(dtype,
           std::span(&value, 1),
           std::as_writable_bytes(std::span(&word, 1)).first(size_of(dtype)));
  return word;
}

TEST(FloatConvert, EveryCodeHasItsValueAndComesBack) {
  for (const Format& f : kFormats) {
    const unsigned sign = 1u << (width(f) - 1);
    for (unsigned code = 0; code < 2 * sign; ++code) {
      SCOPED_TRACE(fmt::format("{} code {:#x}", to_string(f.dtype), code));
      const unsigned plain = code & (sign - 1);
      const float value = widen(f.dtype, code);
      if (plain > f.largest && !(f.has_infinity && plain == f.largest + 1)) {
        ASSERT_TRUE(std::isnan(value));
        ASSERT_TRUE(std::isnan(widen(f.dtype, narrow(f.dtype, value))));
        continue;
      }
      if (plain > f.largest) {
        ASSERT_TRUE(std::isinf(value));
        ASSERT_EQ(narrow(f.dtype, value), f.saturates ? code - 1 : code);
        continue;
      }
      ASSERT_EQ(value,
                static_cast<float>(code < sign ? magnitude(f, plain) : -magnitude(f, plain)));
      ASSERT_EQ(std::signbit(value), code >= sign);
      ASSERT_EQ(narrow(f.dtype, value), code);
    }
  }
}

TEST(FloatConvert, MidpointsGoToTheEvenCode) {
  for (const Format& f : kFormats) {
    for (unsigned code = 0; code < f.largest; ++code) {
      const float middle = static_cast<float>((magnitude(f, code) + magnitude(f, code + 1)) / 2);
      if (f.dtype == DType::kBF16 && code == 0)
        continue;  // half of the smallest is still exact; covered below
      SCOPED_TRACE(fmt::format("{} above {:#x}", to_string(f.dtype), code));
      ASSERT_EQ(narrow(f.dtype, middle), code + code % 2);
      ASSERT_EQ(narrow(f.dtype, std::nextafter(middle, 0.0f)), code);
      ASSERT_EQ(narrow(f.dtype, std::nextafter(middle, std::numeric_limits<float>::max())),
                code + 1);
    }
  }
}

TEST(FloatConvert, RandomFloatsGoToTheNearest) {
  const Random random(5, 1);
  for (const Format& f : kFormats) {
    const unsigned sign = 1u << (width(f) - 1);
    for (std::uint64_t i = 0; i < 300000; ++i) {
      std::uint32_t bits = random.bits(i);
      if (i % 2 == 0)  // half of them where the format has numbers
        bits = (bits & 0x807fffffu) |
               static_cast<std::uint32_t>(127 - f.bias +
                                          random.bits(i) % (2u << (f.exponent_bits - 1)))
                   << 23;
      const float value = std::bit_cast<float>(bits);
      if (!std::isfinite(value)) continue;
      const unsigned expected = nearest(f, std::fabs(static_cast<double>(value)));
      ASSERT_EQ(narrow(f.dtype, value), expected | (std::signbit(value) ? sign : 0))
          << to_string(f.dtype) << " " << value << " bits " << bits;
    }
  }
}

TEST(FloatConvert, ExamplesOfTheCard) {
  EXPECT_EQ(f16_to_f32(f32_to_f16(0.1f)), 0.0999755859375f);
  EXPECT_EQ(f16_to_f32(f32_to_f16(2049)), 2048);
  EXPECT_EQ(f16_to_f32(f32_to_f16(2051)), 2052);
  EXPECT_EQ(f16_to_f32(f32_to_f16(65519)), 65504);
  EXPECT_EQ(f16_to_f32(f32_to_f16(65520)), std::numeric_limits<float>::infinity());
  EXPECT_EQ(bf16_to_f32(f32_to_bf16(1 + 0x1p-8f)), 1.0f);
  EXPECT_EQ(bf16_to_f32(f32_to_bf16(1 + 3 * 0x1p-8f)), 1.015625f);
  EXPECT_EQ(bf16_to_f32(f32_to_bf16(0.1f)), 0.10009765625f);
  EXPECT_EQ(bf16_to_f32(f32_to_bf16(3.14159265f)), 3.140625f);
  EXPECT_EQ(bf16_to_f32(f32_to_bf16(257)), 256);
  EXPECT_EQ(bf16_to_f32(f32_to_bf16(65504)), 65536);
  EXPECT_EQ(f32_to_f8e4m3(0.1f), 0x1d);
  const std::pair<float, float> e4m3[] = {{0.1f, 0.1015625f},
                                          {0.3f, 0.3125f},
                                          {17, 16},
                                          {19, 20},
                                          {21, 20},
                                          {1.0625f, 1},
                                          {1.1875f, 1.25f},
                                          {-3.3f, -3.25f},
                                          {0.001f, 0.001953125f},
                                          {0.0009765625f, 0},
                                          {0.0029296875f, 0.00390625f},
                                          {464, 448},
                                          {1e9f, 448},
                                          {-1e9f, -448}};
  for (const auto& [from, to] : e4m3) EXPECT_EQ(f8e4m3_to_f32(f32_to_f8e4m3(from)), to) << from;
  const std::pair<float, float> e5m2[] = {
      {0.1f, 0.09375f}, {-3.3f, -3.5f}, {500, 512}, {1e9f, 57344}};
  for (const auto& [from, to] : e5m2) EXPECT_EQ(f8e5m2_to_f32(f32_to_f8e5m2(from)), to) << from;
}

TEST(FloatConvert, F32AndF64PassThroughUnaligned) {
  const std::vector<float> values = {1.5f, -0.0f, 3e38f, 1e-45f};
  for (const DType dtype : {DType::kF32, DType::kF64}) {
    std::vector<std::byte> storage(1 + values.size() * size_of(dtype));
    const std::span<std::byte> bytes = std::span(storage).subspan(1);  // nothing here is aligned
    from_f32(dtype, values, bytes);
    std::vector<float> back(values.size());
    to_f32(dtype, bytes, back);
    EXPECT_EQ(back, values);
  }
}

TEST(FloatConvert, RefusesIntegersAndWrongSizes) {
  std::vector<float> out(2);
  const std::vector<std::byte> bytes(4);
  EXPECT_THROW(to_f32(DType::kI16, bytes, out), InternalError);
  EXPECT_THROW(to_f32(DType::kF32, bytes, out), InternalError);
}

}  // namespace
}  // namespace pith

// The searches for scales, one group after the other: the reference of ggml_search_avx2.cc.
#include <algorithm>
#include <cmath>

#include "pith/codec/ggml_search.h"

#define PITH_LANES

namespace pith {
namespace {

struct Lane {
  static constexpr std::size_t kLanes = 1;
  float v = 0;

  static Lane all(float value) { return {value}; }
  static Lane load(const float* x) { return {*x}; }
};
struct Truth {
  bool v;
};
Lane operator+(Lane a, Lane b) { return {a.v + b.v}; }
Lane operator-(Lane a, Lane b) { return {a.v - b.v}; }
Lane operator*(Lane a, Lane b) { return {a.v * b.v}; }
Lane operator/(Lane a, Lane b) { return {a.v / b.v}; }
Truth operator<(Lane a, Lane b) { return {a.v < b.v}; }
Truth operator==(Lane a, Lane b) { return {a.v == b.v}; }
Truth operator&(Truth a, Truth b) { return {a.v && b.v}; }
Lane select(Truth which, Lane a, Lane b) { return which.v ? a : b; }
// The second of equal ones, as the instructions.
Lane min(Lane a, Lane b) { return a.v < b.v ? a : b; }
Lane max(Lane a, Lane b) { return a.v > b.v ? a : b; }
Lane abs(Lane a) { return {std::fabs(a.v)}; }
Lane sqrt(Lane a) { return {std::sqrt(a.v)}; }
void store(Lane a, float* out) { *out = a.v; }
void store_bytes(Lane level, std::uint8_t* out) { *out = static_cast<std::uint8_t>(level.v); }

// Nearest even within low to high, for bounds below 2^22; low for NaN and from 2^31 on, as a
// conversion to int32 has it.
Lane round_level(Lane a, float low, float high) {
  if (!(a.v > low) || a.v >= 0x1p31f) return {low};
  constexpr float kShift = 12582912.0f;  // 1.5 * 2^23: leaves no bits behind the point
  return {(std::min(a.v, high) + kShift) - kShift};
}

Lane iq4_code(Lane a) {
  int code = 0;
  for (const float threshold : kIq4Thresholds) code += a.v >= threshold ? 1 : 0;
  return {static_cast<float>(code)};
}
Lane iq4_level(Lane a) {
  return {static_cast<float>(kIq4Levels[static_cast<std::size_t>(iq4_code(a).v)])};
}

}  // namespace
}  // namespace pith

#include "pith/codec/ggml_blocks-inl.h"

namespace pith {

std::size_t quantize_searched_scalar(
    GgmlType type, const float* x, const float* importance, std::size_t blocks, std::byte* out) {
  return quantize_searched<Lane>(type, {x, importance}, blocks, out);
}

}  // namespace pith

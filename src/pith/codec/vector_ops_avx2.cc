// The loops of vector_ops.h for AVX2, F16C and BMI2: eight floats at a time, the same operations in
// the same order as the scalar reference, which also takes the tails. No FMA, so that nothing is
// contracted.
#include "pith/codec/vector_ops.h"

#if defined(__x86_64__)

#include <cpuid.h>
#include <immintrin.h>

#include <cstring>

#include "pith/codec/vector_ops_avx2.h"

#define PITH_AVX2 __attribute__((target("avx2,f16c,bmi2")))

namespace pith {
namespace {

constexpr std::size_t kLanes = 8;
constexpr int kToNearest = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;

bool runs_here() {
  unsigned a = 0, b = 0, c = 0, d = 0;  // clang 16's __builtin_cpu_supports does not know f16c
  const bool f16c = __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_F16C) != 0;
  return f16c && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2");
}

struct Unit {
  __m256 scale, zero, lowest, highest;
};

PITH_AVX2 inline Unit broadcast(const UnitRound& unit) {
  return {_mm256_set1_ps(unit.scale),
          _mm256_set1_ps(unit.zero),
          _mm256_set1_ps(unit.lowest),
          _mm256_set1_ps(unit.highest)};
}

PITH_AVX2 inline __m256 clamp(__m256 x, __m256 low, __m256 high) {
  return _mm256_min_ps(_mm256_max_ps(x, low), high);
}

PITH_AVX2 inline __m256 unit_code(__m256 x, const Unit& unit) {
  const __m256 rounded = _mm256_round_ps(_mm256_div_ps(x, unit.scale), kToNearest);
  return clamp(_mm256_add_ps(rounded, unit.zero), unit.lowest, unit.highest);
}

PITH_AVX2 inline __m256 magnitude_mask() {
  return _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff));
}

// Four vectors of integers that fit a byte -> 32 bytes in order. `Signed` chooses the saturation of
// the last step.
PITH_AVX2 inline __m256i narrow_to_i16(__m256i a, __m256i b) { return _mm256_packs_epi32(a, b); }
PITH_AVX2 inline __m256i order_bytes(__m256i packed) {
  return _mm256_permutevar8x32_epi32(packed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

PITH_AVX2 inline __m256i load_bytes(const std::uint8_t* p) {  // 8 bytes, widened to 32 bits
  return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
}

PITH_AVX2 inline float horizontal_max(__m256 v) {
  __m128 m = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  m = _mm_max_ps(m, _mm_movehl_ps(m, m));
  return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
}

PITH_AVX2 ValueRange range(const float* x, std::size_t n) {
  if (n < kLanes) return scalar_ops().range(x, n);
  const __m256i mask = _mm256_set1_epi32(0x7fffffff);
  __m256 low = _mm256_loadu_ps(x), high = low;
  __m256i largest = _mm256_setzero_si256();
  const auto take = [&](__m256 v) PITH_AVX2 {
    low = _mm256_min_ps(v, low);
    high = _mm256_max_ps(v, high);
    largest = _mm256_max_epi32(largest, _mm256_and_si256(_mm256_castps_si256(v), mask));
  };
  for (std::size_t i = 0; i + kLanes <= n; i += kLanes) take(_mm256_loadu_ps(x + i));
  take(_mm256_loadu_ps(x + n - kLanes));  // the tail, partly for the second time
  const __m256i finite = _mm256_cmpgt_epi32(_mm256_set1_epi32(0x7f800000), largest);
  return {-horizontal_max(_mm256_xor_ps(low, _mm256_set1_ps(-0.0f))),
          horizontal_max(high),
          _mm256_movemask_epi8(finite) == -1};
}

PITH_AVX2 void round_codes(const float* x,
                           std::size_t n,
                           const UnitRound& unit,
                           std::uint8_t* codes) {
  const Unit u = broadcast(unit);
  const auto eight = [&](const float* p)
                         PITH_AVX2 { return _mm256_cvtps_epi32(unit_code(_mm256_loadu_ps(p), u)); };
  std::size_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
    const __m256i low = narrow_to_i16(eight(x + i), eight(x + i + 8));
    const __m256i high = narrow_to_i16(eight(x + i + 16), eight(x + i + 24));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(codes + i),
                        order_bytes(_mm256_packus_epi16(low, high)));
  }
  scalar_ops().round_codes(x + i, n - i, unit, codes + i);
}

PITH_AVX2 void expand_codes(
    const std::uint8_t* codes, std::size_t n, float scale, std::int32_t zero, float* out) {
  const __m256 s = _mm256_set1_ps(scale);
  const __m256i z = _mm256_set1_epi32(zero);
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const __m256i level = _mm256_sub_epi32(load_bytes(codes + i), z);
    _mm256_storeu_ps(out + i, _mm256_mul_ps(_mm256_cvtepi32_ps(level), s));
  }
  scalar_ops().expand_codes(codes + i, n - i, scale, zero, out + i);
}

PITH_AVX2 inline __m256 fifth_root(__m256 a) {  // as the scalar one
  const __m256 fifth = _mm256_set1_ps(0.2f), four = _mm256_set1_ps(4.0f);
  const __m256 bits = _mm256_cvtepi32_ps(_mm256_castps_si256(a));
  const __m256i guess = _mm256_add_epi32(_mm256_cvttps_epi32(_mm256_mul_ps(bits, fifth)),
                                         _mm256_set1_epi32(852282573));
  __m256 y = _mm256_castsi256_ps(guess);
  for (int step = 0; step < 3; ++step) {
    const __m256 y2 = _mm256_mul_ps(y, y);
    const __m256 quotient = _mm256_div_ps(a, _mm256_mul_ps(y2, y2));
    y = _mm256_mul_ps(_mm256_add_ps(_mm256_mul_ps(y, four), quotient), fifth);
  }
  return y;
}

PITH_AVX2 float power_error(const float* x, std::size_t n, const UnitRound& unit, float inverse) {
  const Unit u = broadcast(unit);
  const __m256 inv = _mm256_set1_ps(inverse);
  __m256 sum = _mm256_setzero_ps();
  const auto take = [&](__m256 v) PITH_AVX2 {
    const __m256 value = _mm256_mul_ps(_mm256_sub_ps(unit_code(v, u), u.zero), u.scale);
    const __m256 e = _mm256_mul_ps(_mm256_sub_ps(v, value), inv);
    const __m256 square = _mm256_mul_ps(e, e);
    return _mm256_mul_ps(square, fifth_root(square));
  };
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) sum = _mm256_add_ps(sum, take(_mm256_loadu_ps(x + i)));
  alignas(32) float lanes[kLanes], tail[kLanes] = {};
  _mm256_store_ps(lanes, sum);
  if (i < n) {
    std::memcpy(tail, x + i, (n - i) * sizeof *x);
    _mm256_store_ps(tail, take(_mm256_load_ps(tail)));
    for (std::size_t k = 0; k < n - i; ++k) lanes[k] += tail[k];
  }
  return ((lanes[0] + lanes[4]) + (lanes[1] + lanes[5])) +
         ((lanes[2] + lanes[6]) + (lanes[3] + lanes[7]));
}

PITH_AVX2 void round_int8(const float* x, std::size_t n, float scale, std::int8_t* codes) {
  const __m256 s = _mm256_set1_ps(scale);
  const __m256 low = _mm256_set1_ps(-127.0f), high = _mm256_set1_ps(127.0f);
  const auto eight = [&](const float* p) PITH_AVX2 {
    const __m256 rounded = _mm256_round_ps(_mm256_div_ps(_mm256_loadu_ps(p), s), kToNearest);
    return _mm256_cvtps_epi32(clamp(rounded, low, high));
  };
  std::size_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
    const __m256i first = narrow_to_i16(eight(x + i), eight(x + i + 8));
    const __m256i second = narrow_to_i16(eight(x + i + 16), eight(x + i + 24));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(codes + i),
                        order_bytes(_mm256_packs_epi16(first, second)));
  }
  scalar_ops().round_int8(x + i, n - i, scale, codes + i);
}

PITH_AVX2 SquareSums square_sums(const float* a, const float* b, std::size_t n) {
  __m256d error[2] = {_mm256_setzero_pd(), _mm256_setzero_pd()};
  __m256d total[2] = {_mm256_setzero_pd(), _mm256_setzero_pd()};
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (std::size_t half = 0; half < 2; ++half) {
      const __m256d value = _mm256_cvtps_pd(_mm_loadu_ps(a + i + 4 * half));
      const __m256d other = _mm256_cvtps_pd(_mm_loadu_ps(b + i + 4 * half));
      const __m256d difference = _mm256_sub_pd(value, other);
      error[half] = _mm256_add_pd(error[half], _mm256_mul_pd(difference, difference));
      total[half] = _mm256_add_pd(total[half], _mm256_mul_pd(value, value));
    }
  }
  double e[kLanes], t[kLanes];
  for (std::size_t half = 0; half < 2; ++half) {
    _mm256_storeu_pd(e + 4 * half, error[half]);
    _mm256_storeu_pd(t + 4 * half, total[half]);
  }
  for (std::size_t k = 0; i < n; ++i, ++k) {
    const double value = a[i];
    const double difference = value - static_cast<double>(b[i]);
    e[k] += difference * difference;
    t[k] += value * value;
  }
  const auto sum = [](const double(&v)[kLanes]) {
    return ((v[0] + v[4]) + (v[1] + v[5])) + ((v[2] + v[6]) + (v[3] + v[7]));
  };
  return {sum(e), sum(t)};
}

// The low `bits` bits of each byte of a word.
std::uint64_t code_mask(int bits) { return ((std::uint64_t{1} << bits) - 1) * 0x0101010101010101u; }

std::uint64_t swap_nibbles(std::uint64_t v) {
  constexpr std::uint64_t kLow = 0x0f0f0f0f0f0f0f0fu;
  return (v & kLow) << 4 | ((v >> 4) & kLow);
}

// Eight codes are `bits` bytes. Words of eight bytes are read and written while they stay inside;
// the scalar code does the rest.
PITH_AVX2 void pack(const std::uint8_t* codes, std::size_t n, int bits, std::byte* out) {
  const std::uint64_t mask = code_mask(bits);
  const std::size_t step = static_cast<std::size_t>(bits);
  const std::byte* end = out + (n * step + 7) / 8;
  for (; n >= 8 && end - out >= 8; n -= 8, codes += 8, out += step) {
    std::uint64_t word;
    std::memcpy(&word, codes, sizeof word);
    word = _pext_u64(word, mask);
    std::memcpy(out, &word, sizeof word);
  }
  scalar_ops().pack(codes, n, bits, out);
}

PITH_AVX2 void unpack(const std::byte* packed, std::size_t n, int bits, std::uint8_t* codes) {
  const std::uint64_t mask = code_mask(bits);
  const std::size_t step = static_cast<std::size_t>(bits);
  const std::byte* end = packed + (n * step + 7) / 8;
  for (; n >= 8 && end - packed >= 8; n -= 8, codes += 8, packed += step) {
    std::uint64_t word;
    std::memcpy(&word, packed, sizeof word);
    word = _pdep_u64(word, mask);
    std::memcpy(codes, &word, sizeof word);
  }
  scalar_ops().unpack(packed, n, bits, codes);
}

PITH_AVX2 void pack_high_first(const std::uint8_t* codes, std::size_t n, std::byte* out) {
  for (; n >= 8; n -= 8, codes += 8, out += 4) {
    std::uint64_t word;
    std::memcpy(&word, codes, sizeof word);
    const auto half = static_cast<std::uint32_t>(swap_nibbles(_pext_u64(word, code_mask(4))));
    std::memcpy(out, &half, sizeof half);
  }
  scalar_ops().pack_high_first(codes, n, out);
}

PITH_AVX2 void unpack_high_first(const std::byte* packed, std::size_t n, std::uint8_t* codes) {
  for (; n >= 8; n -= 8, codes += 8, packed += 4) {
    std::uint32_t half;
    std::memcpy(&half, packed, sizeof half);
    const std::uint64_t word = _pdep_u64(swap_nibbles(half), code_mask(4));
    std::memcpy(codes, &word, sizeof word);
  }
  scalar_ops().unpack_high_first(packed, n, codes);
}

// Counts thresholds strictly below y by bisection; a threshold vector holds those a step may need,
// indexed by the steps before. Ranks 0 to 7 of seven thresholds.
PITH_AVX2 inline __m256i above(__m256 y, __m256 threshold) {  // 1 where y > threshold
  return _mm256_srli_epi32(_mm256_castps_si256(_mm256_cmp_ps(y, threshold, _CMP_GT_OQ)), 31);
}

PITH_AVX2 inline __m256i rank_step(__m256 y, __m256i rank, __m256 thresholds) {
  const __m256i bit = above(y, _mm256_permutevar8x32_ps(thresholds, rank));
  return _mm256_or_si256(_mm256_slli_epi32(rank, 1), bit);
}

struct Bisection {
  __m256 step[4];  // step k: 2^k thresholds
};

// Of 2^levels - 1 ascending thresholds, step k takes every 2^(levels - k)-th.
PITH_AVX2 inline Bisection make_bisection(std::span<const float> thresholds, std::size_t levels) {
  Bisection b{};
  for (std::size_t k = 0; k < levels; ++k) {
    alignas(32) float row[kLanes] = {};
    const std::size_t stride = std::size_t{1} << (levels - k);
    for (std::size_t j = 0; j < (std::size_t{1} << k); ++j)
      row[j] = thresholds[stride / 2 - 1 + j * stride];
    b.step[k] = _mm256_load_ps(row);
  }
  return b;
}

PITH_AVX2 inline __m256i nf4_codes(__m256 y, const Bisection& b) {
  __m256i rank = _mm256_setzero_si256();
  for (const __m256 thresholds : b.step) rank = rank_step(y, rank, thresholds);
  return rank;
}

PITH_AVX2 inline __m256i fp4_codes(__m256 y, const Bisection& b, __m256i magnitude_codes) {
  const __m256 magnitude = _mm256_and_ps(y, magnitude_mask());
  __m256i rank = _mm256_setzero_si256();
  for (int k = 0; k < 3; ++k) rank = rank_step(magnitude, rank, b.step[k]);
  const __m256i negative = above(_mm256_setzero_ps(), y);
  return _mm256_or_si256(_mm256_permutevar8x32_epi32(magnitude_codes, rank),
                         _mm256_slli_epi32(negative, 3));
}

PITH_AVX2 void encode_codebook(
    CodebookTable table, const float* x, std::size_t n, float inverse, std::uint8_t* codes) {
  const bool nf4 = table == CodebookTable::kNf4;
  const Bisection b =
      nf4 ? make_bisection(nf4_thresholds(), 4) : make_bisection(fp4_thresholds(), 3);
  const __m256i magnitude_codes = load_bytes(fp4_magnitude_codes().data());
  const __m256 inv = _mm256_set1_ps(inverse), one = _mm256_set1_ps(1.0f),
               minus = _mm256_set1_ps(-1.0f);
  const auto eight = [&](const float* p) PITH_AVX2 {
    const __m256 y = clamp(_mm256_mul_ps(_mm256_loadu_ps(p), inv), minus, one);
    return nf4 ? nf4_codes(y, b) : fp4_codes(y, b, magnitude_codes);
  };
  std::size_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
    const __m256i low = narrow_to_i16(eight(x + i), eight(x + i + 8));
    const __m256i high = narrow_to_i16(eight(x + i + 16), eight(x + i + 24));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(codes + i),
                        order_bytes(_mm256_packus_epi16(low, high)));
  }
  scalar_ops().encode_codebook(table, x + i, n - i, inverse, codes + i);
}

PITH_AVX2 void decode_levels(
    const std::uint8_t* codes, std::size_t n, const float* levels, float scale, float* out) {
  const __m256 low = _mm256_loadu_ps(levels), high = _mm256_loadu_ps(levels + 8);
  const __m256 s = _mm256_set1_ps(scale);
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const __m256i code = load_bytes(codes + i);
    const __m256 upper =
        _mm256_castsi256_ps(_mm256_slli_epi32(code, 28));  // bit 3 becomes the sign
    const __m256 level = _mm256_blendv_ps(
        _mm256_permutevar8x32_ps(low, code), _mm256_permutevar8x32_ps(high, code), upper);
    _mm256_storeu_ps(out + i, _mm256_mul_ps(level, s));
  }
  scalar_ops().decode_levels(codes + i, n - i, levels, scale, out + i);
}

constexpr VectorOps kAvx2{
    .name = "avx2",
    .runs_here = runs_here,
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
    .quantize_ggml = quantize_ggml_avx2,
    .dequantize_ggml = dequantize_ggml_avx2,
    .widen = widen_avx2,
    .narrow = narrow_avx2,
};

}  // namespace

const VectorOps& avx2_ops() { return kAvx2; }

}  // namespace pith

#else

namespace pith {

const VectorOps& avx2_ops() { return scalar_ops(); }

}  // namespace pith

#endif

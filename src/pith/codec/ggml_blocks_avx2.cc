// Quantizing to GGUF blocks, eight elements at a time; bit-identical to ggml_blocks.cc.
#include "pith/codec/ggml_blocks.h"
#include "pith/codec/vector_ops_avx2.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include <algorithm>
#include <cstring>

#include "pith/base/error.h"
#include "pith/codec/ggml_pack.h"
#include "pith/codec/ggml_search.h"

#define PITH_AVX2 __attribute__((target("avx2,f16c")))

namespace pith {
namespace {

struct Values {
  __m256 v[4];  // the 32 elements of a block
};

PITH_AVX2 inline Values load(const float* x) {
  return {
      _mm256_loadu_ps(x), _mm256_loadu_ps(x + 8), _mm256_loadu_ps(x + 16), _mm256_loadu_ps(x + 24)};
}

PITH_AVX2 inline float horizontal_max(__m256 v) {
  __m128 m = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  m = _mm_max_ps(m, _mm_movehl_ps(m, m));
  return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
}
PITH_AVX2 inline float max_of(const Values& x) {
  return horizontal_max(
      _mm256_max_ps(_mm256_max_ps(x.v[0], x.v[1]), _mm256_max_ps(x.v[2], x.v[3])));
}
PITH_AVX2 inline Values magnitudes(const Values& x) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  Values m;
  for (int k = 0; k < 4; ++k) m.v[k] = _mm256_andnot_ps(sign, x.v[k]);
  return m;
}

// The first element equal to `value`; the signs of zeros and of the extreme are the reference's
// only if it is the first.
PITH_AVX2 inline float first_equal(const float* x, const Values& compared, float value) {
  for (int k = 0; k < 4; ++k) {
    const __m256 equal = _mm256_cmp_ps(compared.v[k], _mm256_set1_ps(value), _CMP_EQ_OQ);
    const int mask = _mm256_movemask_ps(equal);
    if (mask != 0) return x[8 * k + __builtin_ctz(static_cast<unsigned>(mask))];
  }
  return 0;  // only NaN
}

bool store_f16(float value, std::byte* out) {
  std::uint16_t bits;
  const bool fits = pith::store_f16(value, bits);
  std::memcpy(out, &bits, sizeof bits);
  return fits;
}

PITH_AVX2 inline __m256i order_bytes(__m256i packed) {
  return _mm256_permutevar8x32_epi32(packed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

PITH_AVX2 inline __m256i round_away(__m256 x) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  const __m256 whole = _mm256_round_ps(x, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC);
  const __m256 rest = _mm256_andnot_ps(sign, _mm256_sub_ps(x, whole));  // exact
  const __m256 one = _mm256_or_ps(_mm256_set1_ps(1.0f), _mm256_and_ps(sign, x));
  const __m256 up = _mm256_and_ps(_mm256_cmp_ps(rest, _mm256_set1_ps(0.5f), _CMP_GE_OQ), one);
  const __m256 low = _mm256_set1_ps(-127.0f), high = _mm256_set1_ps(127.0f);
  return _mm256_cvtps_epi32(_mm256_min_ps(_mm256_max_ps(_mm256_add_ps(whole, up), low), high));
}

PITH_AVX2 bool quantize_q8_0(const float* p, std::byte* out) {
  const Values x = load(p);
  const float d = max_of(magnitudes(x)) / 127.0f;
  const __m256 inverse = _mm256_set1_ps(inverse_of(d));
  __m256i q[4];
  for (int k = 0; k < 4; ++k) q[k] = round_away(_mm256_mul_ps(x.v[k], inverse));
  const __m256i bytes =
      _mm256_packs_epi16(_mm256_packs_epi32(q[0], q[1]), _mm256_packs_epi32(q[2], q[3]));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + 2), order_bytes(bytes));
  return store_f16(d, out);
}

// Nibbles of 32 codes in order; of codes from 16 on their low bits.
PITH_AVX2 inline void store_nibbles(__m256i codes, std::byte* out) {
  const __m256i nibbles = _mm256_and_si256(codes, _mm256_set1_epi8(15));
  const __m128i low = _mm256_castsi256_si128(nibbles);
  const __m128i high =
      _mm_slli_epi16(_mm256_extracti128_si256(nibbles, 1), 4);  // no carry: nibbles are below 16
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm_or_si128(low, high));
}

// Bits 4 of 32 codes.
PITH_AVX2 inline void store_high_bits(__m256i codes, std::byte* out) {
  const int bits = _mm256_movemask_epi8(_mm256_slli_epi16(codes, 3));
  std::memcpy(out, &bits, sizeof bits);
}

// trunc((x - subtract) * inverse + add) within 0 to highest.
struct Truncation {
  float subtract, inverse, add, highest;
};
PITH_AVX2 inline __m256i truncated(const Values& x, const Truncation& t) {
  const __m256 s = _mm256_set1_ps(t.subtract), inv = _mm256_set1_ps(t.inverse);
  const __m256 a = _mm256_set1_ps(t.add), highest = _mm256_set1_ps(t.highest);
  __m256i q[4];
  for (int k = 0; k < 4; ++k) {
    const __m256 shifted = _mm256_add_ps(_mm256_mul_ps(_mm256_sub_ps(x.v[k], s), inv), a);
    const __m256 bounded = _mm256_min_ps(_mm256_max_ps(shifted, _mm256_setzero_ps()), highest);
    q[k] = _mm256_cvttps_epi32(bounded);
  }
  return order_bytes(
      _mm256_packus_epi16(_mm256_packs_epi32(q[0], q[1]), _mm256_packs_epi32(q[2], q[3])));
}

struct Symmetric {
  float scale;
  __m256i codes;
};
PITH_AVX2 inline Symmetric symmetric(const float* p, float half) {
  const Values x = load(p);
  const Values magnitude = magnitudes(x);
  const float largest = max_of(magnitude);
  const float d = (largest > 0 ? first_equal(p, magnitude, largest) : 0.0f) / -half;
  return {d, truncated(x, {0.0f, inverse_of(d), half + 0.5f, 2 * half - 1})};
}

struct Affine {
  float scale, minimum;
  __m256i codes;
};
PITH_AVX2 inline Affine affine(const float* p, float highest) {
  const Values x = load(p);
  Values negated;
  for (int k = 0; k < 4; ++k) negated.v[k] = _mm256_xor_ps(x.v[k], _mm256_set1_ps(-0.0f));
  const float low = first_equal(p, x, -max_of(negated));
  const float high = max_of(x);
  const float d = high > low ? (high - low) / highest : 0.0f;  // +0 whatever the signs of zeros
  return {d, low, truncated(x, {low, inverse_of(d), 0.5f, highest})};
}

PITH_AVX2 bool quantize_q4_0(const float* p, std::byte* out) {
  const Symmetric found = symmetric(p, 8);
  store_nibbles(found.codes, out + 2);
  return store_f16(found.scale, out);
}

PITH_AVX2 bool quantize_q5_0(const float* p, std::byte* out) {
  const Symmetric found = symmetric(p, 16);
  store_high_bits(found.codes, out + 2);
  store_nibbles(found.codes, out + 6);
  return store_f16(found.scale, out);
}

PITH_AVX2 bool quantize_q4_1(const float* p, std::byte* out) {
  const Affine found = affine(p, 15);
  store_nibbles(found.codes, out + 4);
  const bool scale_fits = store_f16(found.scale, out);
  return store_f16(found.minimum, out + 2) && scale_fits;
}

PITH_AVX2 bool quantize_q5_1(const float* p, std::byte* out) {
  const Affine found = affine(p, 31);
  store_high_bits(found.codes, out + 4);
  store_nibbles(found.codes, out + 8);
  const bool scale_fits = store_f16(found.scale, out);
  return store_f16(found.minimum, out + 2) && scale_fits;
}

bool (*quantizer_of(GgmlType type))(const float*, std::byte*) {
  if (type == GgmlType::kQ4_0) return quantize_q4_0;
  if (type == GgmlType::kQ4_1) return quantize_q4_1;
  if (type == GgmlType::kQ5_0) return quantize_q5_0;
  if (type == GgmlType::kQ5_1) return quantize_q5_1;
  return quantize_q8_0;
}

}  // namespace

std::size_t quantize_ggml_avx2(GgmlType type,
                               const float* x,
                               std::size_t blocks,
                               std::span<const float> importance,
                               std::byte* out) {
  PITH_CHECK(importance.empty() || importance.size() == blocks * ggml_block_elements(type));
  if (ggml_searches(type, importance))
    return quantize_searched_avx2(type, x, importance.data(), blocks, out);
  const auto quantize = quantizer_of(type);
  std::size_t overflowed = 0;
  for (std::size_t b = 0; b < blocks; ++b)
    overflowed += quantize(x + b * kGgmlBlock, out + b * ggml_block_bytes(type)) ? 0 : 1;
  return overflowed;
}

}  // namespace pith

#endif

// The searches for scales, eight groups at once; byte for byte as ggml_search_scalar.cc.
#include "pith/codec/ggml_search.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define PITH_LANES __attribute__((target("avx2")))

namespace pith {
namespace {

struct Lanes {
  static constexpr std::size_t kLanes = 8;
  __m256 v;

  PITH_LANES static Lanes all(float value) { return {_mm256_set1_ps(value)}; }
  PITH_LANES static Lanes load(const float* x) { return {_mm256_loadu_ps(x)}; }
};
struct Mask {
  __m256 v;
};
PITH_LANES inline Lanes operator+(Lanes a, Lanes b) { return {_mm256_add_ps(a.v, b.v)}; }
PITH_LANES inline Lanes operator-(Lanes a, Lanes b) { return {_mm256_sub_ps(a.v, b.v)}; }
PITH_LANES inline Lanes operator*(Lanes a, Lanes b) { return {_mm256_mul_ps(a.v, b.v)}; }
PITH_LANES inline Lanes operator/(Lanes a, Lanes b) { return {_mm256_div_ps(a.v, b.v)}; }
PITH_LANES inline Mask operator<(Lanes a, Lanes b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_LT_OQ)}; }
PITH_LANES inline Mask operator==(Lanes a, Lanes b) {
  return {_mm256_cmp_ps(a.v, b.v, _CMP_EQ_OQ)};
}
PITH_LANES inline Mask operator&(Mask a, Mask b) { return {_mm256_and_ps(a.v, b.v)}; }
PITH_LANES inline Lanes select(Mask which, Lanes a, Lanes b) {
  return {_mm256_blendv_ps(b.v, a.v, which.v)};
}
PITH_LANES inline Lanes min(Lanes a, Lanes b) { return {_mm256_min_ps(a.v, b.v)}; }
PITH_LANES inline Lanes max(Lanes a, Lanes b) { return {_mm256_max_ps(a.v, b.v)}; }
PITH_LANES inline Lanes abs(Lanes a) { return {_mm256_andnot_ps(_mm256_set1_ps(-0.0f), a.v)}; }
PITH_LANES inline Lanes sqrt(Lanes a) { return {_mm256_sqrt_ps(a.v)}; }
PITH_LANES inline void store(Lanes a, float* out) { _mm256_storeu_ps(out, a.v); }

PITH_LANES inline void store_bytes(Lanes level, std::uint8_t* out) {
  const __m256i whole = _mm256_cvttps_epi32(level.v);
  const __m128i words =
      _mm_packs_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(out), _mm_packus_epi16(words, words));
}

PITH_LANES inline Lanes round_level(Lanes a, float low, float high) {
  const __m256i lowest = _mm256_set1_epi32(static_cast<int>(low));
  const __m256i highest = _mm256_set1_epi32(static_cast<int>(high));
  const __m256i whole = _mm256_cvtps_epi32(a.v);
  return {_mm256_cvtepi32_ps(_mm256_min_epi32(_mm256_max_epi32(whole, lowest), highest))};
}

// The code is found bit by bit: node n of depth k of the tree of thresholds.
PITH_LANES inline __m256i iq4_index(Lanes a) {
  const float* t = kIq4Thresholds;
  const __m256 quarters = _mm256_setr_ps(t[1], t[5], t[9], t[13], 0, 0, 0, 0);
  const __m256 eighths = _mm256_setr_ps(t[0], t[2], t[4], t[6], t[8], t[10], t[12], t[14]);
  // -1 where a >= threshold; n = 2 n + 1 there, 2 n elsewhere
  const __m256 top = _mm256_cmp_ps(a.v, _mm256_set1_ps(t[7]), _CMP_GE_OQ);
  __m256i n = _mm256_sub_epi32(_mm256_setzero_si256(), _mm256_castps_si256(top));
  const __m256 halves = _mm256_blendv_ps(_mm256_set1_ps(t[3]), _mm256_set1_ps(t[11]), top);
  __m256 above = _mm256_cmp_ps(a.v, halves, _CMP_GE_OQ);
  n = _mm256_sub_epi32(_mm256_add_epi32(n, n), _mm256_castps_si256(above));
  above = _mm256_cmp_ps(a.v, _mm256_permutevar8x32_ps(quarters, n), _CMP_GE_OQ);
  n = _mm256_sub_epi32(_mm256_add_epi32(n, n), _mm256_castps_si256(above));
  above = _mm256_cmp_ps(a.v, _mm256_permutevar8x32_ps(eighths, n), _CMP_GE_OQ);
  return _mm256_sub_epi32(_mm256_add_epi32(n, n), _mm256_castps_si256(above));
}
PITH_LANES inline Lanes iq4_code(Lanes a) { return {_mm256_cvtepi32_ps(iq4_index(a))}; }
PITH_LANES inline Lanes iq4_level(Lanes a) {
  const std::int8_t* k = kIq4Levels;
  const __m256 low = _mm256_setr_ps(k[0], k[1], k[2], k[3], k[4], k[5], k[6], k[7]);
  const __m256 high = _mm256_setr_ps(k[8], k[9], k[10], k[11], k[12], k[13], k[14], k[15]);
  const __m256i n = iq4_index(a);
  const __m256 upper = _mm256_castsi256_ps(_mm256_slli_epi32(n, 28));  // bit 3 becomes the sign
  return {
      _mm256_blendv_ps(_mm256_permutevar8x32_ps(low, n), _mm256_permutevar8x32_ps(high, n), upper)};
}

}  // namespace
}  // namespace pith

#include "pith/codec/ggml_blocks-inl.h"

namespace pith {

std::size_t quantize_searched_avx2(
    GgmlType type, const float* x, const float* importance, std::size_t blocks, std::byte* out) {
  return quantize_searched<Lanes>(type, {x, importance}, blocks, out);
}

}  // namespace pith

#endif

// Narrow floats, eight at a time; bit-identical to float_convert.cc, which also takes the tails.
#include "pith/codec/vector_ops.h"
#include "pith/codec/vector_ops_avx2.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include "pith/base/error.h"

#define PITH_AVX2 __attribute__((target("avx2,f16c")))

namespace pith {
namespace {

constexpr std::size_t kLanes = 8;

PITH_AVX2 inline __m128i load_16(const std::byte* p) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
}
PITH_AVX2 inline __m128i load_8(const std::byte* p) {
  return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
}

PITH_AVX2 void widen_f16(const std::byte* in, std::size_t n, float* out) {
  for (std::size_t i = 0; i < n; i += kLanes)
    _mm256_storeu_ps(out + i, _mm256_cvtph_ps(load_16(in + 2 * i)));
}

PITH_AVX2 void widen_bf16(const std::byte* in, std::size_t n, float* out) {
  for (std::size_t i = 0; i < n; i += kLanes) {
    const __m256i bits = _mm256_slli_epi32(_mm256_cvtepu16_epi32(load_16(in + 2 * i)), 16);
    _mm256_storeu_ps(out + i, _mm256_castsi256_ps(bits));
  }
}

PITH_AVX2 void widen_e4m3(const std::byte* in, std::size_t n, float* out) {
  const __m256i magnitude_mask = _mm256_set1_epi32(0x7f);
  const __m256 rebias =
      _mm256_set1_ps(0x1p120f);  // from bias 7 to 127; makes subnormals right, too
  for (std::size_t i = 0; i < n; i += kLanes) {
    const __m256i code = _mm256_cvtepu8_epi32(load_8(in + i));
    const __m256i magnitude = _mm256_and_si256(code, magnitude_mask);
    const __m256 value =
        _mm256_mul_ps(_mm256_castsi256_ps(_mm256_slli_epi32(magnitude, 20)), rebias);
    const __m256i is_nan = _mm256_cmpeq_epi32(magnitude, magnitude_mask);
    const __m256 nan = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fc00000));
    const __m256i sign = _mm256_slli_epi32(_mm256_andnot_si256(magnitude_mask, code), 24);
    const __m256 unsigned_value = _mm256_blendv_ps(value, nan, _mm256_castsi256_ps(is_nan));
    _mm256_storeu_ps(out + i, _mm256_or_ps(unsigned_value, _mm256_castsi256_ps(sign)));
  }
}

PITH_AVX2 void widen_e5m2(const std::byte* in, std::size_t n, float* out) {
  for (std::size_t i = 0; i < n; i += kLanes) {
    const __m128i half =
        _mm_slli_epi16(_mm_cvtepu8_epi16(load_8(in + i)), 8);  // the upper byte of f16
    _mm256_storeu_ps(out + i, _mm256_cvtph_ps(half));
  }
}

PITH_AVX2 void narrow_f16(const float* in, std::size_t n, std::byte* out) {
  for (std::size_t i = 0; i < n; i += kLanes) {
    const __m128i half =
        _mm256_cvtps_ph(_mm256_loadu_ps(in + i), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + 2 * i), half);
  }
}

PITH_AVX2 inline __m256i is_nan(__m256i magnitude) {
  return _mm256_cmpgt_epi32(magnitude, _mm256_set1_epi32(0x7f800000));
}

PITH_AVX2 void narrow_bf16(const float* in, std::size_t n, std::byte* out) {
  for (std::size_t i = 0; i < n; i += kLanes) {
    const __m256i bits = _mm256_castps_si256(_mm256_loadu_ps(in + i));
    const __m256i upper = _mm256_srli_epi32(bits, 16);
    const __m256i odd = _mm256_and_si256(upper, _mm256_set1_epi32(1));
    const __m256i bias = _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff));
    const __m256i rounded = _mm256_srli_epi32(_mm256_add_epi32(bits, bias), 16);
    const __m256i quiet = _mm256_or_si256(upper, _mm256_set1_epi32(0x40));
    const __m256i magnitude = _mm256_and_si256(bits, _mm256_set1_epi32(0x7fffffff));
    const __m256i code = _mm256_blendv_epi8(rounded, quiet, is_nan(magnitude));
    const __m128i words =
        _mm_packus_epi32(_mm256_castsi256_si128(code), _mm256_extracti128_si256(code, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + 2 * i), words);
  }
}

// As round_magnitude of float_convert.cc, for both fp8 formats; saturates at `largest`.
template <int kMantissa, int kBias, int kLargest>
PITH_AVX2 void narrow_f8(const float* in, std::size_t n, std::byte* out) {
  constexpr int kShift = 23 - kMantissa;
  constexpr int kSmallestNormal = (128 - kBias) << 23;
  const __m256i magic = _mm256_set1_epi32(kSmallestNormal + (kShift << 23));
  for (std::size_t i = 0; i < n; i += kLanes) {
    const __m256i bits = _mm256_castps_si256(_mm256_loadu_ps(in + i));
    const __m256i magnitude = _mm256_and_si256(bits, _mm256_set1_epi32(0x7fffffff));
    const __m256i odd =
        _mm256_and_si256(_mm256_srli_epi32(magnitude, kShift), _mm256_set1_epi32(1));
    const __m256i bias = _mm256_add_epi32(odd, _mm256_set1_epi32((1 << (kShift - 1)) - 1));
    const __m256i normal =
        _mm256_sub_epi32(_mm256_srli_epi32(_mm256_add_epi32(magnitude, bias), kShift),
                         _mm256_set1_epi32((127 - kBias) << kMantissa));
    const __m256 sum = _mm256_add_ps(_mm256_castsi256_ps(magnitude), _mm256_castsi256_ps(magic));
    const __m256i subnormal = _mm256_sub_epi32(_mm256_castps_si256(sum), magic);
    const __m256i is_small = _mm256_cmpgt_epi32(_mm256_set1_epi32(kSmallestNormal), magnitude);
    __m256i code = _mm256_blendv_epi8(normal, subnormal, is_small);
    code = _mm256_min_epi32(code, _mm256_set1_epi32(kLargest));
    code = _mm256_blendv_epi8(code, _mm256_set1_epi32(0x7f), is_nan(magnitude));
    code = _mm256_or_si256(code, _mm256_slli_epi32(_mm256_srli_epi32(bits, 31), 7));
    const __m128i words =
        _mm_packus_epi32(_mm256_castsi256_si128(code), _mm256_extracti128_si256(code, 1));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(out + i), _mm_packus_epi16(words, words));
  }
}

}  // namespace

void widen_avx2(DType dtype, const std::byte* in, std::size_t n, float* out) {
  const std::size_t whole = n / kLanes * kLanes;
  if (dtype == DType::kF16) widen_f16(in, whole, out);
  if (dtype == DType::kBF16) widen_bf16(in, whole, out);
  if (dtype == DType::kF8E4M3) widen_e4m3(in, whole, out);
  if (dtype == DType::kF8E5M2) widen_e5m2(in, whole, out);
  scalar_ops().widen(dtype, in + whole * size_of(dtype), n - whole, out + whole);
}

void narrow_avx2(DType dtype, const float* in, std::size_t n, std::byte* out) {
  const std::size_t whole = n / kLanes * kLanes;
  if (dtype == DType::kF16) narrow_f16(in, whole, out);
  if (dtype == DType::kBF16) narrow_bf16(in, whole, out);
  if (dtype == DType::kF8E4M3) narrow_f8<3, 7, 0x7e>(in, whole, out);
  if (dtype == DType::kF8E5M2) narrow_f8<2, 15, 0x7b>(in, whole, out);
  scalar_ops().narrow(dtype, in + whole, n - whole, out + whole * size_of(dtype));
}

}  // namespace pith

#endif

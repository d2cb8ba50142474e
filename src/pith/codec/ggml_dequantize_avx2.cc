// Values of GGUF blocks, eight at a time; bit-identical (but for the bits of NaN) to
// ggml_dequantize.cc.
#include "pith/codec/ggml_blocks.h"
#include "pith/codec/vector_ops_avx2.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include <cstring>

#include "pith/codec/float_convert.h"

#define PITH_AVX2 __attribute__((target("avx2,f16c")))

namespace pith {
namespace {

// code * scale, and that less or plus an offset, as the scalar path has it.
struct Times {
  __m256 scale;
  PITH_AVX2 __m256 operator()(__m256 code) const { return _mm256_mul_ps(code, scale); }
};
struct TimesLess {
  __m256 scale, offset;
  PITH_AVX2 __m256 operator()(__m256 code) const {
    return _mm256_sub_ps(_mm256_mul_ps(code, scale), offset);
  }
};
struct TimesPlus {
  __m256 scale, offset;
  PITH_AVX2 __m256 operator()(__m256 code) const {
    return _mm256_add_ps(_mm256_mul_ps(code, scale), offset);
  }
};
PITH_AVX2 inline Times times(float scale) { return {_mm256_set1_ps(scale)}; }

// Values of 16 or 32 signed bytes.
template <class Value>
PITH_AVX2 inline void write(__m128i codes, const Value& value, float* out) {
  const __m256i first = _mm256_cvtepi8_epi32(codes);
  const __m256i second = _mm256_cvtepi8_epi32(_mm_srli_si128(codes, 8));
  _mm256_storeu_ps(out, value(_mm256_cvtepi32_ps(first)));
  _mm256_storeu_ps(out + 8, value(_mm256_cvtepi32_ps(second)));
}
template <class Value>
PITH_AVX2 inline void write(__m256i codes, const Value& value, float* out) {
  write(_mm256_castsi256_si128(codes), value, out);
  write(_mm256_extracti128_si256(codes, 1), value, out + 16);
}

PITH_AVX2 inline __m256i load32(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}
PITH_AVX2 inline __m256i low_nibbles(__m256i bytes) {
  return _mm256_and_si256(bytes, _mm256_set1_epi8(15));
}
// Bits [shift, shift + 8) of 16-bit words land in each byte; the callers mask what they need.
PITH_AVX2 inline __m256i shifted_right(__m256i bytes, int shift) {
  return _mm256_srl_epi16(bytes, _mm_cvtsi32_si128(shift));
}
PITH_AVX2 inline __m256i minus(__m256i codes, char zero) {
  return _mm256_sub_epi8(codes, _mm256_set1_epi8(zero));
}

// 16 bytes of nibbles to 32 codes in the order of a plain block.
PITH_AVX2 inline __m256i plain_nibbles(const std::uint8_t* nibbles) {
  const __m128i packed = _mm_loadu_si128(reinterpret_cast<const __m128i*>(nibbles));
  return low_nibbles(_mm256_set_m128i(_mm_srli_epi16(packed, 4), packed));
}

// 16 in the bytes whose bit is set.
PITH_AVX2 inline __m256i plain_high_bits(const std::uint8_t (&high_bits)[4]) {
  std::int32_t bits;
  std::memcpy(&bits, high_bits, sizeof bits);
  const __m256i byte_of =
      _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
  const __m256i bit_of = _mm256_set1_epi64x(static_cast<long long>(0x8040201008040201));
  const __m256i spread = _mm256_shuffle_epi8(_mm256_set1_epi32(bits), byte_of);
  const __m256i set = _mm256_cmpeq_epi8(_mm256_and_si256(spread, bit_of), bit_of);
  return _mm256_and_si256(set, _mm256_set1_epi8(16));
}

PITH_AVX2 inline void dequantize(const BlockQ80& block, float* out) {
  write(load32(block.codes), times(f16_to_f32(block.scale)), out);
}

PITH_AVX2 inline void dequantize(const BlockQ40& block, float* out) {
  write(minus(plain_nibbles(block.nibbles), 8), times(f16_to_f32(block.scale)), out);
}

PITH_AVX2 inline void dequantize(const BlockQ50& block, float* out) {
  const __m256i codes =
      _mm256_or_si256(plain_nibbles(block.nibbles), plain_high_bits(block.high_bits));
  write(minus(codes, 16), times(f16_to_f32(block.scale)), out);
}

template <class Block>
PITH_AVX2 inline TimesPlus affine_of(const Block& block) {
  return {_mm256_set1_ps(f16_to_f32(block.scale)), _mm256_set1_ps(f16_to_f32(block.minimum))};
}

PITH_AVX2 inline void dequantize(const BlockQ41& block, float* out) {
  write(plain_nibbles(block.nibbles), affine_of(block), out);
}

PITH_AVX2 inline void dequantize(const BlockQ51& block, float* out) {
  const __m256i codes =
      _mm256_or_si256(plain_nibbles(block.nibbles), plain_high_bits(block.high_bits));
  write(codes, affine_of(block), out);
}

PITH_AVX2 inline void dequantize(const BlockIq4Nl& block, float* out) {
  const __m256i levels =
      _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(kIq4Levels)));
  write(_mm256_shuffle_epi8(levels, plain_nibbles(block.nibbles)),
        times(f16_to_f32(block.scale)),
        out);
}

// The scales of sub-block j of Q4_K and Q5_K.
template <class Block>
PITH_AVX2 inline TimesLess sub_block_of(const Block& block, float d, float m, std::size_t j) {
  const SubScale sub = load_sub_scale(block.scales, j);
  return {_mm256_set1_ps(d * static_cast<float>(sub.scale)),
          _mm256_set1_ps(m * static_cast<float>(sub.minimum))};
}

PITH_AVX2 inline void dequantize(const BlockQ4K& block, float* out) {
  const float d = f16_to_f32(block.scale), m = f16_to_f32(block.minimum);
  for (std::size_t pair = 0; pair < 4; ++pair) {
    const __m256i packed = load32(block.nibbles + pair * 32);
    write(low_nibbles(packed), sub_block_of(block, d, m, pair * 2), out + pair * 64);
    write(low_nibbles(_mm256_srli_epi16(packed, 4)),
          sub_block_of(block, d, m, pair * 2 + 1),
          out + pair * 64 + 32);
  }
}

PITH_AVX2 inline void dequantize(const BlockQ5K& block, float* out) {
  const float d = f16_to_f32(block.scale), m = f16_to_f32(block.minimum);
  const __m256i high_bits = load32(block.high_bits);
  for (std::size_t j = 0; j < 8; ++j) {
    const __m256i packed = load32(block.nibbles + j / 2 * 32);
    const __m256i low = low_nibbles(shifted_right(packed, static_cast<int>(j % 2 * 4)));
    const __m256i bit =
        _mm256_and_si256(shifted_right(high_bits, static_cast<int>(j)), _mm256_set1_epi8(1));
    write(_mm256_or_si256(low, _mm256_slli_epi16(bit, 4)),
          sub_block_of(block, d, m, j),
          out + j * 32);
  }
}

PITH_AVX2 inline void dequantize(const BlockQ6K& block, float* out) {
  const float d = f16_to_f32(block.scale);
  for (std::size_t run = 0; run < 8; ++run) {  // of 32 elements with two scales
    const std::size_t half = run / 4, plane = run % 4;
    const __m256i packed = load32(block.nibbles + half * 64 + plane % 2 * 32);
    const __m256i low = low_nibbles(shifted_right(packed, static_cast<int>(plane / 2 * 4)));
    const __m256i bits = _mm256_and_si256(
        shifted_right(load32(block.high_bits + half * 32), static_cast<int>(plane * 2)),
        _mm256_set1_epi8(3));
    const __m256i codes = minus(_mm256_or_si256(low, _mm256_slli_epi16(bits, 4)), 32);
    for (std::size_t k = 0; k < 2; ++k) {
      const float scale = d * static_cast<float>(block.scales[run * 2 + k]);
      write(k == 0 ? _mm256_castsi256_si128(codes) : _mm256_extracti128_si256(codes, 1),
            times(scale),
            out + run * 32 + k * 16);
    }
  }
}

template <class Block>
PITH_AVX2 void dequantize_all(const std::byte* in,
                              std::size_t blocks,
                              std::size_t elements,
                              float* out) {
  for (std::size_t b = 0; b < blocks; ++b) {
    Block block;
    std::memcpy(&block, in + b * sizeof block, sizeof block);
    dequantize(block, out + b * elements);
  }
}

using Dequantize = void (*)(const std::byte*, std::size_t, std::size_t, float*);

// Null for the types that are only read, which the scalar path takes.
Dequantize dequantizer_of(GgmlType type) {
  switch (type) {
    case GgmlType::kQ4_0:
      return dequantize_all<BlockQ40>;
    case GgmlType::kQ4_1:
      return dequantize_all<BlockQ41>;
    case GgmlType::kQ5_0:
      return dequantize_all<BlockQ50>;
    case GgmlType::kQ5_1:
      return dequantize_all<BlockQ51>;
    case GgmlType::kQ8_0:
      return dequantize_all<BlockQ80>;
    case GgmlType::kQ4_K:
      return dequantize_all<BlockQ4K>;
    case GgmlType::kQ5_K:
      return dequantize_all<BlockQ5K>;
    case GgmlType::kQ6_K:
      return dequantize_all<BlockQ6K>;
    case GgmlType::kIQ4_NL:
      return dequantize_all<BlockIq4Nl>;
    case GgmlType::kQ2_K:
    case GgmlType::kQ3_K:
    case GgmlType::kIQ4_XS:
    case GgmlType::kMXFP4:
      break;
  }
  return nullptr;
}

}  // namespace

void dequantize_ggml_avx2(GgmlType type, const std::byte* in, std::size_t blocks, float* out) {
  const Dequantize dequantize_all = dequantizer_of(type);
  if (dequantize_all == nullptr) return dequantize_ggml_blocks(type, in, blocks, out);
  dequantize_all(in, blocks, ggml_block_elements(type), out);
}

}  // namespace pith

#endif

// The loops of the room that are worth vectorizing: one table of functions an instruction set, all
// rows bit-identical. Internal to codec. Pointers need no alignment; n counts elements.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "pith/codec/encoding.h"

namespace pith {

// Smallest and largest value, and whether all are finite (if not, low and high mean nothing).
struct ValueRange {
  float low = 0;
  float high = 0;
  bool finite = true;
};

// code = clamp(rint(x / scale) + zero, lowest, highest), all but scale integers.
struct UnitRound {
  float scale = 1;
  float zero = 0;
  float lowest = 0;
  float highest = 0;
};

struct SquareSums {
  double error = 0;  // sum (a - b)^2
  double total = 0;  // sum a^2
};

struct VectorOps {
  std::string_view name;
  bool (*runs_here)();

  ValueRange (*range)(const float* x, std::size_t n);  // n > 0
  void (*round_codes)(const float* x, std::size_t n, const UnitRound& unit, std::uint8_t* codes);
  // out = float(code - zero) * scale; code - zero wraps at 32 bits
  void (*expand_codes)(
      const std::uint8_t* codes, std::size_t n, float scale, std::int32_t zero, float* out);
  // sum ((|x - value(code(x))| * inverse)^2.4), the last power by a fifth root good to 1e-6
  float (*power_error)(const float* x, std::size_t n, const UnitRound& unit, float inverse);
  void (*round_int8)(const float* x,
                     std::size_t n,
                     float scale,
                     std::int8_t* codes);  // within +-127
  SquareSums (*square_sums)(const float* a, const float* b, std::size_t n);

  // Bit streams of bit_pack.h; nibble streams with the first element in the high nibble.
  void (*pack)(const std::uint8_t* codes, std::size_t n, int bits, std::byte* out);
  void (*unpack)(const std::byte* packed, std::size_t n, int bits, std::uint8_t* codes);
  void (*pack_high_first)(const std::uint8_t* codes, std::size_t n, std::byte* out);
  void (*unpack_high_first)(const std::byte* packed, std::size_t n, std::uint8_t* codes);

  // Codes of clamp(x * inverse, -1, 1) by the thresholds of quantization card 11, and back:
  // levels[code] * scale.
  void (*encode_codebook)(
      CodebookTable table, const float* x, std::size_t n, float inverse, std::uint8_t* codes);
  void (*decode_levels)(
      const std::uint8_t* codes, std::size_t n, const float* levels, float scale, float* out);

  // As quantize_ggml_blocks and dequantize_ggml_blocks.
  std::size_t (*quantize_ggml)(GgmlType type,
                               const float* x,
                               std::size_t blocks,
                               std::span<const float> importance,
                               std::byte* out);
  void (*dequantize_ggml)(GgmlType type, const std::byte* in, std::size_t blocks, float* out);

  // float_convert.h; dtype is F16, BF16, F8_E4M3 or F8_E5M2.
  void (*widen)(DType dtype, const std::byte* in, std::size_t n, float* out);
  void (*narrow)(DType dtype, const float* in, std::size_t n, std::byte* out);
};

std::span<const VectorOps* const> vector_ops_impls();  // best first; the last runs everywhere
const VectorOps& vector_ops();                         // the first that runs here
const VectorOps& scalar_ops();
const VectorOps& avx2_ops();  // AVX2, F16C, BMI2

// Thresholds between neighbours of the ascending levels: of NF4 (15), and of the magnitudes of FP4
// (7).
std::span<const float, 15> nf4_thresholds();
std::span<const float, 7> fp4_thresholds();
std::span<const std::uint8_t, 8> fp4_magnitude_codes();  // rank of a magnitude -> its 3-bit code

}  // namespace pith

// f32 weights -> PackedMatrix, without data. Streams: a weight is read piece by piece and never
// whole as f32.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include "pith/base/matrix_view.h"
#include "pith/codec/packed_matrix.h"

namespace pith {

// A [rows, cols] weight that can be read piece by piece: read_rows(first, count, out[count *
// cols]), from any thread.
struct WeightSource {
  std::size_t rows = 0;
  std::size_t cols = 0;
  std::function<void(std::size_t first, std::size_t count, std::span<float> out)> read_rows;
};
WeightSource source_of(MatrixView<const float> weight);  // borrows
WeightSource source_of(const PackedMatrix& weight);      // shares the buffers

// Which integer range a symmetric unit uses (quantization cards 3, 9). kAbsmax: scale = max|w| /
// (2^(bits-1) - 1), lowest code unused. kFull: scale = 2 max|w| / (2^bits - 1), all codes, +max
// clips by half a step. kSigned: scale = -m / 2^(bits-1), m the value of largest magnitude,
// negative on ties (AutoRound; the scale may be negative).
enum class SymmetricRange { kAbsmax, kFull, kSigned };
constexpr EnumName<SymmetricRange> kSymmetricRangeNames[] = {{SymmetricRange::kAbsmax, "absmax"},
                                                             {SymmetricRange::kFull, "full"},
                                                             {SymmetricRange::kSigned, "signed"}};
constexpr std::span<const EnumName<SymmetricRange>> enum_table(SymmetricRange) {
  return kSymmetricRangeNames;
}

// Which range an affine unit uses. kWithZero: the range is widened to contain 0, so 0 is exact
// (card 9, GPTQ style; card 4, algorithm B). kFree: from min to max as they are with an int32 zero
// point (card 4, algorithm A).
enum class AffineRange { kWithZero, kFree };
constexpr EnumName<AffineRange> kAffineRangeNames[] = {{AffineRange::kWithZero, "with-zero"},
                                                       {AffineRange::kFree, "free"}};
constexpr std::span<const EnumName<AffineRange>> enum_table(AffineRange) {
  return kAffineRangeNames;
}

struct RoundOptions {
  SymmetricRange symmetric_range = SymmetricRange::kAbsmax;
  AffineRange affine_range =
      AffineRange::kWithZero;  // kFree goes with ZeroPoints::kInt32 and only with it
  int lowest_code =
      0;  // 1: leave out the lowest code of an 8-bit unit (-127 instead of -128, card 4)
  bool search_range = false;  // shrink each unit's range as GPTQ's code does: p = 1 - i/100, i =
                              // 0..79, error sum |.|^2.4
};

// Round to nearest, ties to even, with the scale as stored (rounded to scale_dtype; a subnormal one
// away from zero). A unit that is all zero gets scale 1 and value 0 exactly; with kFree and f32
// scales a constant unit is exact. Codes do not depend on the number of threads. Throws UserError
// for impossible options, for NaN or Inf in the weight (with their count), and for a scale that
// overflows scale_dtype.
PackedMatrix quantize_group_int(const WeightSource& weight,
                                const GroupIntEncoding& encoding,
                                const RoundOptions& options = {});

// scale = max|w| / 448 (e4m3) or 57344 (e5m2). Source: quantization card 2.
PackedMatrix quantize_float8(const WeightSource& weight, const Float8Encoding& encoding);

// NF4, FP4, double quantization as bitsandbytes does it (card 11); a block of zeros gets the code
// of 0.
PackedMatrix quantize_codebook(const WeightSource& weight, const CodebookEncoding& encoding);

// Rounds to a float type (F32, BF16, F16). Throws UserError for NaN or Inf and for values that
// overflow, with their count.
PackedMatrix pack_dense(const WeightSource& weight, DType dtype);

// GGUF blocks, byte for byte those of llama.cpp; Q2_K, Q3_K, IQ4_XS and MXFP4 are only read
// (UserError). `importance` is empty or one weight a column, 0 to 1e15, that the square error of
// the column counts with (an imatrix); Q8_0 ignores it. Source: formats.md 4.7.
PackedMatrix quantize_ggml(const WeightSource& weight,
                           const GgmlEncoding& encoding,
                           std::span<const float> importance = {});

// Dispatches on the encoding; `importance` is for GGUF blocks, the others ignore it.
PackedMatrix encode(const WeightSource& weight,
                    const Encoding& encoding,
                    const RoundOptions& options = {},
                    std::span<const float> importance = {});

// sqrt(sum (w - packed)^2 / sum w^2); 0 for an all-zero weight that is kept.
double relative_error(const WeightSource& weight, const PackedMatrix& packed);

// The 16 levels of a codebook, index = code.
std::span<const float, 16> codebook_levels(CodebookTable table);
// The 256 values of bitsandbytes' signed dynamic 8-bit map, ascending.
std::span<const float, 256> dynamic_map();

}  // namespace pith

// Encoding: how the numbers of a compressed weight are stored. A closed set.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "pith/codec/dtype.h"

namespace pith {

// What one scale serves.
enum class Granularity { kTensor, kRow, kGroup };
constexpr EnumName<Granularity> kGranularityNames[] = {
    {Granularity::kTensor, "tensor"}, {Granularity::kRow, "row"}, {Granularity::kGroup, "group"}};
constexpr std::span<const EnumName<Granularity>> enum_table(Granularity) {
  return kGranularityNames;
}

// How a group_int's zero points are kept. kNone: symmetric, the zero point is 2^(bits-1). kPacked:
// unsigned, `bits` wide, packed as the codes are. kInt32: any integer, for ranges that do not
// contain zero (quantization card 4, algorithm A).
enum class ZeroPoints { kNone, kPacked, kInt32 };
constexpr EnumName<ZeroPoints> kZeroPointsNames[] = {
    {ZeroPoints::kNone, "none"}, {ZeroPoints::kPacked, "packed"}, {ZeroPoints::kInt32, "int32"}};
constexpr std::span<const EnumName<ZeroPoints>> enum_table(ZeroPoints) { return kZeroPointsNames; }

enum class CodebookTable { kNf4, kFp4 };
constexpr EnumName<CodebookTable> kCodebookTableNames[] = {{CodebookTable::kNf4, "nf4"},
                                                           {CodebookTable::kFp4, "fp4"}};
constexpr std::span<const EnumName<CodebookTable>> enum_table(CodebookTable) {
  return kCodebookTableNames;
}

// The block types of GGUF files that Pith decodes; the values are the ids of the files.
enum class GgmlType {
  kQ4_0 = 2,
  kQ4_1 = 3,
  kQ5_0 = 6,
  kQ5_1 = 7,
  kQ8_0 = 8,
  kQ2_K = 10,
  kQ3_K = 11,
  kQ4_K = 12,
  kQ5_K = 13,
  kQ6_K = 14,
  kIQ4_NL = 20,
  kIQ4_XS = 23,
  kMXFP4 = 39,
};
constexpr EnumName<GgmlType> kGgmlTypeNames[] = {{GgmlType::kQ4_0, "Q4_0"},
                                                 {GgmlType::kQ4_1, "Q4_1"},
                                                 {GgmlType::kQ5_0, "Q5_0"},
                                                 {GgmlType::kQ5_1, "Q5_1"},
                                                 {GgmlType::kQ8_0, "Q8_0"},
                                                 {GgmlType::kQ2_K, "Q2_K"},
                                                 {GgmlType::kQ3_K, "Q3_K"},
                                                 {GgmlType::kQ4_K, "Q4_K"},
                                                 {GgmlType::kQ5_K, "Q5_K"},
                                                 {GgmlType::kQ6_K, "Q6_K"},
                                                 {GgmlType::kIQ4_NL, "IQ4_NL"},
                                                 {GgmlType::kIQ4_XS, "IQ4_XS"},
                                                 {GgmlType::kMXFP4, "MXFP4"}};
constexpr std::span<const EnumName<GgmlType>> enum_table(GgmlType) { return kGgmlTypeNames; }

// Plain floats: buffer "" [rows, cols] of dtype F32, BF16 or F16.
struct DenseEncoding {
  DType dtype = DType::kF32;
  bool operator==(const DenseEncoding&) const = default;
};

// value = float8(code) * scale. Buffers: codes [rows, cols] F8_E4M3 or F8_E5M2; scales scale_dtype
// [1] (tensor), [rows, 1] (row) or [ceil(rows / block), ceil(cols / block)] (group: square tiles of
// block x block weights).
struct Float8Encoding {
  DType format = DType::kF8E4M3;
  Granularity granularity = Granularity::kRow;
  DType scale_dtype = DType::kF32;  // F32, F16 or BF16
  std::size_t block = 0;            // 0 unless granularity is kGroup
  bool operator==(const Float8Encoding&) const = default;
};

// value = scale * (u - z), u unsigned `bits` wide. Groups run along the columns; the last of a row
// may be shorter. Buffers: codes U8 [rows, ceil(cols * bits / 8)], each row a little-endian bit
// stream (code k at bit k * bits); scales scale_dtype, [1] (tensor), [rows, 1] (row) or [rows,
// groups] (group); zeros, if any, of the scales' shape as I32 (kInt32), or U8 [rows of scales,
// ceil(groups * bits / 8)] (kPacked). With `column_groups` (GPTQ's act-order) column c belongs to
// group group_index[c], I32 [cols], in place of c / group_size.
struct GroupIntEncoding {
  int bits = 8;  // 1 to 8
  Granularity granularity = Granularity::kRow;
  std::size_t group_size = 0;  // columns a group; 0 unless granularity is kGroup
  ZeroPoints zero_points = ZeroPoints::kNone;
  DType scale_dtype = DType::kF32;  // F32, F16 or BF16
  bool column_groups = false;       // only with kGroup
  bool operator==(const GroupIntEncoding&) const = default;
};

// value = table[code] * absmax of the block. Blocks are runs of `block_size` elements of the
// flattened row-major matrix; they may cross rows, the last may be shorter. Buffers: codes U8
// [ceil(rows * cols / 2)], first element in the high nibble (bitsandbytes' order); without double
// quantization absmax F32 [blocks]; with it absmax U8 [blocks] (codes of the signed dynamic 8-bit
// map), absmax_scales F32 [ceil(blocks / 256)] and absmax_mean F32 [1].
struct CodebookEncoding {
  CodebookTable table = CodebookTable::kNf4;
  std::size_t block_size = 64;
  bool double_quantized = false;
  bool operator==(const CodebookEncoding&) const = default;
};

// Blocks of a GGUF tensor, kept bit for bit. Buffer: codes U8 [rows, cols / block elements * block
// bytes]; cols divide by the 32 or 256 elements of a block (ggml_blocks.h).
struct GgmlEncoding {
  GgmlType type = GgmlType::kQ8_0;
  bool operator==(const GgmlEncoding&) const = default;
};

using Encoding =
    std::variant<DenseEncoding, Float8Encoding, GroupIntEncoding, CodebookEncoding, GgmlEncoding>;

// "bf16", "int4 g128 affine f16", "nf4 b64 double", "q4_1": for people; not parsed.
std::string to_string(const Encoding& encoding);
bool is_dense(const Encoding& encoding);
// 32, 16, 8, or the bits of a code; what a person calls the width.
int nominal_bits(const Encoding& encoding);

// One stored array of a weight: its part ("" for dense data, else "codes", "scales", ...), type and
// shape.
struct BufferSpec {
  std::string part;
  DType dtype = DType::kU8;
  std::vector<std::int64_t> shape;
  std::size_t bytes() const;
  bool operator==(const BufferSpec&) const = default;
};

// What a [rows, cols] weight in this encoding stores: the one truth for saving, loading and sizes,
// known before any data. Throws UserError for an encoding that cannot hold the shape or has fields
// out of range.
std::vector<BufferSpec> buffer_specs(const Encoding& encoding, std::size_t rows, std::size_t cols);
std::size_t storage_bytes(const Encoding& encoding, std::size_t rows, std::size_t cols);

std::size_t groups_in_row(const GroupIntEncoding& encoding,
                          std::size_t cols);  // 1 for row and tensor

}  // namespace pith

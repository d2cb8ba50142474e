// PackedMatrix::dequantize_rows: one overload an encoding.
#include <algorithm>
#include <cstring>

#include "pith/base/error.h"
#include "pith/codec/bit_pack.h"
#include "pith/codec/float_convert.h"
#include "pith/codec/ggml_blocks.h"
#include "pith/codec/packed_matrix.h"
#include "pith/codec/quantize.h"
#include "pith/codec/vector_ops.h"

namespace pith {
namespace {

struct RowRange {
  const PackedMatrix& matrix;
  std::size_t first;
  std::size_t count;
  std::span<float> out;

  std::size_t cols() const { return matrix.cols(); }
  // Rows of a buffer that has equal parts a row of the matrix.
  std::span<const std::byte> rows_of(std::string_view part) const {
    const std::span<const std::byte> bytes = matrix.buffer(part).bytes;
    const std::size_t row_bytes = bytes.size() / matrix.rows();
    return bytes.subspan(first * row_bytes, count * row_bytes);
  }
};

template <class T>
T load(std::span<const std::byte> bytes, std::size_t index) {
  T value;
  std::memcpy(&value, bytes.data() + index * sizeof value, sizeof value);
  return value;
}

void dequantize(const DenseEncoding& e, const RowRange& range) {
  to_f32(e.dtype, range.rows_of(""), range.out);
}

void dequantize(const Float8Encoding& e, const RowRange& range) {
  to_f32(e.format, range.rows_of("codes"), range.out);
  const Buffer& stored = range.matrix.buffer("scales");
  const std::size_t cols = range.cols();
  const bool by_block = e.granularity == Granularity::kGroup;
  const std::size_t units = by_block ? static_cast<std::size_t>(stored.spec.shape[1]) : 1;
  const std::size_t step = by_block ? e.block : cols;
  std::vector<float> scales(units);
  for (std::size_t r = 0; r < range.count; ++r) {
    const std::size_t row = range.first + r;
    const std::size_t scale_row = e.granularity == Granularity::kTensor ? 0
                                  : by_block                            ? row / e.block
                                                                        : row;
    const std::size_t scale_bytes = units * size_of(e.scale_dtype);
    to_f32(e.scale_dtype, stored.bytes.subspan(scale_row * scale_bytes, scale_bytes), scales);
    float* out = range.out.data() + r * cols;
    for (std::size_t c = 0; c < cols; ++c) out[c] *= scales[c / step];
  }
}

// Scales and zero points of one row of scales.
struct Units {
  std::vector<float> scales;
  std::vector<std::int32_t> zeros;
};

void load_units(const GroupIntEncoding& e,
                const PackedMatrix& matrix,
                std::size_t scale_row,
                Units& units) {
  const std::size_t groups = groups_in_row(e, matrix.cols());
  const std::size_t scale_bytes = groups * size_of(e.scale_dtype);
  units.scales.resize(groups);
  to_f32(e.scale_dtype,
         matrix.buffer("scales").bytes.subspan(scale_row * scale_bytes, scale_bytes),
         units.scales);
  units.zeros.assign(groups, 1 << (e.bits - 1));
  if (e.zero_points == ZeroPoints::kInt32) {
    const std::span<const std::byte> zeros = matrix.buffer("zeros").bytes;
    for (std::size_t g = 0; g < groups; ++g)
      units.zeros[g] = load<std::int32_t>(zeros, scale_row * groups + g);
  }
  if (e.zero_points == ZeroPoints::kPacked) {
    const std::size_t row_bytes = packed_bytes(groups, e.bits);
    std::vector<std::uint8_t> codes(groups);
    unpack_bits(
        matrix.buffer("zeros").bytes.subspan(scale_row * row_bytes, row_bytes), e.bits, codes);
    std::ranges::copy(codes, units.zeros.begin());
  }
}

// The group of each column, by act-order.
std::vector<std::int32_t> group_index(const PackedMatrix& matrix) {
  std::vector<std::int32_t> index(matrix.cols());
  const std::span<const std::byte> bytes = matrix.buffer("group_index").bytes;
  std::memcpy(index.data(), bytes.data(), bytes.size());
  return index;
}

void dequantize(const GroupIntEncoding& e, const RowRange& range) {
  const std::size_t cols = range.cols();
  const std::size_t step = e.granularity == Granularity::kGroup ? e.group_size : cols;
  const std::size_t row_bytes = packed_bytes(cols, e.bits);
  const std::span<const std::byte> packed = range.rows_of("codes");
  std::vector<std::uint8_t> unpacked(e.bits == 8 ? 0 : cols);
  const std::vector<std::int32_t> groups =
      e.column_groups ? group_index(range.matrix) : std::vector<std::int32_t>{};
  Units units;
  if (e.granularity == Granularity::kTensor) load_units(e, range.matrix, 0, units);
  for (std::size_t r = 0; r < range.count; ++r) {
    const std::span<const std::byte> row = packed.subspan(r * row_bytes, row_bytes);
    if (e.granularity != Granularity::kTensor) load_units(e, range.matrix, range.first + r, units);
    if (e.bits != 8) unpack_bits(row, e.bits, unpacked);
    const auto* codes =
        e.bits == 8 ? reinterpret_cast<const std::uint8_t*>(row.data()) : unpacked.data();
    float* out = range.out.data() + r * cols;
    if (e.column_groups) {
      for (std::size_t c = 0; c < cols; ++c) {
        const auto g = static_cast<std::size_t>(groups[c]);
        // as expand_codes: wraps at 32 bits
        const std::uint32_t difference = codes[c] - static_cast<std::uint32_t>(units.zeros[g]);
        out[c] = units.scales[g] * static_cast<float>(static_cast<std::int32_t>(difference));
      }
      continue;
    }
    for (std::size_t c = 0, g = 0; c < cols; c += step, ++g)
      vector_ops().expand_codes(
          codes + c, std::min(step, cols - c), units.scales[g], units.zeros[g], out + c);
  }
}

// The absmax of block b.
struct BlockScales {
  const CodebookEncoding& encoding;
  std::span<const std::byte> absmax, scales;
  float mean = 0;

  BlockScales(const CodebookEncoding& e, const PackedMatrix& matrix)
      : encoding(e), absmax(matrix.buffer("absmax").bytes) {
    if (!e.double_quantized) return;
    scales = matrix.buffer("absmax_scales").bytes;
    mean = load<float>(matrix.buffer("absmax_mean").bytes, 0);
  }
  float operator[](std::size_t b) const {
    if (!encoding.double_quantized) return load<float>(absmax, b);
    return dynamic_map()[std::to_integer<std::size_t>(absmax[b])] * load<float>(scales, b / 256) +
           mean;
  }
};

void dequantize(const CodebookEncoding& e, const RowRange& range) {
  const BlockScales scales(e, range.matrix);
  const std::span<const std::byte> packed = range.matrix.buffer("codes").bytes;
  const std::span<const float, 16> levels = codebook_levels(e.table);
  const std::size_t begin = range.first * range.cols(), end = begin + range.out.size();
  std::vector<std::uint8_t> codes(e.block_size);
  for (std::size_t i = begin; i < end;) {
    const std::size_t block = i / e.block_size;
    const std::size_t stop = std::min(end, (block + 1) * e.block_size);
    const std::size_t odd = i % 2;  // a row may begin within a byte
    vector_ops().unpack_high_first(packed.data() + i / 2, stop - i + odd, codes.data());
    vector_ops().decode_levels(
        codes.data() + odd, stop - i, levels.data(), scales[block], range.out.data() + (i - begin));
    i = stop;
  }
}

void dequantize(const GgmlEncoding& e, const RowRange& range) {
  vector_ops().dequantize_ggml(e.type,
                               range.rows_of("codes").data(),
                               range.out.size() / ggml_block_elements(e.type),
                               range.out.data());
}

}  // namespace

void PackedMatrix::dequantize_rows(std::size_t first,
                                   std::size_t count,
                                   std::span<float> out) const {
  PITH_CHECK(first <= rows_ && count <= rows_ - first);
  PITH_CHECK(out.size() == count * cols_);
  if (count == 0) return;
  const RowRange range{*this, first, count, out};
  std::visit([&range](const auto& e) { pith::dequantize(e, range); }, encoding_);
}

}  // namespace pith

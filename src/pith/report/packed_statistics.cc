#include "pith/report/packed_statistics.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <functional>
#include <numeric>

#include "pith/base/error.h"
#include "pith/codec/bit_pack.h"
#include "pith/codec/float_convert.h"
#include "pith/codec/ggml_blocks.h"
#include "pith/report/row_pieces.h"

namespace pith {
namespace {

// rank[code]: the place of the code's value among all of its kind.
using Ranks = std::array<std::uint8_t, 256>;

Ranks ranks_of(int bits, const std::function<float(std::uint8_t)>& value_of) {
  std::vector<std::uint8_t> codes(std::size_t{1} << bits);
  std::iota(codes.begin(), codes.end(), std::uint8_t{0});
  std::stable_sort(codes.begin(), codes.end(), [&](std::uint8_t a, std::uint8_t b) {
    return value_of(a) < value_of(b);
  });
  Ranks ranks{};
  for (std::size_t r = 0; r < codes.size(); ++r) ranks[codes[r]] = static_cast<std::uint8_t>(r);
  return ranks;
}

// Appends the codes of a piece of rows.
using Unpack = std::function<void(const RowPiece&, std::vector<std::uint8_t>&)>;

CodeUse count_codes(const PackedMatrix& matrix,
                    int bits,
                    const Ranks& ranks,
                    const Unpack& unpack) {
  const auto parts = map_row_pieces(matrix.rows(), matrix.cols(), [&](const RowPiece& piece) {
    std::vector<std::uint8_t> codes;
    codes.reserve(piece.count * matrix.cols());
    unpack(piece, codes);
    std::vector<std::uint32_t> counts(std::size_t{1} << bits);
    for (const std::uint8_t code : codes) ++counts[ranks[code]];
    return counts;
  });
  CodeUse use{bits, std::vector<std::uint64_t>(std::size_t{1} << bits)};
  for (const auto& part : parts)
    for (std::size_t c = 0; c < part.size(); ++c) use.counts[c] += part[c];
  return use;
}

ValueStatistics statistics_of(std::size_t count, std::function<float(std::size_t)> at) {
  const WeightSource source{
      count, 1, [&at](std::size_t first, std::size_t number, std::span<float> out) {
        for (std::size_t i = 0; i < number; ++i) out[i] = at(first + i);
      }};
  return tensor_statistics(source).values;
}

ValueStatistics buffer_statistics(const Buffer& buffer) {
  const TensorSpec spec{buffer.spec.part, buffer.spec.dtype, buffer.spec.shape};
  return tensor_statistics(source_of(StoredTensor{spec, buffer.bytes, nullptr})).values;
}

PackedStatistics look(const DenseEncoding&, const PackedMatrix&) { return {}; }

PackedStatistics look(const Float8Encoding& e, const PackedMatrix& matrix) {
  const Ranks ranks = ranks_of(8, [&e](std::uint8_t code) {
    const float value = e.format == DType::kF8E4M3 ? f8e4m3_to_f32(code) : f8e5m2_to_f32(code);
    // the codes of NaN beyond those of the largest numbers of their sign
    constexpr float kBeyond = 1e9f;
    return std::isfinite(value) ? value : (code < 128 ? kBeyond : -kBeyond);
  });
  PackedStatistics statistics;
  statistics.scales = buffer_statistics(matrix.buffer("scales"));
  const std::span<const std::byte> bytes = matrix.buffer("codes").bytes;
  statistics.codes = count_codes(matrix, 8, ranks, [&](const RowPiece& piece, auto& codes) {
    for (const std::byte byte :
         bytes.subspan(piece.first * matrix.cols(), piece.count * matrix.cols()))
      codes.push_back(std::to_integer<std::uint8_t>(byte));
  });
  return statistics;
}

ValueStatistics zero_point_statistics(const GroupIntEncoding& e, const PackedMatrix& matrix) {
  const Buffer& zeros = matrix.buffer("zeros");
  if (e.zero_points == ZeroPoints::kInt32) return buffer_statistics(zeros);
  const std::size_t groups = groups_in_row(e, matrix.cols()),
                    row_bytes = packed_bytes(groups, e.bits);
  const WeightSource source{
      zeros.bytes.size() / row_bytes,
      groups,
      [&](std::size_t first, std::size_t count, std::span<float> out) {
        std::vector<std::uint8_t> row(groups);
        for (std::size_t r = 0; r < count; ++r) {
          unpack_bits(zeros.bytes.subspan((first + r) * row_bytes, row_bytes), e.bits, row);
          std::ranges::copy(row, out.begin() + static_cast<std::ptrdiff_t>(r * groups));
        }
      }};
  return tensor_statistics(source).values;
}

PackedStatistics look(const GroupIntEncoding& e, const PackedMatrix& matrix) {
  PackedStatistics statistics;
  statistics.scales = buffer_statistics(matrix.buffer("scales"));
  if (e.zero_points != ZeroPoints::kNone) statistics.offsets = zero_point_statistics(e, matrix);
  const Ranks ranks = ranks_of(e.bits, [](std::uint8_t code) { return static_cast<float>(code); });
  const std::span<const std::byte> packed = matrix.buffer("codes").bytes;
  const std::size_t row_bytes = packed_bytes(matrix.cols(), e.bits);
  statistics.codes = count_codes(matrix, e.bits, ranks, [&](const RowPiece& piece, auto& codes) {
    codes.resize(piece.count * matrix.cols());
    for (std::size_t r = 0; r < piece.count; ++r)
      unpack_bits(packed.subspan((piece.first + r) * row_bytes, row_bytes),
                  e.bits,
                  std::span(codes).subspan(r * matrix.cols(), matrix.cols()));
  });
  return statistics;
}

float f32_at(const Buffer& buffer, std::size_t index) {
  float value;
  std::memcpy(&value, buffer.bytes.data() + index * sizeof value, sizeof value);
  return value;
}

ValueStatistics absmax_statistics(const CodebookEncoding& e, const PackedMatrix& matrix) {
  const Buffer& absmax = matrix.buffer("absmax");
  if (!e.double_quantized) return buffer_statistics(absmax);
  const Buffer& scales = matrix.buffer("absmax_scales");
  const float mean = f32_at(matrix.buffer("absmax_mean"), 0);
  return statistics_of(absmax.bytes.size(), [&, mean](std::size_t b) {
    return dynamic_map()[std::to_integer<std::size_t>(absmax.bytes[b])] * f32_at(scales, b / 256) +
           mean;
  });
}

PackedStatistics look(const CodebookEncoding& e, const PackedMatrix& matrix) {
  PackedStatistics statistics;
  statistics.scales = absmax_statistics(e, matrix);
  const Ranks ranks =
      ranks_of(4, [&e](std::uint8_t code) { return codebook_levels(e.table)[code]; });
  const std::span<const std::byte> packed = matrix.buffer("codes").bytes;
  statistics.codes = count_codes(matrix, 4, ranks, [&](const RowPiece& piece, auto& codes) {
    const std::size_t begin = piece.first * matrix.cols();
    for (std::size_t i = begin; i < begin + piece.count * matrix.cols(); ++i) {
      const auto byte = std::to_integer<std::uint8_t>(packed[i / 2]);
      codes.push_back(i % 2 == 0 ? byte >> 4 : byte & 15);  // first element in the high nibble
    }
  });
  return statistics;
}

// One number of each unit of each block.
ValueStatistics unit_statistics(GgmlType type,
                                std::span<const std::byte> blocks,
                                float (GgmlParts::*part)[16]) {
  if (blocks.empty()) return {};
  const std::size_t block_bytes = ggml_block_bytes(type),
                    units =
                        ggml_block_elements(type) / take_ggml_block_apart(type, blocks.data()).unit;
  const WeightSource source{
      blocks.size() / block_bytes,
      units,
      [&](std::size_t first, std::size_t count, std::span<float> out) {
        for (std::size_t b = 0; b < count; ++b) {
          const GgmlParts parts =
              take_ggml_block_apart(type, blocks.data() + (first + b) * block_bytes);
          std::copy_n(parts.*part, units, out.begin() + static_cast<std::ptrdiff_t>(b * units));
        }
      }};
  return tensor_statistics(source).values;
}

PackedStatistics look(const GgmlEncoding& e, const PackedMatrix& matrix) {
  const std::span<const std::byte> bytes = matrix.buffer("codes").bytes;
  PackedStatistics statistics;
  statistics.scales = unit_statistics(e.type, bytes, &GgmlParts::scales);
  if (ggml_has_offsets(e.type))
    statistics.offsets = unit_statistics(e.type, bytes, &GgmlParts::offsets);
  const std::array<float, 256>& levels = ggml_levels(e.type);
  const int bits = ggml_code_bits(e.type);
  const Ranks ranks = ranks_of(bits, [&](std::uint8_t code) { return levels[code]; });
  const std::size_t elements = ggml_block_elements(e.type), block_bytes = ggml_block_bytes(e.type);
  const std::size_t row_bytes = matrix.cols() / elements * block_bytes;
  statistics.codes = count_codes(matrix, bits, ranks, [&](const RowPiece& piece, auto& codes) {
    const auto piece_bytes = bytes.subspan(piece.first * row_bytes, piece.count * row_bytes);
    for (std::size_t at = 0; at < piece_bytes.size(); at += block_bytes) {
      const GgmlParts parts = take_ggml_block_apart(e.type, piece_bytes.data() + at);
      codes.insert(codes.end(), parts.codes, parts.codes + elements);
    }
  });
  return statistics;
}

}  // namespace

std::uint64_t CodeUse::total() const {
  return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
}

std::size_t CodeUse::used() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(counts, [](std::uint64_t count) { return count > 0; }));
}

double CodeUse::entropy_bits() const {
  const auto all = static_cast<double>(total());
  double entropy = 0;
  for (const std::uint64_t count : counts) {
    if (count == 0) continue;
    const double share = static_cast<double>(count) / all;
    entropy -= share * std::log2(share);
  }
  return entropy;
}

double CodeUse::ends_share() const {
  const std::uint64_t all = total();
  if (all == 0) return 0;
  return static_cast<double>(counts.front() + counts.back()) / static_cast<double>(all);
}

PackedStatistics packed_statistics(const PackedMatrix& matrix) {
  return std::visit([&matrix](const auto& e) { return look(e, matrix); }, matrix.encoding());
}

}  // namespace pith

#include "pith/codec/transcode.h"

#include <array>
#include <cstring>

#include "pith/base/error.h"
#include "pith/base/threads.h"
#include "pith/codec/bit_pack.h"
#include "pith/codec/ggml_blocks.h"

namespace pith {
namespace {

constexpr std::size_t kBlock = 32;
constexpr std::size_t kScaleBytes = 2;
using Codes = std::array<std::uint8_t, kBlock>;  // unsigned, of one block

struct Pair {
  GgmlType type;
  int bits;
};
constexpr Pair kPairs[] = {{GgmlType::kQ4_0, 4}, {GgmlType::kQ5_0, 5}, {GgmlType::kQ8_0, 8}};

GroupIntEncoding group_int_of(int bits) {
  return {bits, Granularity::kGroup, kBlock, ZeroPoints::kNone, DType::kF16, false};
}

// `block` is what follows the scale: Q5_0 has the fifth bits first, then nibbles as Q4_0, the low
// ones of elements 0 to 15; Q8_0 has signed codes.
void read_block(int bits, const std::byte* block, Codes& codes) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(block);
  if (bits == 8) {
    for (std::size_t i = 0; i < kBlock; ++i) codes[i] = bytes[i] ^ 0x80;
    return;
  }
  std::uint32_t high = 0;
  if (bits == 5) {
    std::memcpy(&high, bytes, sizeof high);
    bytes += sizeof high;
  }
  for (std::size_t i = 0; i < kBlock; ++i) {
    const int nibble = i < kBlock / 2 ? bytes[i] & 15 : bytes[i - kBlock / 2] >> 4;
    codes[i] = static_cast<std::uint8_t>(nibble | static_cast<int>(high >> i & 1) << 4);
  }
}

void write_block(int bits, const Codes& codes, std::byte* block) {
  auto* bytes = reinterpret_cast<std::uint8_t*>(block);
  if (bits == 8) {
    for (std::size_t i = 0; i < kBlock; ++i) bytes[i] = codes[i] ^ 0x80;
    return;
  }
  if (bits == 5) {
    std::uint32_t high = 0;
    for (std::size_t i = 0; i < kBlock; ++i) high |= static_cast<std::uint32_t>(codes[i] >> 4) << i;
    std::memcpy(bytes, &high, sizeof high);
    bytes += sizeof high;
  }
  for (std::size_t i = 0; i < kBlock / 2; ++i)
    bytes[i] = static_cast<std::uint8_t>((codes[i] & 15) | (codes[i + kBlock / 2] & 15) << 4);
}

// Calls body(block of ggml bytes, its scale's place, its packed codes' place) for every block; a
// block of 32 codes fills whole bytes at any width.
template <class Body>
void each_block(std::size_t rows, std::size_t cols, GgmlType type, int bits, const Body& body) {
  const std::size_t blocks = cols / kBlock;
  const std::size_t block_bytes = ggml_block_bytes(type);
  const std::size_t code_bytes = packed_bytes(kBlock, bits);
  parallel_for(rows, 16, [&](std::size_t first, std::size_t last) {
    for (std::size_t i = first * blocks; i < last * blocks; ++i)
      body(i * block_bytes, i * kScaleBytes, i * code_bytes);
  });
}

PackedMatrix to_group_int(const PackedMatrix& matrix, const Pair& pair) {
  const GroupIntEncoding encoding = group_int_of(pair.bits);
  std::vector<OwnedBuffer> owned;
  for (BufferSpec& spec : buffer_specs(encoding, matrix.rows(), matrix.cols()))
    owned.push_back(allocate_buffer(std::move(spec)));
  const std::byte* in = matrix.buffer("codes").bytes.data();
  std::byte* codes_out = owned[0].writable.data();
  std::byte* scales_out = owned[1].writable.data();
  each_block(matrix.rows(),
             matrix.cols(),
             pair.type,
             pair.bits,
             [&](std::size_t block, std::size_t scale, std::size_t packed) {
               Codes codes;
               std::memcpy(scales_out + scale, in + block, kScaleBytes);
               read_block(pair.bits, in + block + kScaleBytes, codes);
               pack_bits(codes, pair.bits, {codes_out + packed, packed_bytes(kBlock, pair.bits)});
             });
  return {encoding,
          matrix.rows(),
          matrix.cols(),
          {std::move(owned[0].buffer), std::move(owned[1].buffer)}};
}

PackedMatrix to_blocks(const PackedMatrix& matrix, const Pair& pair) {
  const GgmlEncoding encoding{pair.type};
  OwnedBuffer owned =
      allocate_buffer(std::move(buffer_specs(encoding, matrix.rows(), matrix.cols()).front()));
  const std::byte* codes_in = matrix.buffer("codes").bytes.data();
  const std::byte* scales_in = matrix.buffer("scales").bytes.data();
  std::byte* out = owned.writable.data();
  each_block(matrix.rows(),
             matrix.cols(),
             pair.type,
             pair.bits,
             [&](std::size_t block, std::size_t scale, std::size_t packed) {
               Codes codes;
               unpack_bits({codes_in + packed, packed_bytes(kBlock, pair.bits)}, pair.bits, codes);
               std::memcpy(out + block, scales_in + scale, kScaleBytes);
               write_block(pair.bits, codes, out + block + kScaleBytes);
             });
  return {encoding, matrix.rows(), matrix.cols(), {std::move(owned.buffer)}};
}

const Pair* find_pair(const Encoding& encoding) {
  for (const Pair& pair : kPairs)
    if (encoding == Encoding(GgmlEncoding{pair.type}) ||
        encoding == Encoding(group_int_of(pair.bits)))
      return &pair;
  return nullptr;
}

bool is_ggml(const Encoding& encoding) { return std::holds_alternative<GgmlEncoding>(encoding); }

}  // namespace

std::optional<Encoding> equivalent_of(const Encoding& encoding) {
  const Pair* pair = find_pair(encoding);
  if (pair == nullptr) return std::nullopt;
  if (is_ggml(encoding)) return group_int_of(pair->bits);
  return GgmlEncoding{pair->type};
}

PackedMatrix transcode(const PackedMatrix& matrix) {
  const Pair* pair = find_pair(matrix.encoding());
  PITH_CHECK(pair != nullptr);
  PackedMatrix result =
      is_ggml(matrix.encoding()) ? to_group_int(matrix, *pair) : to_blocks(matrix, *pair);
  result.activation = matrix.activation;
  return result;
}

}  // namespace pith

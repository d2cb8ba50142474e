#include "pith/codec/bit_pack.h"

#include "pith/base/error.h"
#include "pith/codec/vector_ops.h"

namespace pith {

std::size_t packed_bytes(std::size_t count, int bits) {
  return (count * static_cast<std::size_t>(bits) + 7) / 8;
}

void pack_bits(std::span<const std::uint8_t> codes, int bits, std::span<std::byte> out) {
  PITH_CHECK(bits >= 1 && bits <= 8);
  PITH_CHECK(out.size() == packed_bytes(codes.size(), bits));
  vector_ops().pack(codes.data(), codes.size(), bits, out.data());
}

void unpack_bits(std::span<const std::byte> packed, int bits, std::span<std::uint8_t> codes) {
  PITH_CHECK(bits >= 1 && bits <= 8);
  PITH_CHECK(packed.size() == packed_bytes(codes.size(), bits));
  vector_ops().unpack(packed.data(), codes.size(), bits, codes.data());
}

}  // namespace pith

// Unsigned codes of 1 to 8 bits as a little-endian bit stream: code k lies at bit k * bits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace pith {

std::size_t packed_bytes(std::size_t count, int bits);  // ceil(count * bits / 8)
// Pre: out.size() == packed_bytes(codes.size(), bits), each code < 2^bits. Unused bits of the last
// byte become 0.
void pack_bits(std::span<const std::uint8_t> codes, int bits, std::span<std::byte> out);
void unpack_bits(std::span<const std::byte> packed, int bits, std::span<std::uint8_t> codes);

}  // namespace pith

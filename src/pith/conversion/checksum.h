// A fast checksum that tells whether what was read back is what was written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "pith/codec/packed_matrix.h"

namespace pith {

// Runs at memory speed. A change inside one aligned 8-byte word always shows; any other change goes
// unseen with a chance of about 2^-64. Against accidents, not against people: files that go to
// others are named by SHA-256.
std::uint64_t checksum(std::span<const std::byte> bytes, std::uint64_t seed = 0);
std::uint64_t checksum(const PackedMatrix& weight);  // over all buffers in their order

}  // namespace pith

// Other bytes, the same numbers: GGUF's symmetric blocks are group_int weights with groups of 32
// and f16 scales. Source: formats.md 4.5.
#pragma once

#include <optional>

#include "pith/codec/packed_matrix.h"

namespace pith {

// The encoding of another kind that holds the same numbers, bit for bit: Q4_0, Q5_0 and Q8_0 <-> 4,
// 5 and 8 bits, symmetric, groups of 32, f16 scales. nullopt if there is none.
std::optional<Encoding> equivalent_of(const Encoding& encoding);

// Codes and scales of `matrix` in equivalent_of(its encoding), which must exist (InternalError).
// group_int to blocks: UserError unless 32 divides the columns.
PackedMatrix transcode(const PackedMatrix& matrix);

}  // namespace pith

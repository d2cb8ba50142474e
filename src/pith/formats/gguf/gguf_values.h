// Metadata values of GGUF files. Source: formats.md 4.1.
#pragma once

#include <cstdint>

#include "pith/formats/gguf/gguf.h"
#include "pith/formats/gguf/gguf_reader.h"

namespace pith {

// Under the ids of the format.
enum class GgufValueType : std::uint32_t {
  kU8 = 0,
  kI8 = 1,
  kU16 = 2,
  kI16 = 3,
  kU32 = 4,
  kI32 = 5,
  kF32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kU64 = 10,
  kI64 = 11,
  kF64 = 12
};

GgufValueType read_gguf_value_type(GgufReader& reader);

// Refuses arrays of arrays, as ggml does, booleans other than 0 and 1, array elements from 2^63 on
// and single strings that are not UTF-8 (tokens, which stand in arrays, may be any bytes).
GgufValue read_gguf_value(GgufReader& reader, GgufValueType type);

}  // namespace pith

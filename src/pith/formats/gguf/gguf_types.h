// The tensor types of GGUF files. Source: formats.md 4.2.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "pith/codec/encoding.h"

namespace pith {

// A block of `block_elements` neighbours in a row takes `block_bytes`.
struct GgufType {
  std::uint32_t id = 0;
  std::string_view name;
  std::uint32_t block_elements = 1;
  std::uint32_t block_bytes = 0;
};

// Null for ids that no file of today may hold: unknown ones, and removed ones.
const GgufType* find_gguf_type(std::uint32_t id);

// The name of a type that was removed from the format (its ids are not used again), else "".
std::string_view removed_gguf_type(std::uint32_t id);

// How Pith calls a type that it decodes; nullopt for the others.
std::optional<Encoding> encoding_of_gguf_type(std::uint32_t id);

// The type that holds an encoding bit for bit. UserError for encodings that no GGUF type holds.
const GgufType& gguf_type_of(const Encoding& encoding);

}  // namespace pith

// The bytes of a GGUF file -> metadata and tensors. GgufFile is the face of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "pith/formats/gguf/gguf.h"

namespace pith {

// Of a file, and of all files of a split model.
constexpr std::uint64_t kMaxGgufTensors = std::uint64_t{1} << 18;

struct GgufContents {
  std::uint32_t version = 0;
  std::vector<std::pair<std::string, GgufValue>> metadata;
  std::map<std::string, std::size_t, std::less<>> keys;   // key -> index in metadata
  std::vector<std::span<const std::byte>> values;         // of metadata: type and value in the file
  std::vector<GgufTensor> tensors;                        // their bytes point into the file
  std::map<std::string, std::size_t, std::less<>> names;  // name -> index in tensors
};

// Checks every rule of formats.md 4.1, but for the padding after the last tensor. Memory stays
// within about ten times the metadata's bytes in the file. Throws FormatError "place: at byte N,
// ...".
GgufContents parse_gguf(std::span<const std::byte> file, const std::string& place);

}  // namespace pith

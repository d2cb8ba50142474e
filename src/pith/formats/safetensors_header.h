// The header of a safetensors file: parsing with every check of formats.md 1.4 and 1.7, and its
// exact text for writing.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pith/formats/safetensors.h"

namespace pith {

constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;
// Of one file or index; published models have up to half as many. Each takes some 900 bytes.
constexpr std::size_t kMaxTensors = std::size_t{1} << 18;
constexpr std::size_t kHeaderLengthBytes = 8;

struct HeaderTensor {
  TensorSpec spec;
  std::uint64_t begin = 0, end = 0;  // in the byte buffer behind the header
};

struct SafetensorsHeader {
  std::vector<HeaderTensor> tensors;  // in the order of the buffer, which they fill without holes
  std::map<std::string, std::string> metadata;
};

// `json` is the header text, padding included; `buffer_bytes` what follows it in the file. Throws
// FormatError.
SafetensorsHeader parse_safetensors_header(std::string_view json,
                                           std::uint64_t buffer_bytes,
                                           const std::string& place);

// Length prefix, JSON with metadata {"format":"pt"}, spaces up to a multiple of 8: what stands
// before the buffer. Throws FormatError if it would exceed kMaxHeaderBytes.
std::string safetensors_prologue(std::span<const HeaderTensor> tensors, const std::string& place);

}  // namespace pith

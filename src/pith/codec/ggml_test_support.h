// What the tests of GGUF blocks share.
#pragma once

#include <cctype>
#include <span>
#include <string>

#include "pith/codec/ggml_blocks.h"
#include "pith/codec/test_support.h"

namespace pith {

// The type that a golden calls "q4_K".
inline GgmlType ggml_type_of(std::string name) {
  for (char& c : name) c = static_cast<char>(std::toupper(c));
  return parse_enum<GgmlType>(name, "golden");
}

// The bits of the generator that the goldens' scripts use.
class GoldenDraws {
 public:
  explicit GoldenDraws(std::uint32_t seed) : state_(seed) {}
  std::uint32_t next() { return state_ = state_ * 1664525u + 1013904223u; }

 private:
  std::uint32_t state_;
};

inline std::string fnv1a(std::span<const std::byte> bytes) {
  std::uint64_t state = 0xcbf29ce484222325u;
  for (const std::byte b : bytes)
    state = (state ^ std::to_integer<std::uint64_t>(b)) * 0x100000001b3u;
  return fmt::format("{:016x}", state);
}

}  // namespace pith

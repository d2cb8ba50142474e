// How errors and tables write a shape: "[49152, 576]".
#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace pith {

inline std::string shape_text(std::span<const std::int64_t> shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}
inline std::string shape_text(std::size_t rows, std::size_t cols) {
  return fmt::format("[{}, {}]", rows, cols);
}

}  // namespace pith

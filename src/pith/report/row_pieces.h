// Reading a matrix in pieces of rows that fit the cache, several at a time.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "pith/base/threads.h"

namespace pith {

struct RowPiece {
  std::size_t first = 0;
  std::size_t count = 0;
};

// body(RowPiece) for all pieces of [0, rows); the results lie in the order of the rows. Pieces do
// not depend on the number of threads, so neither does a sum over the results in their order.
template <class Body>
auto map_row_pieces(std::size_t rows, std::size_t cols, const Body& body) {
  // 64 KiB of f32 stay in a second-level cache beside what they are made of
  constexpr std::size_t kPieceElements = std::size_t{1} << 14;
  const std::size_t step =
      std::max<std::size_t>(1, kPieceElements / std::max<std::size_t>(1, cols));
  std::vector<decltype(body(RowPiece{}))> results((rows + step - 1) / step);
  parallel_for(rows, step, [&](std::size_t first, std::size_t last) {
    for (std::size_t r = first; r < last; r += step)
      results[r / step] = body(RowPiece{r, std::min(step, last - r)});
  });
  return results;
}

}  // namespace pith

// How a compressed weight uses its codes and what its scales are like.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "pith/codec/packed_matrix.h"
#include "pith/report/tensor_statistics.h"

namespace pith {

// How often each code occurs, in the order of the values that the codes stand for.
struct CodeUse {
  int bits = 0;
  std::vector<std::uint64_t> counts;  // 2^bits

  std::uint64_t total() const;
  std::size_t used() const;
  double entropy_bits() const;  // of the codes' distribution; `bits` if all are used alike
  double ends_share() const;    // of the lowest and the highest code together, 0 to 1; those of
                                // float8 are NaN or Inf
};

// Empty for dense encodings.
struct PackedStatistics {
  std::optional<ValueStatistics>
      scales;  // absmax of codebook blocks; with sub-scales, the products
  std::optional<ValueStatistics> offsets;  // zero points, or the minima of GGUF blocks
  std::optional<CodeUse> codes;
};
PackedStatistics packed_statistics(const PackedMatrix& matrix);

}  // namespace pith

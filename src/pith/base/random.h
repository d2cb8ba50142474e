// Counter-based random numbers: number i of a stream is a pure function of (seed, stream, i), so
// that any thread may make any of them and every thread count gives the same stream.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace pith {

// Philox4x32-10. Source: Salmon et al. 2011, "Parallel Random Numbers: As Easy as 1, 2, 3"
// (Random123 known answers).
class Random {
 public:
  Random(std::uint64_t seed, std::uint64_t stream) : seed_(seed), stream_(stream) {}

  std::array<std::uint32_t, 4> block(std::uint64_t counter) const;
  std::uint32_t bits(std::uint64_t index) const;  // uniform over 2^32
  double uniform(std::uint64_t index) const;      // [0, 1), 53 bits
  float normal(std::uint64_t index) const;        // N(0, 1) by Box-Muller
  std::uint64_t below(std::uint64_t index, std::uint64_t bound)
      const;  // [0, bound), bound > 0, without modulo bias beyond 2^-64 * bound

 private:
  std::uint64_t seed_, stream_;
};

// A permutation of 0..count-1 (Fisher-Yates).
std::vector<std::uint32_t> random_permutation(std::size_t count, const Random& random);

// A stream number from a name, so that parts of a model draw independently of each other's order
// (FNV-1a 64).
std::uint64_t stream_of(std::string_view name);

}  // namespace pith

// Loops that keep one unit of the processor busy. Each returns a value that depends on all its
// work.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace pith {

// One loop: does `rounds` rounds of `operations_per_round` operations on this thread.
struct PeakLoop {
  std::string_view name;  // field of MachinePeak it serves
  bool (*runs_here)();
  float (*run)(std::int64_t rounds);
  double operations_per_round;
};

// For each name the best loop first; every name's last row but "fp32" may be absent on this
// processor.
std::span<const PeakLoop> peak_loops();

// Sum of all 8-byte words; reads each byte once.
std::uint64_t read_all(std::span<const std::uint64_t> words);

}  // namespace pith

// What Pith calls memory: RssAnon + RssShmem of the process and its children. Mapped file pages are
// apart.
#pragma once

#include <cstdint>
#include <memory>

namespace pith {

struct MemoryUse {
  std::uint64_t resident_bytes = 0;     // RssAnon + RssShmem of the process tree
  std::uint64_t mapped_file_bytes = 0;  // RssFile of the process tree
};
MemoryUse memory_now();

// The highest resident_bytes since start_memory_meter() or the last reset, as a sampling thread
// (every 2 ms; children every 50 ms) and the calls themselves have seen it. The meter runs once a
// process. memory_now() reads a file of /proc for each process of the machine, about 1 ms;
// memory_peak_bytes() takes microseconds.
void start_memory_meter();
std::uint64_t memory_peak_bytes();
void reset_memory_peak();

}  // namespace pith

#include "pith/kernels/machine_peak.h"

#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "pith/base/threads.h"
#include "pith/kernels/peak_loops.h"

namespace pith {
namespace {

constexpr int kRuns = 5;
constexpr double kRunSeconds = 0.04;
constexpr std::size_t kBytesPerThread = std::size_t{256}
                                        << 20;  // far beyond any last-level cache here

double seconds_of(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Runs body(thread) once on every thread.
void on_each_thread(const std::function<void(std::size_t)>& body) {
  parallel_for(
      static_cast<std::size_t>(num_threads()), 1, [&](std::size_t first, std::size_t last) {
        for (std::size_t i = first; i < last; ++i) body(i);
      });
}

// Billions of operations a second of the first loop of that name that runs here.
std::optional<double> measure_loop(std::string_view name) {
  const auto loops = peak_loops();
  const auto loop = std::find_if(loops.begin(), loops.end(), [&](const PeakLoop& l) {
    return l.name == name && l.runs_here();
  });
  if (loop == loops.end()) return std::nullopt;
  volatile float sink = 0;
  std::int64_t rounds = 1000;
  const auto run = [&] {
    return seconds_of([&] { on_each_thread([&](std::size_t) { sink = loop->run(rounds); }); });
  };
  while (run() < kRunSeconds) rounds *= 2;
  double best = run();
  for (int i = 1; i < kRuns; ++i) best = std::min(best, run());
  return static_cast<double>(rounds) * loop->operations_per_round * num_threads() / best / 1e9;
}

}  // namespace

double measure_read_bandwidth() {
  const std::size_t words = kBytesPerThread / sizeof(std::uint64_t);
  std::vector<std::unique_ptr<std::uint64_t[]>> memory(static_cast<std::size_t>(num_threads()));
  for (auto& block : memory) {
    block = std::make_unique_for_overwrite<std::uint64_t[]>(words);
    madvise(block.get(), kBytesPerThread, MADV_HUGEPAGE);
  }
  on_each_thread([&](std::size_t i) { std::fill_n(memory[i].get(), words, i); });
  volatile std::uint64_t sink = 0;
  double best = 1e9;
  for (int run = 0; run < kRuns; ++run)
    best = std::min(
        best, seconds_of([&] {
          on_each_thread([&](std::size_t i) { sink = read_all({memory[i].get(), words}); });
        }));
  return static_cast<double>(kBytesPerThread) * num_threads() / best / 1e9;
}

MachinePeak measure_peak() {
  MachinePeak peak;
  peak.read_gb_per_s = measure_read_bandwidth();
  peak.fp32_gflops = *measure_loop("fp32");
  peak.bf16_gflops = measure_loop("bf16");
  peak.int8_vnni_gops = measure_loop("int8");
  peak.bf16_amx_gflops = measure_loop("bf16_amx");
  peak.int8_amx_gops = measure_loop("int8_amx");
  return peak;
}

}  // namespace pith

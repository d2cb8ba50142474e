// What this machine can do at best, measured: the yardstick of every benchmark.
#pragma once

#include <optional>

namespace pith {

// Billions of bytes or operations a second on num_threads() threads; a multiply-add counts as two
// operations.
struct MachinePeak {
  double read_gb_per_s = 0;
  double fp32_gflops = 0;
  std::optional<double> bf16_gflops;     // AVX-512 BF16
  std::optional<double> int8_vnni_gops;  // AVX-512 VNNI, else AVX-VNNI
  std::optional<double> bf16_amx_gflops;
  std::optional<double> int8_amx_gops;
};

// Best of five runs of at least 40 ms each; about a second in all, 256 MiB of memory a thread.
MachinePeak measure_peak();
// Only the read bandwidth.
double measure_read_bandwidth();

}  // namespace pith

// pith bench peak: what this machine can do at best.
#include <fmt/format.h>

#include "pith/base/isa.h"
#include "pith/base/threads.h"
#include "pith/cli/commands.h"
#include "pith/kernels/machine_peak.h"
#include "pith/report/table.h"

namespace pith {

int run_bench_peak(const BenchOptions&, const GlobalOptions& global) {
  const MachinePeak peak = measure_peak();
  const Json json{{"isa", isa_name()},
                  {"threads", num_threads()},
                  {"read_gb_per_s", peak.read_gb_per_s},
                  {"fp32_gflops", peak.fp32_gflops},
                  {"bf16_gflops", option_to_json(peak.bf16_gflops)},
                  {"int8_vnni_gops", option_to_json(peak.int8_vnni_gops)},
                  {"bf16_amx_gflops", option_to_json(peak.bf16_amx_gflops)},
                  {"int8_amx_gops", option_to_json(peak.int8_amx_gops)}};
  if (global.json) {
    fmt::print("{}\n", json.dump(2));
    return 0;
  }
  for (const auto& [key, value] : json.items())
    fmt::print("{:<16} {}\n",
               key,
               value.is_number_float() ? fmt::format("{:.1f}", value.get<double>())
               : value.is_null()       ? "not here"
               : value.is_string()     ? value.get<std::string>()
                                       : value.dump());
  return 0;
}

}  // namespace pith

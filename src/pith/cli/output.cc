#include "pith/cli/output.h"

#include <fmt/format.h>

#include "pith/report/output.h"
#include "pith/report/report.h"

namespace pith {
namespace {

void print_result(const ConversionRun& run, const RunReport& report, bool json) {
  if (json) {
    fmt::print("{}\n", to_json(report).dump(2));
    return;
  }
  fmt::print("{}: {:.1f} MB, {:.3f} bits per weight, {:.1f} s, peak memory {} ({} forecast); {}\n",
             run.output.string(),
             static_cast<double>(report.size->total_bytes) / 1e6,
             report.size->bits_per_weight,
             report.measured.seconds,
             format_size(report.measured.peak_bytes),
             format_size(report.forecast->peak_bytes),
             report.verified.empty() ? "not verified" : report.verified);
}

}  // namespace

int run_conversion(const ConversionRun& run, const GlobalOptions& global) {
  const Checkpoint& source = run.source;
  check_output_name(run.conversion.format, run.output);
  OutputRun output({run.command, run.options, source.files()}, run.output);
  if (output.finished_before()) {
    if (global.json)
      fmt::print("{}\n", read_json_file(output.report_path()).dump(2));
    else
      fmt::print("{}: already finished by this same command\n", run.output.string());
    return 0;
  }
  const ConversionResult result =
      convert_checkpoint(source, output.folder(), run.plan, run.conversion);
  RunReport report;
  report.forecast = result.forecast;
  report.measured = result.measured;
  report.matrices = result.matrices;
  report.size = result.size;
  report.verified = result.verified;
  output.finish(report);
  report.command = run.command;
  report.options = run.options;
  print_result(run, report, global.json);
  return 0;
}

}  // namespace pith

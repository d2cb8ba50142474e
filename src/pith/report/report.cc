#include "pith/report/report.h"

#include "pith/base/atomic_file.h"
#include "pith/base/isa.h"
#include "pith/report/revision.h"

namespace pith {
namespace {

Json text_or_null(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

template <class T>
Json value_or_null(const std::optional<T>& value) {
  return value ? to_json(*value) : Json(nullptr);
}

Json matrix_to_json(const MatrixReport& matrix) {
  return {{"name", matrix.name},
          {"encoding", to_string(matrix.encoding)},
          {"bits", matrix.bits},
          {"relative_error", matrix.relative_error},
          {"fallback", text_or_null(matrix.fallback)}};
}

}  // namespace

Json to_json(const Cost& cost) {
  return {
      {"peak_bytes", cost.peak_bytes}, {"disk_bytes", cost.disk_bytes}, {"seconds", cost.seconds}};
}

Json to_json(const SizeReport& size) {
  Json parts = Json::object();
  for (const auto& [name, bytes] : size.parts) parts[name] = bytes;
  return {{"size_bytes", size.total_bytes},
          {"parameters", size.parameters},
          {"bits_per_weight", size.bits_per_weight},
          {"parts", std::move(parts)}};
}

Json to_json(const RunReport& report) {
  Json inputs = Json::array(), matrices = Json::array();
  for (const InputFile& input : report.inputs)
    inputs.push_back({{"name", input.name}, {"sha256", input.sha256}});
  for (const MatrixReport& matrix : report.matrices) matrices.push_back(matrix_to_json(matrix));
  return {{"command", report.command},
          {"revision", revision()},
          {"isa", isa_name()},
          {"options", report.options},
          {"inputs", std::move(inputs)},
          {"forecast", value_or_null(report.forecast)},
          {"measured", to_json(report.measured)},
          {"size", value_or_null(report.size)},
          {"verified", text_or_null(report.verified)},
          {"evaluation", report.evaluation},
          {"matrices", std::move(matrices)}};
}

void write_report(const RunReport& report, const std::filesystem::path& folder) {
  // Names of files may hold bytes that are not UTF-8; a report is written all the same.
  const auto keep_going = Json::error_handler_t::replace;
  write_file_atomically(folder / "report.json",
                        to_json(report).dump(2, ' ', false, keep_going) + "\n");
}

std::string revision() {
  constexpr std::string_view kGit = kGitRevision;
  std::string text(kProgramVersion);
  if (!kGit.empty()) text.append(" (").append(kGit).append(")");
  return text;
}

}  // namespace pith

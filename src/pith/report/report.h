// report.json: what was asked, from what, what came out, forecast beside measurement. See docs/formats.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "pith/base/json.h"
#include "pith/conversion/result.h"

namespace pith {

struct InputFile {
  std::string name;
  std::string sha256;
};

struct RunReport {
  std::string command;
  Json options;
  std::vector<InputFile> inputs;
  std::optional<Cost> forecast;
  Cost measured;
  std::vector<MatrixReport> matrices;
  std::optional<SizeReport> size;
  std::string verified;               // what the check after writing compared; empty: not verified
  Json evaluation;                    // null: none
};
Json to_json(const RunReport& report);  // adds `revision` (program version and git revision) and `isa`
void write_report(const RunReport& report, const std::filesystem::path& folder);  // report.json
std::string revision();                 // "0.1.0 (df15a00)"

}  // namespace pith

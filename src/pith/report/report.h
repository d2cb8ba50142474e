// report.json: what was asked, from what, what came out, forecast beside measurement. See
// docs/formats.md.
#pragma once

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
  std::string verified;  // what the check after writing compared; empty: not verified
  Json evaluation;       // null: none
};

// Adds `revision` and `isa`; what is absent is null, so every key is there always.
Json to_json(const RunReport& report);
Json to_json(const Cost& cost);
Json to_json(const SizeReport& size);

void write_report(const RunReport& report, const std::filesystem::path& folder);  // report.json

// Program version and git revision of the build, "0.1.0 (df15a00)"; "0.1.0" for a tree without git.
std::string revision();

}  // namespace pith

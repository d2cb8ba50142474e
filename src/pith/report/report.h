// report.json: what was asked, from what, what came out, forecast beside measurement. See docs/formats.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "pith/base/json.h"
#include "pith/codec/packed_matrix.h"

namespace pith {

// Cost of a run; the same keys forecast and measured.
struct Cost {
  std::uint64_t peak_bytes = 0;
  std::uint64_t disk_bytes = 0;
  double seconds = 0;
};

struct MatrixReport {
  std::string name;
  Encoding encoding;
  double bits = 0;             // stored bits per weight, scales and zero points included
  double relative_error = 0;   // sqrt(sum (w - w')^2 / sum w^2)
  std::string fallback;        // empty: none
};

// Where the bytes of the folder are.
struct SizeReport {
  std::uint64_t total_bytes = 0;      // all files needed to run
  std::uint64_t parameters = 0;
  double bits_per_weight = 0;         // 8 * total_bytes / parameters
  std::map<std::string, std::uint64_t> parts;  // embedding, head, linears, norms_and_biases, headers, tokenizer, config
};

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

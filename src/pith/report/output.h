// An output and its report: nothing under the final name until complete, the same command twice
// does the work once. The output is a folder that holds report.json, or, if its name ends in .gguf,
// a file (or the files OUT-00001-of-0000N.gguf that it is split into) beside OUT.report.json.
#pragma once

#include <filesystem>
#include <future>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "pith/base/atomic_file.h"
#include "pith/base/json.h"
#include "pith/report/report.h"

namespace pith {

// What a run is, as its report.json records it; equal identities give equal outputs.
struct RunIdentity {
  std::string command;
  Json options;                               // without the output's name
  std::vector<std::filesystem::path> inputs;  // files read
};

class OutputRun {
 public:
  // Throws FormatError if `output` exists and is not the finished output of this same run, or
  // cannot be made.
  OutputRun(RunIdentity identity, std::filesystem::path output);
  ~OutputRun();

  // True if `output` is there already, made by this very run: nothing is left to do.
  bool finished_before() const { return folder_ == nullptr; }
  const std::filesystem::path& output() const { return output_; }
  const std::filesystem::path& folder() const;  // write here
  // Completes the report with identity and hashes, writes it, and gives the output its name.
  void finish(RunReport report);
  const std::filesystem::path& report_path() const { return report_path_; }

 private:
  bool is_file() const;
  void move_files() const;

  RunIdentity identity_;
  std::filesystem::path output_, report_path_;
  std::unique_ptr<AtomicFolder> folder_;
  std::stop_source stop_;                       // an error need not wait for the hashes
  std::future<std::vector<InputFile>> hashes_;  // made while the work goes on
};

}  // namespace pith

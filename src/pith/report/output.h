// An output folder and its report.json: nothing under the final name until complete, the same
// command twice does the work once.
#pragma once

#include <filesystem>
#include <future>
#include <memory>
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
  // Completes the report with identity and hashes, writes it, and gives the folder its name.
  void finish(RunReport report);

 private:
  RunIdentity identity_;
  std::filesystem::path output_;
  std::unique_ptr<AtomicFolder> folder_;
  std::future<std::vector<InputFile>> hashes_;  // made while the work goes on
};

}  // namespace pith

#include "pith/report/output.h"

#include <utility>

#include "pith/base/error.h"
#include "pith/base/sha256.h"

namespace pith {
namespace {

std::vector<InputFile> hash_files(const std::vector<std::filesystem::path>& files) {
  std::vector<InputFile> hashes;
  for (const auto& file : files) hashes.push_back({file.filename().string(), sha256_file(file)});
  return hashes;
}

Json inputs_to_json(const std::vector<InputFile>& inputs) {
  Json list = Json::array();
  for (const InputFile& input : inputs)
    list.push_back({{"name", input.name}, {"sha256", input.sha256}});
  return list;
}

// Whether `output` holds the report of a run with this identity.
bool is_output_of(const std::filesystem::path& output, const RunIdentity& identity) {
  const std::filesystem::path path = output / "report.json";
  if (!std::filesystem::is_regular_file(path)) return false;
  const Json report = read_json_file(path);
  if (!report.is_object()) return false;
  if (report.value("command", "") != identity.command) return false;
  if (report.value("options", Json()) != identity.options) return false;
  return report.value("inputs", Json()) == inputs_to_json(hash_files(identity.inputs));
}

}  // namespace

OutputRun::OutputRun(RunIdentity identity, std::filesystem::path output)
    : identity_(std::move(identity)), output_(std::move(output)) {
  if (std::filesystem::exists(std::filesystem::symlink_status(output_))) {
    if (is_output_of(output_, identity_)) return;
    throw FormatError({.place = output_.string(),
                       .expected = "a new name",
                       .found = "something that exists and was not made by this same command",
                       .remedy = "choose another -o, or remove it"});
  }
  folder_ = std::make_unique<AtomicFolder>(output_);
  hashes_ = std::async(std::launch::async, hash_files, identity_.inputs);
}

OutputRun::~OutputRun() = default;

const std::filesystem::path& OutputRun::folder() const {
  PITH_CHECK(folder_ != nullptr);
  return folder_->path();
}

void OutputRun::finish(RunReport report) {
  report.command = identity_.command;
  report.options = identity_.options;
  report.inputs = hashes_.get();
  write_report(report, folder());
  folder_->commit();
}

}  // namespace pith

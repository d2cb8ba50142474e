#include "pith/report/output.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "pith/base/error.h"
#include "pith/base/sha256.h"

namespace pith {
namespace {

std::vector<InputFile> hash_files(const std::vector<std::filesystem::path>& files,
                                  const std::stop_token& stop) {
  std::vector<InputFile> hashes;
  for (const auto& file : files)
    hashes.push_back({file.filename().string(), sha256_file(file, stop)});
  return hashes;
}

Json inputs_to_json(const std::vector<InputFile>& inputs) {
  Json list = Json::array();
  for (const InputFile& input : inputs)
    list.push_back({{"name", input.name}, {"sha256", input.sha256}});
  return list;
}

// Whether `path` is the report of a run with this identity.
bool is_report_of(const std::filesystem::path& path, const RunIdentity& identity) {
  if (!std::filesystem::is_regular_file(path)) return false;
  Json report;
  try {
    report = read_json_file(path);
  } catch (const FormatError&) {  // somebody else's file
    return false;
  }
  const auto equals = [&](const char* key, const Json& value) {
    return report.is_object() && report.contains(key) && report[key] == value;
  };
  return equals("command", identity.command) && equals("options", identity.options) &&
         equals("inputs", inputs_to_json(hash_files(identity.inputs, {})));
}

constexpr std::string_view kFileExtension = ".gguf";

// "out/x.gguf" or the first part "out/x-00001-of-0000N.gguf" of a split file.
bool file_exists(const std::filesystem::path& output) {
  namespace fs = std::filesystem;
  if (fs::exists(fs::symlink_status(output))) return true;
  const std::string start = output.stem().string() + "-00001-of-";
  const fs::path folder = output.has_parent_path() ? output.parent_path() : fs::path(".");
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(start) && name.ends_with(kFileExtension)) return true;
  }
  return false;
}

}  // namespace

OutputRun::OutputRun(RunIdentity identity, std::filesystem::path output)
    : identity_(std::move(identity)), output_(std::move(output)) {
  if (!output_.has_filename()) output_ = output_.parent_path();  // "out/"
  report_path_ = output_ / "report.json";
  if (is_file()) (report_path_ = output_).replace_extension(".report.json");
  const bool exists = is_file() ? file_exists(output_)
                                : std::filesystem::exists(std::filesystem::symlink_status(output_));
  if (exists) {
    if (is_report_of(report_path_, identity_)) return;
    throw FormatError({.place = output_.string(),
                       .expected = "a new name",
                       .found = "something that exists and was not made by this same command",
                       .remedy = "choose another -o, or remove it"});
  }
  folder_ = std::make_unique<AtomicFolder>(output_);
  hashes_ = std::async(std::launch::async, hash_files, identity_.inputs, stop_.get_token());
}

bool OutputRun::is_file() const { return output_.extension() == kFileExtension; }

OutputRun::~OutputRun() { stop_.request_stop(); }

const std::filesystem::path& OutputRun::folder() const {
  PITH_CHECK(folder_ != nullptr);
  return folder_->path();
}

// "model-00001-of-00002.gguf" becomes "OUT-00001-of-00002.gguf": the report first, then the parts
// from the last to the first, without which the others are no model.
void OutputRun::move_files() const {
  namespace fs = std::filesystem;
  std::vector<fs::path> parts;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder()))
    if (entry.path().extension() == kFileExtension) parts.push_back(entry.path());
  PITH_CHECK(!parts.empty());
  std::sort(parts.rbegin(), parts.rend());
  move_durably(folder() / "report.json", report_path_);
  for (const fs::path& part : parts) {
    const std::string stem = part.stem().string();
    const std::size_t dash = stem.find('-');
    const std::string suffix = dash == std::string::npos ? "" : stem.substr(dash);
    fs::path target = output_;
    target.replace_filename(output_.stem().string() + suffix + std::string(kFileExtension));
    move_durably(part, target);
  }
}

void OutputRun::finish(RunReport report) {
  report.command = identity_.command;
  report.options = identity_.options;
  report.inputs = hashes_.get();
  write_report(report, folder());
  if (is_file())
    move_files();
  else
    folder_->commit();
}

}  // namespace pith

// The files of a model folder beside weights and config.
#include <algorithm>
#include <array>

#include "pith/base/atomic_file.h"
#include "pith/base/error.h"
#include "pith/base/log.h"
#include "pith/formats/checkpoint_state.h"
#include "pith/formats/safetensors.h"

namespace pith {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kNeededToRun[] = {"tokenizer.json",
                                             "tokenizer_config.json",
                                             "special_tokens_map.json",
                                             "chat_template.jinja",
                                             "vocab.json",
                                             "merges.txt",
                                             "tokenizer.model",
                                             "added_tokens.json",
                                             "generation_config.json"};

// Weights of any kind, with the indices of their shards; what Pith writes anew; what is hidden.
bool belongs_to_weights(const std::string& name) {
  constexpr std::string_view kSuffixes[] = {".safetensors",
                                            ".index.json",
                                            ".bin",
                                            ".pt",
                                            ".pth",
                                            ".h5",
                                            ".msgpack",
                                            ".onnx",
                                            ".onnx_data",
                                            ".gguf",
                                            ".ckpt"};
  return std::any_of(std::begin(kSuffixes), std::end(kSuffixes), [&](std::string_view suffix) {
    return name.ends_with(suffix);
  });
}

// What the writer makes anew: what the source's says is not of the new weights.
constexpr std::string_view kWrittenAnew[] = {
    "config.json", "report.json", "quantize_config.json", "quant_config.json"};

bool is_side_file(const std::string& name) {
  return std::ranges::find(kWrittenAnew, name) == std::end(kWrittenAnew) &&
         !name.starts_with('.') && !belongs_to_weights(name);
}

// A link out of the folder could make a private file part of a model that is passed on.
bool is_own_file(const fs::path& folder, const std::string& name) {
  std::error_code error;
  if (!fs::is_regular_file(folder / name, error)) return false;  // links to nothing too
  if (stays_in_folder(folder, name)) return true;
  log_warning("{}: not copied, since it is a link out of the folder", (folder / name).string());
  return false;
}

void copy_durably(const fs::path& from, const fs::path& to) {
  const MappedFile source(from);
  AtomicFile file(to);
  file.write(source.bytes());
  file.commit();
}

}  // namespace

std::vector<fs::path> side_files_to_run(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code ignored;
  for (const std::string_view name : kNeededToRun)
    if (fs::is_regular_file(folder / name, ignored)) files.push_back(folder / name);
  return files;
}

std::vector<std::string> copy_side_files(const Checkpoint& source, const fs::path& folder) {
  if (source.container() == Container::kGguf) return {};
  std::vector<std::string> names;
  std::error_code error;
  fs::directory_iterator entry(source.folder(), error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (is_side_file(name) && is_own_file(source.folder(), name)) names.push_back(name);
  }
  if (error)
    fail<FormatError>("{}: cannot list its files: {}", source.folder().string(), error.message());
  std::sort(names.begin(), names.end());
  for (const std::string& name : names) copy_durably(source.folder() / name, folder / name);
  return names;
}

}  // namespace pith

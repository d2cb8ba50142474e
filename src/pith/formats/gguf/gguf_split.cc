#include "pith/formats/gguf/gguf_split.h"

#include <string>

#include "pith/base/error.h"

namespace pith {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kListed = 4;  // names in a message

std::string suffix(std::size_t index, std::size_t count) {
  return fmt::format("-{:05}-of-{:05}.gguf", index + 1, count);
}

}  // namespace

fs::path gguf_shard_path(const fs::path& whole, std::size_t index, std::size_t count) {
  const fs::path stem = whole.extension() == ".gguf" ? whole.stem() : whole.filename();
  return whole.parent_path() / (stem.string() + suffix(index, count));
}

std::vector<fs::path> find_gguf_shards(const fs::path& path, std::size_t index, std::size_t count) {
  std::string name = path.filename().string();
  if (!name.ends_with(suffix(index, count)))
    throw FormatError(ErrorParts{path.string(),
                                 fmt::format("a name that ends in '{}', as file {} of {} of a "
                                             "split model",
                                             suffix(index, count),
                                             index + 1,
                                             count),
                                 fmt::format("'{}'", name),
                                 "give the files the names that llama-gguf-split gives them"});
  name.resize(name.size() - suffix(index, count).size());
  std::vector<fs::path> paths;
  std::vector<std::string> missing;
  for (std::size_t i = 0; i < count; ++i) {
    paths.push_back(path.parent_path() / (name + suffix(i, count)));
    std::error_code ignored;
    if (!fs::exists(paths.back(), ignored)) missing.push_back(paths.back().filename().string());
  }
  if (missing.empty()) return paths;
  const std::size_t more = missing.size() > kListed ? missing.size() - kListed : 0;
  missing.resize(missing.size() - more);
  throw FormatError(ErrorParts{
      path.string(),
      fmt::format("the {} files of a split model beside each other", count),
      fmt::format(
          "no {}{}", fmt::join(missing, ", "), more == 0 ? "" : fmt::format(" and {} more", more)),
      "put them into the same folder"});
}

}  // namespace pith

// The tokenizers of two models.
#include <algorithm>
#include <map>

#include "pith/base/sha256.h"
#include "pith/report/model_diff.h"

namespace pith {
namespace {

namespace fs = std::filesystem;

std::map<std::string, fs::path> side_files(const Checkpoint& model) {
  std::map<std::string, fs::path> files;
  const std::vector<fs::path> all = model.files();
  for (std::size_t i = model.weight_files().size(); i < all.size(); ++i)
    if (all[i].filename() != "config.json") files[all[i].filename().string()] = all[i];
  return files;
}

}  // namespace

std::vector<FileDifference> compare_side_files(const Checkpoint& a, const Checkpoint& b) {
  if (a.gguf() != nullptr || b.gguf() != nullptr) return {};
  const auto of_a = side_files(a), of_b = side_files(b);
  std::vector<FileDifference> files;
  for (const auto& [name, path] : of_a) {
    const auto other = of_b.find(name);
    const bool both = other != of_b.end();
    files.push_back({name, true, both, both && sha256_file(path) == sha256_file(other->second)});
  }
  for (const auto& [name, path] : of_b)
    if (!of_a.contains(name)) files.push_back({name, false, true, false});
  return files;
}

TokenizerDiff compare_tokenizers(const TokenizerFacts& a, const TokenizerFacts& b) {
  TokenizerDiff diff;
  diff.same_merges = a.merges_sha256 == b.merges_sha256;
  diff.same_special = a.special == b.special;
  const std::size_t size = std::max(a.tokens.size(), b.tokens.size());
  for (std::size_t id = 0; id < size; ++id) {
    const bool in_both = id < a.tokens.size() && id < b.tokens.size();
    if (in_both && a.tokens[id] == b.tokens[id]) continue;
    ++diff.differing_ids;
    if (!diff.first_differing_id) diff.first_differing_id = static_cast<std::int32_t>(id);
  }
  return diff;
}

}  // namespace pith

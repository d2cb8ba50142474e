// YAML documents (recipes): values with line and column in each error.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pith {

// A node of a parsed YAML document; cheap to copy, shares the document. Errors are UserError
// "recipe.yaml:7:12: at stages[0].quantize.bits: expected ..., found ...; did you mean ...".
class YamlNode {
 public:
  enum class Kind { kNull, kScalar, kList, kMap };

  Kind kind() const;
  std::vector<YamlNode> items() const;                            // of a list
  std::vector<std::pair<std::string, YamlNode>> members() const;  // of a map, in the order written
  std::optional<YamlNode> find(std::string_view key) const;  // of a map; without a value: kNull
  YamlNode at(std::string_view key) const;
  // Throws unless this is a map whose keys all occur in `allowed`; offers the nearest name.
  void allow_keys(std::span<const std::string_view> allowed) const;

  std::string string() const;
  bool boolean() const;
  double number() const;
  std::int64_t integer(std::int64_t low, std::int64_t high) const;

  std::string place() const;        // "recipe.yaml:7:12"
  const std::string& path() const;  // "stages[0].quantize"
  [[noreturn]] void fail(std::string_view expected,
                         std::string_view found = {},
                         std::string_view remedy = {}) const;

  struct Impl;  // yaml-cpp stays out of this header
  explicit YamlNode(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

 private:
  std::shared_ptr<const Impl> impl_;
};

// At most 1 MiB and 64 levels deep; duplicate keys, anchors, aliases and tags are refused.
// Throws UserError with line and column, FormatError if the file cannot be read.
YamlNode parse_yaml(std::string_view text, const std::string& place);
YamlNode read_yaml_file(const std::filesystem::path& path);

}  // namespace pith

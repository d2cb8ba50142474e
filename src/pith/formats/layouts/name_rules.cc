#include "pith/formats/layouts/name_rules.h"

#include <algorithm>
#include <cctype>

#include "pith/base/error.h"

namespace pith {
namespace {

constexpr std::size_t kMaxPatterns = 256;
constexpr std::string_view kSpecial = ".^$*+?{}[]()|\\";

// The name that "^name$" stands for, if it is no more than a name.
std::optional<std::string> plain_name(std::string_view pattern) {
  if (pattern.size() < 2 || pattern.front() != '^' || pattern.back() != '$') return std::nullopt;
  pattern = pattern.substr(1, pattern.size() - 2);
  std::string name;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    char c = pattern[i];
    if (c == '\\') {
      if (++i == pattern.size()) return std::nullopt;
      c = pattern[i];
      if (std::isalnum(static_cast<unsigned char>(c)) || c == '_') return std::nullopt;  // a class
    } else if (kSpecial.find(c) != std::string_view::npos) {
      return std::nullopt;
    }
    name += c;
  }
  return name;
}

}  // namespace

void NameRules::add(std::string_view pattern, const JsonCursor& cursor) {
  const std::size_t index = count_++;
  if (place_.empty()) place_ = cursor.place();
  if (auto name = plain_name(pattern)) {
    names_.emplace(std::move(*name), index);
    return;
  }
  if (patterns_.size() == kMaxPatterns)
    cursor.fail(fmt::format("at most {} regular expressions besides plain names", kMaxPatterns),
                "more",
                "write one expression for several modules");
  patterns_.push_back({index, std::string(pattern), NamePattern(pattern, cursor)});
}

std::optional<std::size_t> NameRules::first_match(const std::string& name) const {
  std::optional<std::size_t> first;
  if (const auto exact = names_.find(name); exact != names_.end()) first = exact->second;
  for (const Pattern& pattern : patterns_) {
    if (first && *first < pattern.index) break;
    if (time_.matches(pattern.compiled, name, place_, pattern.text)) return pattern.index;
  }
  return first;
}

std::string rule_for_name(std::string_view name) {
  std::string rule = "^";
  for (const char c : name) {
    if (kSpecial.find(c) != std::string_view::npos) rule += '\\';
    rule += c;
  }
  return rule + "$";
}

}  // namespace pith

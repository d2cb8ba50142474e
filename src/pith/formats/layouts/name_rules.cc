#include "pith/formats/layouts/name_rules.h"

#include <algorithm>
#include <cctype>
#include <ctime>

#include "pith/base/error.h"

namespace pith {
namespace {

constexpr std::size_t kMaxPatterns = 256;
constexpr double kMaxSeconds = 1;
constexpr std::string_view kSpecial = ".^$*+?{}[]()|\\";

double thread_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

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
  const double start = thread_seconds();
  for (const Pattern& pattern : patterns_) {
    if (first && *first < pattern.index) break;
    if (seconds_ + (thread_seconds() - start) > kMaxSeconds)
      fail<FormatError>(
          "{}: matching the names of modules takes more than {} s, last with '{}'; "
          "write simpler regular expressions",
          place_,
          kMaxSeconds,
          pattern.text);
    if (!pattern.compiled.matches(name)) continue;
    first = pattern.index;
    break;
  }
  seconds_ += thread_seconds() - start;
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

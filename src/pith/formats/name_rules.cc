#include "pith/formats/name_rules.h"

#include <algorithm>
#include <cctype>
#include <ctime>

#include "pith/base/error.h"

namespace pith {
namespace {

constexpr std::size_t kMaxBytes = 256;
constexpr std::size_t kMaxPatterns = 256;
constexpr std::size_t kMaxRepetitions = 1000;
constexpr double kMaxSeconds = 1;
constexpr std::string_view kSpecial = ".^$*+?{}[]()|\\";

// libstdc++'s matcher whose time is a polynomial of the name's length; it refuses back-references.
constexpr auto kFlags = std::regex_constants::ECMAScript | std::regex_constants::__polynomial;

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

// How many times the compiled pattern may be longer than its text, at most.
std::size_t repetitions(std::string_view pattern) {
  std::size_t product = 1;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '{') continue;
    std::size_t largest = 1, number = 0;
    for (++i; i < pattern.size() && pattern[i] != '}'; ++i) {
      const bool digit = std::isdigit(static_cast<unsigned char>(pattern[i])) != 0;
      number = digit ? number * 10 + static_cast<std::size_t>(pattern[i] - '0') : 0;
      largest = std::max(largest, number);
      if (largest > kMaxRepetitions) return largest;
    }
    product *= largest;
    if (product > kMaxRepetitions) return product;
  }
  return product;
}

std::size_t look_aheads(std::string_view pattern) {
  std::size_t count = 0;
  for (std::size_t i = 0; i + 2 < pattern.size(); ++i)
    count += pattern[i] == '(' && pattern[i + 1] == '?' &&
             (pattern[i + 2] == '=' || pattern[i + 2] == '!');
  return count;
}

void check_cost(std::string_view pattern, const JsonCursor& cursor) {
  if (pattern.size() > kMaxBytes)
    cursor.fail(fmt::format("a regular expression of at most {} bytes", kMaxBytes),
                fmt::format("{} bytes", pattern.size()));
  if (repetitions(pattern) > kMaxRepetitions)
    cursor.fail(fmt::format("a regular expression with repetitions of at most {}", kMaxRepetitions),
                fmt::format("'{}'", pattern));
  if (look_aheads(pattern) > 1)
    cursor.fail("a regular expression with at most one look-ahead", fmt::format("'{}'", pattern));
}

bool matches_start(const std::regex& pattern, const std::string& name) {
  return std::regex_search(name, pattern, std::regex_constants::match_continuous);
}

}  // namespace

void NameRules::add(std::string_view pattern, const JsonCursor& cursor) {
  const std::size_t index = count_++;
  if (place_.empty()) place_ = cursor.place();
  if (auto name = plain_name(pattern)) {
    names_.emplace(std::move(*name), index);
    return;
  }
  check_cost(pattern, cursor);
  if (patterns_.size() == kMaxPatterns)
    cursor.fail(fmt::format("at most {} regular expressions besides plain names", kMaxPatterns),
                "more",
                "write one expression for several modules");
  try {
    patterns_.push_back({index, std::string(pattern), std::regex(std::string(pattern), kFlags)});
  } catch (const std::regex_error&) {
    cursor.fail("a regular expression (ECMAScript, no back-references)",
                fmt::format("'{}'", pattern));
  }
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
    if (!matches_start(pattern.regex, name)) continue;
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

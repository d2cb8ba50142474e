// Rules over the names of modules, as the configurations of other programs write them.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <regex>
#include <string>
#include <string_view>
#include <vector>

#include "pith/base/json.h"

namespace pith {

// An ordered list of regular expressions (ECMAScript), each matched from the start of a name as
// Python's re.match does. They come from files, so their length, number and cost are bounded.
class NameRules {
 public:
  // `cursor` is the place for errors. FormatError for a pattern that is malformed or beyond the
  // bounds: 256 bytes, one look-ahead, no back-references, repetitions of together 1000; 256
  // patterns, not counting plain names "^model\.norm$".
  void add(std::string_view pattern, const JsonCursor& cursor);
  // The index of the first that matches. FormatError when all calls together took too long.
  std::optional<std::size_t> first_match(const std::string& name) const;
  std::size_t size() const { return count_; }

 private:
  struct Pattern {
    std::size_t index;
    std::string text;
    std::regex regex;
  };
  std::size_t count_ = 0;
  std::map<std::string, std::size_t, std::less<>> names_;  // rules that are plain names
  std::vector<Pattern> patterns_;
  std::string place_;
  mutable double seconds_ = 0;
};

// "^model\.layers\.0\.mlp\.up_proj$": the rule that matches this name alone.
std::string rule_for_name(std::string_view name);

}  // namespace pith

// Rules over the names of modules, as the configurations of other programs write them.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pith/base/json.h"
#include "pith/formats/layouts/name_pattern.h"

namespace pith {

// An ordered list of patterns (NamePattern), each matched from the start of a name. They come from
// files, so their number and the time they take are bounded.
class NameRules {
 public:
  // `cursor` is the place for errors. FormatError for what NamePattern refuses, and for more than
  // 256 patterns besides plain names "^model\.norm$".
  void add(std::string_view pattern, const JsonCursor& cursor);
  // The index of the first that matches. FormatError when all calls together took too long.
  std::optional<std::size_t> first_match(const std::string& name) const;
  std::size_t size() const { return count_; }

 private:
  struct Pattern {
    std::size_t index;
    std::string text;
    NamePattern compiled;
  };
  std::size_t count_ = 0;
  std::map<std::string, std::size_t, std::less<>> names_;  // rules that are plain names
  std::vector<Pattern> patterns_;
  std::string place_;
  mutable MatchTime time_;
};

// "^model\.layers\.0\.mlp\.up_proj$": the rule that matches this name alone.
std::string rule_for_name(std::string_view name);

}  // namespace pith

// The "pattern" of a tokenizer.json component: {"String": s} or {"Regex": r}.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "pith/base/json.h"
#include "pith/text/regex.h"

namespace pith {

class Pattern {
 public:
  // Throws FormatError naming the place in the document.
  static Pattern from_json(const JsonCursor& cursor);

  // All matches in `text`, in order, not overlapping.
  void for_each(std::string_view text,
                RegexScratch& scratch,
                const std::function<void(TextRange)>& use) const;
  std::string replace_all(std::string_view text,
                          std::string_view content,
                          RegexScratch& scratch) const;

 private:
  std::string literal_;  // not empty if there is no regex
  std::optional<Regex> regex_;
};

// A regex of the document; its errors name the place.
Regex regex_from_json(const JsonCursor& cursor);

}  // namespace pith

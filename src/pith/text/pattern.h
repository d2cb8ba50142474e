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
  // FormatError if the result would exceed `max_bytes`.
  std::string replace_all(std::string_view text,
                          std::string_view content,
                          std::size_t max_bytes,
                          RegexScratch& scratch) const;

 private:
  std::string literal_;  // not empty if there is no regex
  std::optional<Regex> regex_;
};

// Steps of one component: real ones have up to ten, and each costs time for every word.
constexpr std::size_t kMaxTextSteps = 64;

// Most bytes that normalizing or decoding may make of so many: far above what real files do (a
// space becomes 3 bytes, a ligature 33), while replacements that feed each other could fill memory.
constexpr std::size_t max_bytes_made_of(std::size_t bytes) { return 32 * bytes + 256; }

// A regex of the document; its errors name the place.
Regex regex_from_json(const JsonCursor& cursor);

}  // namespace pith

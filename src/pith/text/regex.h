// Regular expressions of tokenizer.json files, matched by PCRE2.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace pith {

// Room that matching needs; one for each thread, usable with every Regex.
class RegexScratch {
 public:
  RegexScratch();
  ~RegexScratch();
  RegexScratch(RegexScratch&&) noexcept;
  RegexScratch& operator=(RegexScratch&&) = delete;

 private:
  friend class Regex;
  struct Handles;
  std::unique_ptr<Handles> handles_;
};

struct TextRange {
  std::size_t begin = 0, end = 0;  // bytes
  bool operator==(const TextRange&) const = default;
};

// A pattern in the dialect of the `tokenizers` library (Oniguruma), compiled once, with Unicode
// classes. Constructs that the two engines read differently are translated, or refused by name.
// Immutable.
class Regex {
 public:
  // Throws FormatError (without a place) if the pattern is malformed, refused or over 64 KiB.
  explicit Regex(std::string_view pattern);

  // The first match in `text` (valid UTF-8) that starts at `from` or later. Throws FormatError when
  // the engine gives up: a pattern that backtracks without end.
  std::optional<TextRange> find(std::string_view text,
                                std::size_t from,
                                RegexScratch& scratch) const;
  // All matches in order; an empty one directly after a match does not count.
  void for_each(std::string_view text,
                RegexScratch& scratch,
                const std::function<void(TextRange)>& use) const;

  const std::string& pattern() const { return pattern_; }

 private:
  struct Code;
  std::string pattern_;
  std::shared_ptr<const Code> code_;
};

// The same pattern in PCRE2's dialect (with PCRE2_UTF, PCRE2_UCP and PCRE2_MULTILINE). Throws
// FormatError.
std::string pcre2_pattern(std::string_view oniguruma);

}  // namespace pith

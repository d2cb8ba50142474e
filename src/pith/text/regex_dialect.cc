// From Oniguruma's dialect to PCRE2's. The two agree on most of what tokenizers use; the
// differences:
//   \s      PCRE2 counts U+180E as white space, Unicode and Oniguruma do not
//   \w      Oniguruma: Alphabetic, M, Nd, Pc; PCRE2: L, N, underscore
//   \h \v   hexadecimal digit and vertical tab there, classes of white space here
//   X{n,m}+ a repeated repeat there, possessive here (refused)
//   (?i)    holds to the end of the group there, over alternatives too (refused; (?i:...) is fine)
//   [a[b]]  a union there (refused), and so are && and POSIX brackets
#include <algorithm>

#include "pith/base/error.h"
#include "pith/text/regex.h"

namespace pith {
namespace {

struct Escape {
  char letter;
  std::string_view outside, inside;  // of a class; empty: refused
};
constexpr Escape kEscapes[] = {
    {'s', "\\p{wspace}", "\\p{wspace}"},
    {'S', "\\P{wspace}", "\\P{wspace}"},
    {'w', "[\\p{alpha}\\p{M}\\p{Nd}\\p{Pc}]", "\\p{alpha}\\p{M}\\p{Nd}\\p{Pc}"},
    {'W', "[^\\p{alpha}\\p{M}\\p{Nd}\\p{Pc}]", ""},
    {'d', "\\p{Nd}", "\\p{Nd}"},
    {'D', "\\P{Nd}", "\\P{Nd}"},
    {'h', "[0-9a-fA-F]", "0-9a-fA-F"},
    {'H', "[^0-9a-fA-F]", ""},
    {'n', "\\n", "\\n"},
    {'r', "\\r", "\\r"},
    {'t', "\\t", "\\t"},
    {'f', "\\f", "\\f"},
    {'v', "\\x{0B}", "\\x{0B}"},
    {'a', "\\a", "\\a"},
    {'e', "\\e", "\\e"},
    {'A', "\\A", ""},
    {'z', "\\z", ""},
    {'Z', "\\Z", ""},
};
constexpr std::string_view kGroups[] = {
    "(?:", "(?i:", "(?-i:", "(?=", "(?!", "(?<=", "(?<!", "(?>"};

bool is_hex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}
bool is_letter_or_digit(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

class Translation {
 public:
  explicit Translation(std::string_view pattern) : pattern_(pattern) {}

  std::string run() {
    while (at_ < pattern_.size()) step();
    if (in_class_) refuse("a class without its ']'");
    return std::move(result_);
  }

 private:
  [[noreturn]] void refuse(std::string_view what) const {
    fail<FormatError>(
        "the pattern '{}' has {} at byte {}, which is not supported", pattern_, what, at_);
  }
  std::string_view rest() const { return pattern_.substr(at_); }
  void copy(std::size_t bytes) {
    result_ += rest().substr(0, bytes);
    at_ += std::min(bytes, rest().size());
  }

  void step();
  void escape();
  void property();
  void code_point(std::size_t digits);
  void braced_code_point();
  void class_item();
  void group();
  void repeat();

  std::string_view pattern_;
  std::string result_;
  std::size_t at_ = 0;
  bool in_class_ = false;
};

void Translation::step() {
  const char c = pattern_[at_];
  if (c == '\\') return escape();
  if (in_class_) return class_item();
  if (c == '(') return group();
  if (c == '{') return repeat();
  if (c == '[') {
    in_class_ = true;
    copy(rest().starts_with("[^") ? 2 : 1);
    if (rest().starts_with("]")) refuse("an empty class");
    return;
  }
  copy(1);
}

void Translation::class_item() {
  const char c = pattern_[at_];
  if (c == '[') refuse("a class inside a class");
  if (rest().starts_with("&&")) refuse("an intersection of classes");
  if (c == ']') in_class_ = false;
  copy(1);
}

void Translation::escape() {
  if (at_ + 1 == pattern_.size()) refuse("a lone '\\'");
  const char letter = pattern_[at_ + 1];
  if (letter == 'p' || letter == 'P') return property();
  if (letter == 'u') return code_point(4);
  if (letter == 'x') return rest().starts_with("\\x{") ? braced_code_point() : code_point(2);
  if (!is_letter_or_digit(letter)) return copy(2);
  const auto* known = std::find_if(std::begin(kEscapes),
                                   std::end(kEscapes),
                                   [letter](const Escape& row) { return row.letter == letter; });
  const bool is_known = known != std::end(kEscapes) && !(in_class_ && known->inside.empty());
  if (!is_known) refuse(fmt::format("\\{}{}", letter, in_class_ ? " in a class" : ""));
  result_ += in_class_ ? known->inside : known->outside;
  at_ += 2;
}

// \p{Name}, \P{Name}, \p{^Name}
void Translation::property() {
  const std::size_t close = rest().find('}');
  if (!rest().substr(2).starts_with("{") || close == std::string_view::npos)
    refuse("a property without braces");
  copy(close + 1);
}

// \uHHHH, \xHH
void Translation::code_point(std::size_t digits) {
  const std::string_view hex = rest().substr(2, digits);
  if (hex.size() != digits || !std::all_of(hex.begin(), hex.end(), is_hex))
    refuse("a malformed code point");
  result_ += fmt::format("\\x{{{}}}", hex);
  at_ += 2 + digits;
}

void Translation::braced_code_point() {
  const std::size_t close = rest().find('}');
  if (close == std::string_view::npos) refuse("a malformed code point");
  const std::string_view hex = rest().substr(3, close - 3);
  if (hex.empty() || !std::all_of(hex.begin(), hex.end(), is_hex)) refuse("a malformed code point");
  copy(close + 1);
}

void Translation::group() {
  if (rest().starts_with("(*")) refuse("a verb '(*'");
  if (!rest().starts_with("(?")) return copy(1);
  const auto* known =
      std::find_if(std::begin(kGroups), std::end(kGroups), [this](std::string_view start) {
        return rest().starts_with(start);
      });
  if (known == std::end(kGroups)) refuse(fmt::format("a group '{}'", rest().substr(0, 3)));
  copy(known->size());
}

void Translation::repeat() {
  const std::size_t close = rest().find('}');
  const std::string_view inside =
      rest().substr(1, close == std::string_view::npos ? close : close - 1);
  const bool is_repeat =
      close != std::string_view::npos && !inside.empty() && inside.front() != ',' &&
      std::all_of(
          inside.begin(), inside.end(), [](char c) { return c == ',' || (c >= '0' && c <= '9'); });
  if (!is_repeat) refuse("a '{' that starts no {n}, {n,} or {n,m}");
  copy(close + 1);
  if (rest().starts_with("+")) refuse("a '+' after '}'");
}

}  // namespace

std::string pcre2_pattern(std::string_view oniguruma) { return Translation(oniguruma).run(); }

}  // namespace pith

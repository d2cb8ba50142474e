// Regular expressions that name modules in quantization configs, in Python's notation. They come
// from files, so they run as an automaton: no recursion, no backtracking, time bounded by the
// length of the name times that of the expression.
#pragma once

#include <array>
#include <bitset>
#include <string>
#include <string_view>
#include <vector>

#include "pith/base/json.h"

namespace pith {

class NamePattern {
 public:
  // Of `pattern`, which stands at `at`. Known: literals, '.', classes, \d \w \s \b and their
  // opposites, ^ $, groups, alternatives, * + ? {m,n} (lazy too), lookahead. FormatError for what
  // is malformed, too long or not known (references, lookbehind, flags).
  NamePattern(std::string_view pattern, const JsonCursor& at);

  // As re.match: from the first character, not necessarily to the last.
  bool matches(std::string_view name) const;
  // [name.size() + 1]; element i: a match can end before character i.
  std::vector<bool> match_ends(std::string_view name) const;

  static constexpr std::size_t kMaxLength = 1024;

  enum class Op {
    kSet,
    kSplit,
    kJump,
    kBegin,
    kEnd,
    kWordEdge,
    kNoWordEdge,
    kLook,
    kLookNot,
    kMatch
  };
  // kSet: one character of sets[x]. kSplit: goes on at x and at y. kLook: goes on at x if the
  // program after it (does not) match here.
  struct Instruction {
    Op op = Op::kMatch;
    std::size_t x = 0, y = 0;
  };
  struct Program {
    std::vector<Instruction> code;
    std::vector<std::bitset<256>> sets;
  };

 private:
  Program program_;
};

// What the matches of one configuration may cost: each is bounded, but there may be many modules
// and many expressions.
class MatchTime {
 public:
  // pattern.matches(name), on the account of the processor's time. FormatError naming `place` and
  // the expression's `text` when it is spent.
  bool matches(const NamePattern& pattern,
               std::string_view name,
               std::string_view place,
               std::string_view text);

 private:
  double seconds_ = 0;
};

}  // namespace pith

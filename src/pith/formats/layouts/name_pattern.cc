#include "pith/formats/layouts/name_pattern.h"

#include <cctype>
#include <ctime>

#include "pith/base/error.h"
#include "pith/formats/layouts/name_pattern_parse.h"

namespace pith {
namespace {

constexpr double kMaxMatchSeconds = 0.5;

double thread_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

using Op = NamePattern::Op;

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

// Runs a program over one name.
class Automaton {
 public:
  Automaton(const NamePattern::Program& program, std::string_view name)
      : program_(program), name_(name) {}

  // Where matches of the code at `start` that begin at `from` can end.
  std::vector<bool> ends(std::size_t start, std::size_t from) const {
    std::vector<bool> found(name_.size() + 1, false);
    std::vector<std::size_t> states = closure({start}, from);
    for (std::size_t at = from; !states.empty(); ++at) {
      std::vector<std::size_t> next;
      for (const std::size_t state : states) {
        const NamePattern::Instruction& code = program_.code[state];
        if (code.op == Op::kMatch) found[at] = true;
        if (code.op == Op::kSet && at < name_.size() &&
            program_.sets[code.x][static_cast<unsigned char>(name_[at])])
          next.push_back(state + 1);
      }
      if (next.empty()) break;
      states = closure(std::move(next), at + 1);
    }
    return found;
  }

 private:
  // The states that take a character or match, reached from `pending` without taking one.
  std::vector<std::size_t> closure(std::vector<std::size_t> pending, std::size_t at) const {
    std::vector<bool> seen(program_.code.size(), false);
    std::vector<std::size_t> states;
    while (!pending.empty()) {
      const std::size_t state = pending.back();
      pending.pop_back();
      if (seen[state]) continue;
      seen[state] = true;
      follow(state, at, pending, states);
    }
    return states;
  }

  void follow(std::size_t state,
              std::size_t at,
              std::vector<std::size_t>& pending,
              std::vector<std::size_t>& states) const {
    const NamePattern::Instruction& code = program_.code[state];
    switch (code.op) {
      case Op::kSet:
      case Op::kMatch:
        states.push_back(state);
        return;
      case Op::kSplit:
        pending.push_back(code.y);
        [[fallthrough]];
      case Op::kJump:
        pending.push_back(code.x);
        return;
      default:
        if (holds(state, at)) pending.push_back(code.x);
    }
  }

  bool holds(std::size_t state, std::size_t at) const {
    switch (program_.code[state].op) {
      case Op::kBegin:
        return at == 0;
      case Op::kEnd:
        return at == name_.size();
      case Op::kWordEdge:
        return at_word_edge(at);
      case Op::kNoWordEdge:
        return !at_word_edge(at);
      default:
        break;
    }
    bool found = false;
    for (const bool end : ends(state + 1, at)) found |= end;
    return found == (program_.code[state].op == Op::kLook);
  }

  bool at_word_edge(std::size_t at) const {
    const bool before = at > 0 && is_word(name_[at - 1]);
    const bool after = at < name_.size() && is_word(name_[at]);
    return before != after;
  }

  const NamePattern::Program& program_;
  std::string_view name_;
};

}  // namespace

NamePattern::NamePattern(std::string_view pattern, const JsonCursor& at)
    : program_(parse_name_pattern(pattern, at)) {}

bool NamePattern::matches(std::string_view name) const {
  for (const bool end : match_ends(name))
    if (end) return true;
  return false;
}

std::vector<bool> NamePattern::match_ends(std::string_view name) const {
  return Automaton(program_, name).ends(0, 0);
}

bool MatchTime::matches(const NamePattern& pattern,
                        std::string_view name,
                        std::string_view place,
                        std::string_view text) {
  if (seconds_ > kMaxMatchSeconds)
    fail<FormatError>(
        "{}: matching the names of modules takes more than {} s, last with '{}'; write simpler "
        "regular expressions",
        place,
        kMaxMatchSeconds,
        text);
  const double start = thread_seconds();
  const bool found = pattern.matches(name);
  seconds_ += thread_seconds() - start;
  return found;
}

}  // namespace pith

#include "pith/formats/layouts/name_pattern_parse.h"

#include <cctype>
#include <memory>
#include <optional>

#include "pith/base/error.h"

namespace pith {
namespace {

using Op = NamePattern::Op;
using Set = std::bitset<256>;

constexpr std::size_t kMaxCode = 4096;
constexpr std::size_t kMaxRepeat = 1000;
constexpr int kMaxDepth = 32;
constexpr int kMaxLookaheads = 4;  // each costs a run at every place

enum class Kind { kSequence, kAlternatives, kRepeat, kSet, kMark, kLook };

struct Node {
  Kind kind = Kind::kSequence;
  std::vector<Node> children{};
  std::size_t least = 0;
  std::optional<std::size_t> most{};  // nullopt: no bound
  Set set{};
  Op op = Op::kMatch;  // of marks and lookaheads
};

Node mark(Op op) {
  Node node;
  node.kind = Kind::kMark;
  node.op = op;
  return node;
}

Node set_node(const Set& set) {
  Node node;
  node.kind = Kind::kSet;
  node.set = set;
  return node;
}

Set one(char c) { return Set{}.set(static_cast<unsigned char>(c)); }

Set where(int (*test)(int)) {
  Set set;
  for (int c = 0; c < 128; ++c) set[static_cast<std::size_t>(c)] = test(c) != 0;
  return set;
}

// Of \d, \w, \s and their opposites.
std::optional<Set> class_of_escape(char c) {
  switch (c) {
    case 'd':
      return where(std::isdigit);
    case 'D':
      return ~where(std::isdigit);
    case 'w':
      return where(std::isalnum) | one('_');
    case 'W':
      return ~(where(std::isalnum) | one('_'));
    case 's':
      return where(std::isspace);
    case 'S':
      return ~where(std::isspace);
    default:
      return std::nullopt;
  }
}

class Parser {
 public:
  Parser(std::string_view text, const JsonCursor& at) : text_(text), at_(at) {}

  Node parse() {
    if (text_.size() > NamePattern::kMaxLength)
      at_.fail(
          fmt::format("a regular expression of at most {} characters", NamePattern::kMaxLength),
          fmt::format("{}", text_.size()));
    Node node = alternatives(0);
    if (position_ < text_.size()) refuse("an unmatched ')'");
    return node;
  }

 private:
  [[noreturn]] void refuse(std::string_view what) const {
    at_.fail("a regular expression that Pith understands",
             fmt::format("{} before character {}", what, position_ + 1),
             "name the modules in another way");
  }

  bool more() const { return position_ < text_.size(); }
  char peek() const { return text_[position_]; }
  bool take(std::string_view expected) {
    if (!text_.substr(position_).starts_with(expected)) return false;
    position_ += expected.size();
    return true;
  }

  Node alternatives(int depth) {
    if (depth > kMaxDepth) refuse(fmt::format("more than {} groups inside each other", kMaxDepth));
    Node node;
    node.kind = Kind::kAlternatives;
    do {
      node.children.push_back(sequence(depth));
    } while (take("|"));
    return node;
  }

  Node sequence(int depth) {
    Node node;
    while (more() && peek() != '|' && peek() != ')') node.children.push_back(repeated(depth));
    return node;
  }

  Node repeated(int depth) {
    const int lookaheads = lookaheads_;
    Node node = atom(depth);
    std::size_t least = 0;
    std::optional<std::size_t> most;
    if (!quantifier(least, most)) return node;
    if (node.kind == Kind::kMark || lookaheads_ > lookaheads) refuse("a repeated assertion");
    take("?");  // lazy: the same set of matches
    if (more() && (peek() == '+' || peek() == '*' || peek() == '?')) refuse("a double repetition");
    Node repeat;
    repeat.kind = Kind::kRepeat;
    repeat.children.push_back(std::move(node));
    repeat.least = least;
    repeat.most = most;
    return repeat;
  }

  bool quantifier(std::size_t& least, std::optional<std::size_t>& most) {
    if (take("*")) return true;
    if (take("+")) {
      least = 1;
      return true;
    }
    if (take("?")) {
      most = 1;
      return true;
    }
    return counted(least, most);
  }

  // {m}, {m,}, {,n}, {m,n}; anything else that begins with a brace is text, as in Python.
  bool counted(std::size_t& least, std::optional<std::size_t>& most) {
    const std::size_t before = position_;
    if (!take("{")) return false;
    const std::optional<std::size_t> low = number();
    const bool comma = take(",");
    const std::optional<std::size_t> high = comma ? number() : low;
    if (!take("}") || (!low && !high)) {
      position_ = before;
      return false;
    }
    least = low.value_or(0);
    most = high;
    if (most && *most < least) refuse("a repetition that ends before it begins");
    return true;
  }

  std::optional<std::size_t> number() {
    if (!more() || !std::isdigit(static_cast<unsigned char>(peek()))) return std::nullopt;
    std::size_t value = 0;
    for (; more() && std::isdigit(static_cast<unsigned char>(peek())); ++position_) {
      value = value * 10 + static_cast<std::size_t>(peek() - '0');
      if (value > kMaxRepeat) refuse(fmt::format("a repetition beyond {}", kMaxRepeat));
    }
    return value;
  }

  Node atom(int depth) {
    if (take("(")) return group(depth);
    if (take("[")) return set_node(bracket());
    if (take("\\")) return escape();
    if (take(".")) return set_node(~one('\n'));
    if (take("^")) return mark(Op::kBegin);
    if (take("$")) return mark(Op::kEnd);
    if (peek() == '*' || peek() == '+' || peek() == '?') refuse("nothing to repeat");
    return set_node(one(text_[position_++]));
  }

  Node group(int depth) {
    Node look;
    look.kind = Kind::kLook;
    if (take("?=")) {
      look.op = Op::kLook;
    } else if (take("?!")) {
      look.op = Op::kLookNot;
    } else if (take("?P<")) {
      while (more() && is_name(peek())) ++position_;
      if (!take(">")) refuse("a group with a malformed name");
    } else if (!take("?:") && more() && peek() == '?') {
      refuse("a kind of group that is not known");
    }
    if (look.op != Op::kMatch && ++lookaheads_ > kMaxLookaheads)
      refuse(fmt::format("more than {} lookaheads", kMaxLookaheads));
    const bool is_look = look.op != Op::kMatch;
    if (is_look && in_lookahead_) refuse("a lookahead inside another");
    in_lookahead_ |= is_look;
    Node body = alternatives(depth + 1);
    if (!take(")")) refuse("a group without its ')'");
    if (!is_look) return body;
    in_lookahead_ = false;
    look.children.push_back(std::move(body));
    return look;
  }

  static bool is_name(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }

  // After a backslash; what is not a class and not a letter or digit stands for itself.
  char escaped_character() {
    if (!more()) refuse("a backslash at the end");
    const char c = text_[position_++];
    if (c == 'n') return '\n';
    if (c == 't') return '\t';
    if (is_name(c) && c != '_') refuse(fmt::format("'\\{}', which is not known,", c));
    return c;
  }

  Node escape() {
    if (take("b")) return mark(Op::kWordEdge);
    if (take("B")) return mark(Op::kNoWordEdge);
    if (take("A")) return mark(Op::kBegin);
    if (take("Z")) return mark(Op::kEnd);
    if (const auto set = more() ? class_of_escape(peek()) : std::nullopt) {
      ++position_;
      return set_node(*set);
    }
    return set_node(one(escaped_character()));
  }

  Set bracket() {
    const bool negative = take("^");
    Set set;
    for (bool first = true; first || !take("]"); first = false) {
      if (!more()) refuse("a class without its ']'");
      set |= bracket_item();
    }
    return negative ? ~set : set;
  }

  Set bracket_item() {
    if (peek() == '\\' && position_ + 1 < text_.size())
      if (const auto set = class_of_escape(text_[position_ + 1])) {
        position_ += 2;
        return *set;
      }
    const auto low = static_cast<unsigned char>(bracket_character());
    const std::string_view rest = text_.substr(position_);
    if (rest.size() < 2 || rest[0] != '-' || rest[1] == ']') return Set{}.set(low);
    ++position_;
    const auto high = static_cast<unsigned char>(bracket_character());
    if (high < low) refuse("a range that ends before it begins");
    Set set;
    for (std::size_t c = low; c <= high; ++c) set.set(c);
    return set;
  }

  char bracket_character() { return take("\\") ? escaped_character() : text_[position_++]; }

  std::string_view text_;
  const JsonCursor& at_;
  std::size_t position_ = 0;
  int lookaheads_ = 0;
  bool in_lookahead_ = false;  // nested ones would cost a power of the name's length
};

class Generator {
 public:
  explicit Generator(const JsonCursor& at) : at_(at) {}

  NamePattern::Program program(const Node& node) {
    emit(node);
    add(Op::kMatch);
    return std::move(program_);
  }

 private:
  std::size_t add(Op op, std::size_t x = 0) {
    if (program_.code.size() >= kMaxCode)
      at_.fail(fmt::format("a regular expression of at most {} steps", kMaxCode), "more");
    program_.code.push_back({op, x, 0});
    return program_.code.size() - 1;
  }
  std::size_t here() const { return program_.code.size(); }

  void emit(const Node& node) {
    if (++visits_ > kMaxVisits)  // bodies that make no code can be repeated, too
      at_.fail(fmt::format("a regular expression of at most {} steps", kMaxCode), "more");
    switch (node.kind) {
      case Kind::kSequence:
        for (const Node& child : node.children) emit(child);
        return;
      case Kind::kAlternatives:
        return emit_alternatives(node);
      case Kind::kRepeat:
        return emit_repeat(node);
      case Kind::kSet:
        add(Op::kSet, program_.sets.size());
        program_.sets.push_back(node.set);
        return;
      case Kind::kMark:
        add(node.op, here() + 1);
        return;
      case Kind::kLook: {
        const std::size_t look = add(node.op);
        emit(node.children.front());
        add(Op::kMatch);
        program_.code[look].x = here();
        return;
      }
    }
  }

  void emit_alternatives(const Node& node) {
    std::vector<std::size_t> jumps;
    for (std::size_t i = 0; i + 1 < node.children.size(); ++i) {
      const std::size_t split = add(Op::kSplit);
      program_.code[split].x = here();
      emit(node.children[i]);
      jumps.push_back(add(Op::kJump));
      program_.code[split].y = here();
    }
    emit(node.children.back());
    for (const std::size_t jump : jumps) program_.code[jump].x = here();
  }

  void emit_repeat(const Node& node) {
    const Node& body = node.children.front();
    for (std::size_t i = 0; i < node.least; ++i) emit(body);
    if (!node.most) {
      const std::size_t split = add(Op::kSplit);
      program_.code[split].x = here();
      emit(body);
      add(Op::kJump, split);
      program_.code[split].y = here();
      return;
    }
    std::vector<std::size_t> splits;
    for (std::size_t i = node.least; i < *node.most; ++i) {
      splits.push_back(add(Op::kSplit));
      program_.code[splits.back()].x = here();
      emit(body);
    }
    for (const std::size_t split : splits) program_.code[split].y = here();
  }

  static constexpr std::size_t kMaxVisits = 16 * kMaxCode;
  const JsonCursor& at_;
  NamePattern::Program program_;
  std::size_t visits_ = 0;
};

}  // namespace

NamePattern::Program parse_name_pattern(std::string_view pattern, const JsonCursor& at) {
  return Generator(at).program(Parser(pattern, at).parse());
}

}  // namespace pith

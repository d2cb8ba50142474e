// Pre-tokenizers of tokenizer.json: text -> words. Source: formats.md 3.4.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "pith/base/json.h"
#include "pith/text/pattern.h"

namespace pith {

// A part of the text on its way through the steps.
struct Piece {
  std::string_view text;  // valid UTF-8, not empty
  bool at_start = false;  // nothing of the original text stands before it
};
using WordSink = std::function<void(std::string_view)>;

class PreTokenizer {
 public:
  PreTokenizer() = default;  // the whole piece is one word
  // Of the value under "pre_tokenizer"; nullopt for none. Throws FormatError.
  static PreTokenizer from_json(const std::optional<JsonCursor>& cursor);

  // Calls `word` for every word of the piece, in order; none is empty. The views live for the call
  // only.
  void split(const Piece& piece, RegexScratch& scratch, const WordSink& word) const;

  // The last step is ByteLevel. Its words are bytes as they are in the text; whoever needs them as
  // characters applies bytes_to_characters.
  bool ends_in_bytes() const { return ends_in_bytes_; }

 private:
  struct ByteLevel {
    bool add_prefix_space = true;
    std::optional<Regex> regex;
    bool maps = true;  // bytes to characters: not for the last step
  };
  enum class Behavior { kIsolated, kRemoved, kMergedWithPrevious, kMergedWithNext, kContiguous };
  struct Split {
    Pattern pattern;
    Behavior behavior = Behavior::kIsolated;
    bool inverted = false;
  };
  struct Digits {
    bool individual = false;
  };
  enum class PrependScheme { kAlways, kFirst, kNever };
  struct Metaspace {
    std::string replacement;
    PrependScheme scheme = PrependScheme::kAlways;
    bool splits = true;
  };
  using Step = std::variant<ByteLevel, Split, Digits, Metaspace>;
  // One pass over a piece: where it is in the steps and where words go.
  struct Run {
    RegexScratch& scratch;
    const WordSink& word;
  };

  void add(const JsonCursor& cursor);
  void add_byte_level(const JsonCursor& cursor);
  void add_split(const JsonCursor& cursor);
  void add_metaspace(const JsonCursor& cursor);
  void go(std::size_t index, const Piece& piece, const Run& run) const;
  void apply(const ByteLevel& step, std::size_t index, const Piece& piece, const Run& run) const;
  void apply(const Split& step, std::size_t index, const Piece& piece, const Run& run) const;
  void apply(const Digits& step, std::size_t index, const Piece& piece, const Run& run) const;
  void apply(const Metaspace& step, std::size_t index, const Piece& piece, const Run& run) const;

  std::vector<Step> steps_;
  bool ends_in_bytes_ = false;
};

}  // namespace pith

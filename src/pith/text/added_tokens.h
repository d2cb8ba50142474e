// Tokens that are found in the text before anything else happens to it. Source: formats.md 3.5.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "pith/base/json.h"
#include "pith/text/normalizer.h"

namespace pith {

struct AddedToken {
  std::string content;
  std::int32_t id = 0;
  bool single_word = false;  // not next to a word character
  bool lstrip = false;       // swallows the white space before it
  bool rstrip = false;       // and after it
  bool normalized = false;   // looked for in normalized text, as its own normalized form
  bool special = false;      // left out by decode(skip_special)
};

class AddedTokens {
 public:
  // Of the array under "added_tokens"; nullopt for none. Throws FormatError: ids out of range, ids
  // or contents twice.
  static AddedTokens from_json(const std::optional<JsonCursor>& cursor,
                               const Normalizer& normalizer);

  enum class Pass { kRaw, kNormalized };
  struct Options {
    Pass pass = Pass::kRaw;
    bool parse_special = true;  // false: special ones are plain text
  };
  // A stretch of text without added tokens, or one added token.
  using Sink = std::function<void(std::string_view text, const AddedToken* token)>;
  // Cuts `text` at the tokens of one pass: leftmost, then longest, without overlaps. No text given
  // is empty.
  void split(std::string_view text,
             const Options& options,
             RegexScratch& scratch,
             const Sink& use) const;

  const std::vector<AddedToken>& tokens() const { return tokens_; }
  const AddedToken* find(std::int32_t id) const;

 private:
  struct Needle {
    std::string text;
    std::size_t token = 0;  // index into tokens_
  };
  // The needles of one pass, sorted by text, so that all with a common start are neighbours.
  struct Needles {
    std::vector<Needle> sorted;
    std::array<bool, 256> starts{};  // bytes that some needle starts with
    const Needle* longest_at(std::string_view text) const;
  };
  struct Found {
    TextRange range;
    const AddedToken* token = nullptr;
  };

  void add(const JsonCursor& cursor);
  void prepare(const Normalizer& normalizer);
  std::optional<Found> next(std::string_view text, std::size_t from, const Needles& needles) const;
  bool stands_alone(std::string_view text, TextRange range, RegexScratch& scratch) const;

  std::vector<AddedToken> tokens_;
  std::unordered_map<std::int32_t, std::size_t> by_id_;
  Needles raw_, normalized_;
};

}  // namespace pith

// Normalizers of tokenizer.json: Unicode normal forms, Prepend, Replace and sequences of them.
// Source: formats.md 3.3.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "pith/base/json.h"
#include "pith/text/pattern.h"

namespace pith {

enum class NormalForm { kNfc, kNfd, kNfkc, kNfkd };

// Valid UTF-8 in, valid UTF-8 out; O(n log n) whatever the text. Unicode version: utf8proc's (15.0
// in 2.8).
std::string normal_form(std::string_view text, NormalForm form);

class Normalizer {
 public:
  Normalizer() = default;  // changes nothing
  // Of the value under "normalizer"; nullopt for none. Throws FormatError.
  static Normalizer from_json(const std::optional<JsonCursor>& cursor);

  // The normalized text: `text` itself where nothing changes, else a view of `storage`.
  std::string_view apply(std::string_view text, std::string& storage, RegexScratch& scratch) const;

 private:
  struct Prepend {
    std::string text;
  };
  struct Replace {
    Pattern pattern;
    std::string content;
  };
  using Step = std::variant<NormalForm, Prepend, Replace>;

  void add(const JsonCursor& cursor);
  std::vector<Step> steps_;
};

}  // namespace pith

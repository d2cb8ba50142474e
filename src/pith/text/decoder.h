// Decoders of tokenizer.json: token strings -> text. Source: formats.md 3.8.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "pith/base/json.h"
#include "pith/text/pattern.h"

namespace pith {

class Decoder {
 public:
  Decoder() = default;  // none: tokens are joined by spaces
  // Of the value under "decoder"; nullopt for none. Throws FormatError.
  static Decoder from_json(const std::optional<JsonCursor>& cursor);

  // Valid UTF-8, for valid UTF-8.
  std::string decode(std::vector<std::string> tokens) const;

  // How the text of a growing list of tokens grows.
  enum class Growth {
    kAtEnd,   // what the next token does to the text so far cannot be told
    kBytes,   // byte by byte: an incomplete character at the end waits
    kTokens,  // token by token: a run of byte tokens at the end waits, nothing else changes
  };
  Growth growth() const;
  // The bytes of the text before undecodable ones are replaced. Pre: growth() is kBytes.
  static std::string decode_bytes(const std::vector<std::string>& tokens);
  static std::optional<unsigned char> fallback_byte(std::string_view token);  // of <0xHH>

 private:
  struct ByteLevel {};
  struct ByteFallback {};
  struct Fuse {};
  struct Replace {
    Pattern pattern;
    std::string content;
  };
  struct Strip {
    std::string content;  // one character
    std::size_t start = 0, stop = 0;
  };
  struct Metaspace {
    std::string replacement;
    bool strips_first = true;
  };
  using Step = std::variant<ByteLevel, ByteFallback, Fuse, Replace, Strip, Metaspace>;

  void add(const JsonCursor& cursor);
  void add_strip(const JsonCursor& cursor);
  void add_metaspace(const JsonCursor& cursor);
  static void apply(const ByteLevel& step, std::vector<std::string>& tokens);
  static void apply(const ByteFallback& step, std::vector<std::string>& tokens);
  static void apply(const Fuse& step, std::vector<std::string>& tokens);
  static void replace(const Replace& step, std::size_t max_bytes, std::vector<std::string>& tokens);
  static void apply(const Strip& step, std::vector<std::string>& tokens);
  static void apply(const Metaspace& step, std::vector<std::string>& tokens);

  std::vector<Step> steps_;
  bool is_none_ = true;  // a Sequence of nothing joins tokens without spaces
};

}  // namespace pith

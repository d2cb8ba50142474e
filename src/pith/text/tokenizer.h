// Tokenizer: text <-> token ids, equal to the `tokenizers` library. Source: formats.md 3.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pith/base/json.h"
#include "pith/formats/checkpoint.h"

namespace pith {

struct EncodeOptions {
  bool special_ends = false;  // run the post-processor: BOS and the like at the ends
  bool parse_special = true;  // recognise special added tokens written out in the text (others
                              // always are, as in `tokenizers` with encode_special_tokens)
};

// A tokenizer.json, and the file it comes from or was made of.
struct TokenizerDocument {
  Json json;
  std::string place;
};
// Of a checkpoint: tokenizer.json of the folder (else vocab.json + merges.txt), or the GGUF
// vocabulary. FormatError if there is none.
TokenizerDocument tokenizer_document(const Checkpoint& checkpoint);

// Immutable; safe for use by several threads (word caches are per call or locked).
// It makes ids that the model's embedding has no rows for.
class TokenizerMismatch : public FormatError {
 public:
  using FormatError::FormatError;
};

class Tokenizer {
 public:
  // From a tokenizer.json document. FormatError (path inside the document) for malformed files and
  // for components that are not supported, by name.
  static Tokenizer from_json(const Json& document, const std::string& place);
  // Of tokenizer_document(). FormatError also if an id does not fit the model's vocabulary.
  static Tokenizer of(const Checkpoint& checkpoint);
  static Tokenizer of(const Checkpoint& checkpoint, const TokenizerDocument& document);

  // Text is UTF-8; invalid sequences become U+FFFD, one for each maximal invalid part.
  std::vector<std::int32_t> encode(std::string_view text, const EncodeOptions& options = {}) const;
  // Ids out of range (of the model's vocabulary, if it comes from a checkpoint) are a UserError;
  // ids without a token decode to nothing. `skip_special` leaves out added tokens marked special.
  std::string decode(std::span<const std::int32_t> ids, bool skip_special = false) const;

  std::size_t size() const;  // ids 0..size()-1, gaps included
  std::optional<std::int32_t> id_of(std::string_view token) const;
  std::optional<std::int32_t> bos_id() const;  // what special_ends puts in front, if one token
  std::string description() const;             // "byte-level BPE, 49152 tokens, 48900 merges"

 private:
  friend class StreamDecoder;
  struct State;
  explicit Tokenizer(std::shared_ptr<const State> state) : state_(std::move(state)) {}
  std::shared_ptr<const State> state_;
};

// Text of a growing sequence of ids, for output while decoding: push() returns what became certain
// (whole UTF-8 characters only), finish() the rest. Together they give decode() of all ids. A push
// costs the same however long the text is.
class StreamDecoder {
 public:
  explicit StreamDecoder(const Tokenizer& tokenizer, bool skip_special = false)
      : tokenizer_(tokenizer), skip_special_(skip_special) {}
  std::string push(std::int32_t id);
  std::string finish();

 private:
  std::string certain_text() const;

  const Tokenizer& tokenizer_;
  bool skip_special_ = false;
  std::vector<std::int32_t> ids_;  // a window: what is not certain yet and the token before it
  std::size_t emitted_bytes_ = 0;  // of the window's text
};

// The tokenizer of a GGUF file as a tokenizer.json document (byte-level BPE with the pre-tokenizer
// that `tokenizer.ggml.pre` names; SentencePiece-style BPE with byte fallback, merges recovered
// from the scores).
Json tokenizer_json_from_gguf(const GgufFile& gguf);

// Whether the model comes with a tokenizer, of whatever kind.
bool has_tokenizer(const Checkpoint& checkpoint);

// Writes tokenizer.json, tokenizer_config.json (with the chat template), special_tokens_map.json
// and generation_config.json (ids of the tokens that end a text) for a GGUF source, such that
// transformers loads them with equal ids. Returns the names.
std::vector<std::string> write_tokenizer_files(const GgufFile& gguf,
                                               const std::filesystem::path& folder);

}  // namespace pith

// The tokenizer keys of a GGUF file. Source: formats.md 4.9.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pith/base/json.h"
#include "pith/formats/gguf/gguf.h"

namespace pith {

enum class GgufTokenType { kNormal = 1, kUnknown, kControl, kUserDefined, kUnused, kByte };

struct GgufVocabulary {
  std::string place;  // for errors
  std::string model;  // "gpt2" or "llama"
  std::string pre = "default";
  std::vector<std::string> tokens{};   // index = id
  std::vector<GgufTokenType> types{};  // as many
  std::vector<double> scores{};        // llama: as many
  std::vector<std::string> merges{};   // gpt2: "a b"
  std::optional<std::int32_t> bos_id{}, eos_id{}, unknown_id{}, padding_id{};
  std::vector<std::int32_t> end_ids{};  // eos, eot, eom: each once
  bool add_bos = false, add_eos = false, add_space_prefix = false;
};

// Throws FormatError for missing keys, lists of different lengths, unknown models and
// pre-tokenizers, repeated tokens.
GgufVocabulary read_gguf_vocabulary(const GgufFile& gguf);

Json tokenizer_json(const GgufVocabulary& vocabulary);

// What a value of `tokenizer.ggml.pre` stands for in a tokenizer.json.
struct GgufPreTokenizer {
  std::string_view pre;
  Json normalizer, pre_tokenizer;
  bool takes_whole_words = false;  // ignore_merges
};
std::vector<GgufPreTokenizer> gguf_pre_tokenizers();  // one for each kind

// Merges of a SentencePiece vocabulary, as pairs in rank order: all ways to make a normal token out
// of two, highest score first, among equal ones lowest left id, then right id: the order in the
// tokenizer.json of Llama 2 (its runs of spaces all score -1e9). Source: formats.md 3.6.
struct TokenPair {
  std::string left, right;
  bool operator==(const TokenPair&) const = default;
};
std::vector<TokenPair> merges_from_scores(const GgufVocabulary& vocabulary);

}  // namespace pith

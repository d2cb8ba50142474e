// What there is to say about the tokenizer of a model, for people and for comparisons.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "pith/formats/checkpoint.h"

namespace pith {

struct SpecialToken {
  std::int32_t id = 0;
  std::string content;
  bool operator==(const SpecialToken&) const = default;
};

struct TokenizerFacts {
  std::string description;  // of Tokenizer: "byte-level BPE, 49152 tokens, 48900 merges"
  std::size_t merges = 0;
  // Types of its steps, with the name that a GGUF file gives it: "Digits, ByteLevel",
  // "Split, ByteLevel (llama-bpe)"; "" for none.
  std::string pre_tokenizer;
  std::vector<SpecialToken> special;  // added tokens marked special, by id
  bool chat_template = false;
  std::vector<std::string> tokens;  // index = id, added ones included; "" for a gap
  std::string merges_sha256;        // of "left right\n" in the order of ranks
};

// Makes every check that Tokenizer::of() makes, with its errors.
TokenizerFacts tokenizer_facts(const Checkpoint& checkpoint);

}  // namespace pith

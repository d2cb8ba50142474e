// A Hugging Face tokenizer as the tokenizer keys of a GGUF file: the way back from
// gguf_vocabulary.h. Source: formats.md 4.9.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "pith/base/json.h"
#include "pith/formats/checkpoint.h"
#include "pith/formats/gguf/gguf_metadata.h"
#include "pith/text/gguf_vocabulary.h"

namespace pith {

// All keys that llama.cpp needs of a checkpoint's tokenizer: vocabulary, special ids (of the model
// and its generation_config.json, else of tokenizer_config.json) and chat templates. Those of a
// GGUF source are passed on byte for byte.
GgufMetadata gguf_tokenizer_keys(const Checkpoint& source);

// The vocabulary of a tokenizer.json document, without special ids. Ids without a token up to
// `rows` become unused tokens. UserError names what GGUF cannot say: pre-tokenizers that llama.cpp
// has no name for, merges that no scores stand for, several tokens at an end, ... Warns where only
// the edges of a text may differ.
GgufVocabulary gguf_vocabulary_of(const Json& document, const std::string& place, std::size_t rows);

// Scores of the tokens of a SentencePiece-style vocabulary, highest first, from which
// merges_from_scores() makes `merges` again. UserError if there are none.
std::vector<double> scores_from_merges(const GgufVocabulary& vocabulary,
                                       const std::vector<TokenPair>& merges);

}  // namespace pith

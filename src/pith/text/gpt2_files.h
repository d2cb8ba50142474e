// GPT-2's vocab.json and merges.txt. Source: formats.md 3.9.
#pragma once

#include <filesystem>

#include "pith/base/json.h"

namespace pith {

// The tokenizer.json document that says the same; <|endoftext|> is an added token if the vocabulary
// has it. Throws FormatError.
Json tokenizer_json_from_gpt2_files(const std::filesystem::path& vocab,
                                    const std::filesystem::path& merges);

}  // namespace pith

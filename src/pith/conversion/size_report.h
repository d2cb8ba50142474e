// Where the bytes of a model folder are.
#pragma once

#include <filesystem>

#include "pith/conversion/result.h"
#include "pith/formats/checkpoint.h"

namespace pith {

// Every byte of checkpoint.files(), each under one part: weights by kind (a position table counts
// as embedding), headers and padding of the weight files with their index, tokenizer and other side
// files, config.json. Of a GGUF file, `headers` is all that is not weights.
SizeReport size_report(const Checkpoint& checkpoint);

bool holds_weights(const std::filesystem::path& file);  // by its name; the index of shards is one

}  // namespace pith

// Where the bytes of a model folder are.
#pragma once

#include <cstdint>

#include "pith/conversion/result.h"
#include "pith/formats/checkpoint.h"

namespace pith {

// Every byte of checkpoint.files(), each under one part: weights by kind (a position table counts
// as embedding), headers and padding of the weight files with their index, tokenizer and other side
// files, config.json. Of a GGUF file, `headers` is all that is not weights.
SizeReport size_report(const Checkpoint& checkpoint);

std::uint64_t weight_file_bytes(const Checkpoint& checkpoint);  // index of shards included

}  // namespace pith

// The size of a model on disk, for reports of models that were not just written.
#pragma once

#include <filesystem>

#include "pith/conversion/result.h"
#include "pith/formats/checkpoint.h"

namespace pith {

// Of a model folder or a .gguf file: every byte that is needed to run it, part by part; the parts
// sum up to Checkpoint::file_bytes(). A path is opened first and fails as Checkpoint::open does.
SizeReport measure_size(const Checkpoint& checkpoint);
SizeReport measure_size(const std::filesystem::path& model);

}  // namespace pith

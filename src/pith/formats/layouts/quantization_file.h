// The configuration of older GPTQ and AWQ folders, which lies beside config.json and not in it.
#pragma once

#include <filesystem>
#include <optional>

#include "pith/base/json.h"
#include "pith/formats/safetensors.h"

namespace pith {

struct QuantizationFile {
  std::filesystem::path path;
  Json config;  // with a quant_method
};
// quantize_config.json, else quant_config.json; a missing quant_method is told from the names of
// file and keys. nullopt if there is neither or no weight of the folder needs one.
std::optional<QuantizationFile> find_quantization_file(const std::filesystem::path& folder,
                                                       const SafetensorsReader& reader);

}  // namespace pith

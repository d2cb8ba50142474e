#include "pith/formats/layouts/quantization_file.h"

#include <algorithm>

namespace pith {
namespace fs = std::filesystem;

std::optional<QuantizationFile> find_quantization_file(const fs::path& folder,
                                                       const SafetensorsReader& reader) {
  const bool needed = std::ranges::any_of(
      reader.tensors(), [](const auto& entry) { return entry.first.ends_with(".qweight"); });
  if (!needed) return std::nullopt;
  for (const char* name : {"quantize_config.json", "quant_config.json"}) {
    QuantizationFile file{folder / name, {}};
    std::error_code ignored;
    if (!fs::exists(file.path, ignored)) continue;
    file.config = read_json_file(file.path);
    const JsonCursor config(file.config, file.path.string());
    if (config.has("quant_method")) return file;
    const bool is_awq = std::string_view(name) == "quant_config.json" &&
                        (config.has("w_bit") || config.has("zero_point"));
    file.config["quant_method"] = is_awq ? "awq" : "gptq";
    return file;
  }
  return std::nullopt;
}

}  // namespace pith

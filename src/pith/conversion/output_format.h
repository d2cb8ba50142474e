// The forms in which a model can be written, by their names on the command line.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pith/conversion/planner.h"
#include "pith/formats/checkpoint.h"
#include "pith/formats/gguf/gguf_presets.h"
#include "pith/formats/gguf/imatrix.h"
#include "pith/formats/model_writer.h"

namespace pith {

// "hf": a folder of dense weights. A layout's name (formats/layouts/layout.h): a folder whose
// compressed weights lie in that layout. "gguf": a GGUF file, with a preset of types for all its
// tensors or with what the weights already are.
struct OutputFormat {
  std::string name = "pith";
  std::optional<GgufPreset> preset{};
  bool is_gguf() const { return name == "gguf"; }
  bool operator==(const OutputFormat&) const = default;
};
std::string to_string(const OutputFormat& format);  // "gptq", "gguf:Q4_K"
// UserError listing the names; `place` is what the text came from, "--format".
OutputFormat parse_output_format(std::string_view text, std::string_view place);
std::string output_format_names();  // "hf, pith, ..., gguf, gguf:TYPE"

// UserError where the output's name says a GGUF file and the format a folder.
void check_output_name(const OutputFormat& format, const std::filesystem::path& output);

// Compressed weights stay what they are, where need be in an equivalent encoding that the format
// has; embedding and head of a GGUF file become floats where it holds them so only. `dense` is for
// those (default: f32, the same numbers) and for what is dense already (default: as it is).
// Activations go along.
Planner keeping_planner(const Checkpoint& source,
                        const OutputFormat& format,
                        std::optional<DType> dense);

// Every tensor in the type that llama-quantize gives it under `preset`. Weights of a quantized
// source that are not in that type already are rounded a second time.
Planner gguf_planner(const Checkpoint& source,
                     GgufPreset preset,
                     std::shared_ptr<const ImportanceMatrix> importance);

// Writes into `folder`, which exists. UserError naming the matrix and the property that the format
// cannot express.
std::unique_ptr<ModelWriter> make_model_writer(const OutputFormat& format,
                                               const std::filesystem::path& folder,
                                               const Checkpoint& source,
                                               std::vector<StoredParameter> parameters,
                                               std::uint64_t shard_bytes);
// What Checkpoint::open opens after that.
std::filesystem::path written_model(const OutputFormat& format,
                                    const std::filesystem::path& folder);

}  // namespace pith

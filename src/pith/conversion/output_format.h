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
#include "pith/formats/model_writer.h"

namespace pith {

// "hf": a folder of dense weights. A layout's name (formats/layout.h): a folder whose compressed
// weights lie in that layout.
struct OutputFormat {
  std::string name = "pith";
  bool operator==(const OutputFormat&) const = default;
};
// UserError listing the names; `place` is what the text came from, "--format".
OutputFormat parse_output_format(std::string_view text, std::string_view place);
std::string output_format_names();  // "hf, pith, ..."

// Compressed weights stay what they are, where need be in an equivalent encoding that the format
// has; `dense` is for the others (default: as they are). Activations go along.
Planner keeping_planner(const Checkpoint& source,
                        const OutputFormat& format,
                        std::optional<DType> dense);

// Writes into `folder`, which exists. UserError naming the matrix and the property that the format
// cannot express.
std::unique_ptr<ModelWriter> make_model_writer(const OutputFormat& format,
                                               const std::filesystem::path& folder,
                                               const DecoderSpec& spec,
                                               std::vector<StoredParameter> parameters,
                                               std::uint64_t shard_bytes);

}  // namespace pith

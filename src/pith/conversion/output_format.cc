#include "pith/conversion/output_format.h"

#include <algorithm>

#include "pith/base/error.h"
#include "pith/codec/transcode.h"
#include "pith/formats/layout.h"

namespace pith {
namespace {

constexpr std::string_view kDense = "hf";

std::vector<std::string_view> names() {
  std::vector<std::string_view> all = {kDense};
  for (const Layout& layout : layouts()) all.push_back(layout.name);
  return all;
}

}  // namespace

OutputFormat parse_output_format(std::string_view text, std::string_view place) {
  const std::vector<std::string_view> known = names();
  require(std::find(known.begin(), known.end(), text) != known.end(),
          "{}: expected one of {}, found '{}'",
          place,
          join_names(known),
          text);
  return {std::string(text)};
}

std::string output_format_names() { return join_names(names()); }

Planner keeping_planner(const Checkpoint& source,
                        const OutputFormat& format,
                        std::optional<DType> dense) {
  // Pith's own layout holds GGUF's blocks as they are.
  const bool has_blocks = format.name == "pith";
  return [=](const Parameter& parameter, const Encoding& stored) {
    ParameterPlan plan{.encoding = stored, .round = {}};
    plan.activation = source.activation(parameter.name);
    if (is_dense(stored)) {
      if (dense) plan.encoding = DenseEncoding{*dense};
    } else if (!has_blocks && std::holds_alternative<GgmlEncoding>(stored)) {
      plan.encoding = equivalent_of(stored).value_or(stored);
    }
    return plan;
  };
}

std::unique_ptr<ModelWriter> make_model_writer(const OutputFormat& format,
                                               const std::filesystem::path& folder,
                                               const DecoderSpec& spec,
                                               std::vector<StoredParameter> parameters,
                                               std::uint64_t shard_bytes) {
  const std::string_view layout = format.name == kDense ? "pith" : std::string_view(format.name);
  return std::make_unique<CheckpointWriter>(
      folder, spec, std::move(parameters), shard_bytes, layout);
}

}  // namespace pith

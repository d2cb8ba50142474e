#include "pith/conversion/output_format.h"

#include <algorithm>

#include "pith/base/error.h"
#include "pith/codec/transcode.h"
#include "pith/formats/gguf/gguf_model_writer.h"
#include "pith/formats/layouts/layout.h"
#include "pith/text/gguf_export.h"
#include "pith/text/tokenizer.h"

namespace pith {
namespace {

constexpr const char* kGgufName = "model.gguf";
constexpr std::string_view kDense = "hf", kGguf = "gguf", kPresetMark = "gguf:";

std::vector<std::string_view> names() {
  std::vector<std::string_view> all = {kDense};
  for (const Layout& layout : layouts()) all.push_back(layout.name);
  all.insert(all.end(), {kGguf, "gguf:TYPE"});
  return all;
}

std::uint32_t file_type_of(const OutputFormat& format,
                           const std::vector<StoredParameter>& parameters) {
  if (format.preset) return gguf_file_type(*format.preset);
  // The name of what most numbers are: informative, as the key is.
  for (const StoredParameter& parameter : parameters)
    if (parameter.encoding == Encoding(DenseEncoding{DType::kF16}))
      return gguf_file_type(GgufPreset::kF16);
  return gguf_file_type(GgufPreset::kF32);
}

}  // namespace

OutputFormat parse_output_format(std::string_view text, std::string_view place) {
  if (text.starts_with(kPresetMark))
    return {std::string(kGguf),
            parse_enum<GgufPreset>(text.substr(kPresetMark.size()), std::string(place) + " gguf:")};
  const std::vector<std::string_view> known = names();
  require(std::find(known.begin(), known.end(), text) != known.end(),
          "{}: expected one of {}, found '{}'",
          place,
          join_names(known),
          text);
  return {std::string(text)};
}

std::string to_string(const OutputFormat& format) {
  return format.preset ? fmt::format("{}:{}", format.name, to_string(*format.preset)) : format.name;
}

std::string output_format_names() {
  std::string all = join_names(names()) + " (";
  for (const auto& row : enum_table(GgufPreset{}))
    all += fmt::format("{}{}", all.ends_with('(') ? "" : ", ", row.name);
  return all + ")";
}

Planner keeping_planner(const Checkpoint& source,
                        const OutputFormat& format,
                        std::optional<DType> dense) {
  // Pith's own layout holds GGUF's blocks as they are; GGUF holds nothing else.
  const bool wants_blocks = format.is_gguf(), has_blocks = wants_blocks || format.name == "pith";
  return [=](const Parameter& parameter, const Encoding& stored) {
    ParameterPlan plan{.encoding = stored, .round = {}};
    plan.activation = source.activation(parameter.name);
    const bool is_block = std::holds_alternative<GgmlEncoding>(stored);
    if (is_dense(stored)) {
      if (dense) plan.encoding = DenseEncoding{*dense};
      if (wants_blocks && is_vector(parameter.kind)) plan.encoding = DenseEncoding{DType::kF32};
    } else if (is_block ? !has_blocks : wants_blocks) {
      plan.encoding = equivalent_of(stored).value_or(stored);
    }
    return plan;
  };
}

Planner gguf_planner(const Checkpoint& source,
                     GgufPreset preset,
                     std::shared_ptr<const ImportanceMatrix> importance) {
  const GgufTypeOptions options{.pure = false, .has_imatrix = importance != nullptr};
  return [=](const Parameter& parameter, const Encoding&) {
    ParameterPlan plan{.encoding = gguf_encoding_for(parameter, source.spec(), preset, options),
                       .round = {}};
    if (importance) plan.importance = importance->for_parameter(parameter, source.spec());
    return plan;
  };
}

std::unique_ptr<ModelWriter> make_model_writer(const OutputFormat& format,
                                               const std::filesystem::path& folder,
                                               const Checkpoint& source,
                                               std::vector<StoredParameter> parameters,
                                               std::uint64_t shard_bytes) {
  if (format.is_gguf()) {
    GgufModelOptions options{.metadata = {},
                             .name = source.folder().filename().string(),
                             .file_type = file_type_of(format, parameters),
                             .shard_bytes = shard_bytes};
    if (has_tokenizer(source)) options.metadata = gguf_tokenizer_keys(source);
    return std::make_unique<GgufModelWriter>(
        folder / kGgufName, source.spec(), parameters, options);
  }
  const std::string_view layout = format.name == kDense ? "pith" : std::string_view(format.name);
  return std::make_unique<CheckpointWriter>(
      folder, source.spec(), std::move(parameters), shard_bytes, layout);
}

std::filesystem::path written_model(const OutputFormat& format,
                                    const std::filesystem::path& folder) {
  if (!format.is_gguf()) return folder;
  const std::filesystem::path whole = folder / kGgufName;
  if (std::filesystem::exists(whole)) return whole;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.path().filename().string().starts_with("model-00001-of-")) return entry.path();
  return whole;
}

}  // namespace pith

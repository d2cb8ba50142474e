#include "pith/conversion/output_format.h"

#include <algorithm>
#include <map>

#include "pith/base/error.h"
#include "pith/base/log.h"
#include "pith/codec/transcode.h"
#include "pith/formats/gguf/gguf_model_writer.h"
#include "pith/formats/gguf/gguf_types.h"
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

// The name of what most numbers are: informative, as the key is. nullopt for types that are no
// preset's.
std::optional<std::uint32_t> file_type_of(const OutputFormat& format,
                                          const DecoderSpec& spec,
                                          const std::vector<StoredParameter>& parameters) {
  if (format.preset) return gguf_file_type(*format.preset);
  std::map<std::string, std::size_t> size_of;
  for (const Parameter& parameter : parameters_of(spec))
    size_of[parameter.name] = parameter.rows * parameter.cols;
  std::map<std::string_view, std::size_t> numbers;  // by type
  for (const StoredParameter& parameter : parameters)
    in_context(fmt::format("parameter '{}'", parameter.name),
               [&] { numbers[gguf_type_of(parameter.encoding).name] += size_of[parameter.name]; });
  const auto most =
      std::ranges::max_element(numbers, {}, [](const auto& row) { return row.second; });
  const auto preset = find_enum<GgufPreset>(most->first);
  return preset ? std::optional(gguf_file_type(*preset)) : std::nullopt;
}

// A GGUF file's own name for the model, else that of the folder.
std::string model_name(const Checkpoint& source) {
  if (source.gguf() != nullptr)
    if (const auto name = source.gguf()->find_string("general.name")) return std::string(*name);
  return source.folder().filename().string();
}

// What llama-quantize and its like always compress and no folder of linears holds so: floats that
// are the same numbers.
bool must_be_dense(const OutputFormat& format, const Parameter& parameter) {
  if (format.is_gguf() || format.name == kDense) return false;
  const Layout& layout = find_layout(format.name);
  const bool is_table =
      parameter.kind == ParameterKind::kEmbedding || parameter.kind == ParameterKind::kPosition;
  return (is_table && !layout.holds_tables) ||
         (parameter.kind == ParameterKind::kHead && !layout.holds_head);
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

void check_output_name(const OutputFormat& format, const std::filesystem::path& output) {
  require(format.is_gguf() || output.extension() != ".gguf",
          "{}: expected the name of a folder, since the format is {}; choose another name, or "
          "--format gguf:TYPE",
          output.string(),
          to_string(format));
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
    } else if (is_block && must_be_dense(format, parameter)) {
      plan.encoding = DenseEncoding{dense.value_or(DType::kF32)};
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
  return [source, preset, options, importance = std::move(importance)](const Parameter& parameter,
                                                                       const Encoding&) {
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
                             .name = model_name(source),
                             .file_type = file_type_of(format, source.spec(), parameters),
                             .shard_bytes = shard_bytes};
    if (has_tokenizer(source)) {
      options.metadata = gguf_tokenizer_keys(source);
    } else {
      log_warning("[gguf] the model has no tokenizer that Pith reads: the file goes without one");
      options.metadata.set_text("tokenizer.ggml.model", "no_vocab");  // llama.cpp wants to be told
    }
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

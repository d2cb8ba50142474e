#include "pith/formats/gguf/gguf_model_writer.h"

#include <algorithm>
#include <unordered_map>

#include "pith/base/error.h"
#include "pith/formats/checkpoint_state.h"
#include "pith/formats/gguf/gguf_keys.h"
#include "pith/formats/gguf/gguf_names.h"
#include "pith/formats/gguf/gguf_types.h"
#include "pith/formats/gguf/gguf_writer.h"

namespace pith {
namespace {

constexpr std::uint32_t kQuantizationVersion = 2;  // of ggml's blocks since 2023
constexpr std::string_view kHeadCopy = "output.weight";
constexpr std::string_view kRopeTensor = "rope_freqs.weight";

struct DeclaredParameter {
  Parameter parameter;
  GgufName tensor;
  Encoding encoding;
};

void check_encoding(const Parameter& parameter, const StoredParameter& stored) {
  in_context(fmt::format("parameter '{}'", parameter.name), [&] {
    gguf_type_of(stored.encoding);
    // Throws for rows that are not whole blocks.
    buffer_specs(stored.encoding, parameter.rows, parameter.cols);
    const bool vector =
        parameter.kind == ParameterKind::kNorm || parameter.kind == ParameterKind::kBias;
    require(!vector || stored.encoding == Encoding(DenseEncoding{DType::kF32}),
            "GGUF keeps vectors as f32, found {}",
            to_string(stored.encoding));
    require(parameter.kind != ParameterKind::kPosition || is_dense(stored.encoding),
            "GGUF keeps position embeddings as plain floats, found {}",
            to_string(stored.encoding));
    require(stored.activation == ActivationQuantization{},
            "GGUF has no quantized activations, found {}",
            to_string(stored.activation));
  });
}

}  // namespace

struct GgufModelWriter::State {
  void declare(const DecoderSpec& spec, const std::vector<StoredParameter>& stored);
  std::vector<GgufTensorSpec> tensors(const DecoderSpec& spec) const;
  GgufMetadata metadata(const DecoderSpec& spec, const GgufModelOptions& options) const;

  std::vector<DeclaredParameter> declared;
  std::unordered_map<std::string, std::size_t> index_of;
  bool copies_head = false;
  std::vector<float> rope;
  std::unique_ptr<GgufFileWriter> file;
};

void GgufModelWriter::State::declare(const DecoderSpec& spec,
                                     const std::vector<StoredParameter>& stored) {
  std::unordered_map<std::string_view, const StoredParameter*> by_name;
  for (const StoredParameter& entry : stored)
    if (!by_name.emplace(entry.name, &entry).second)
      fail<InternalError>("parameter '{}' was declared twice to the writer", entry.name);
  for (Parameter& parameter : parameters_of(spec)) {
    const auto found = by_name.find(parameter.name);
    if (found == by_name.end())
      fail<InternalError>("parameter '{}' was not declared to the writer", parameter.name);
    check_encoding(parameter, *found->second);
    index_of.emplace(parameter.name, declared.size());
    GgufName name = gguf_name(parameter, spec, gguf_architecture(spec.family));
    declared.push_back({std::move(parameter), std::move(name), found->second->encoding});
  }
  if (declared.size() != stored.size())
    fail<InternalError>("{} parameters were declared to the writer, the model has {}",
                        stored.size(),
                        declared.size());
  // Loaders of 2025 and before demand it of GPT-2; they know other tied heads by its absence.
  copies_head = spec.tied_head && spec.family == Family::kGpt2;
  rope = rope_divisors(spec);
}

std::vector<GgufTensorSpec> GgufModelWriter::State::tensors(const DecoderSpec& spec) const {
  std::vector<GgufTensorSpec> all;
  if (!rope.empty())
    all.push_back({std::string(kRopeTensor),
                   {static_cast<std::int64_t>(rope.size())},
                   DenseEncoding{DType::kF32}});
  for (const DeclaredParameter& each : declared)
    all.push_back({each.tensor.name, dense_shape(each.parameter), each.encoding});
  const auto embedding = index_of.at("embedding");
  if (copies_head)
    all.push_back(
        {std::string(kHeadCopy), {spec.vocab, spec.hidden}, declared[embedding].encoding});
  return all;
}

GgufMetadata GgufModelWriter::State::metadata(const DecoderSpec& spec,
                                              const GgufModelOptions& options) const {
  GgufMetadata all;
  set_spec_keys(spec, all);
  all.set_text("general.type", "model");
  if (!options.name.empty()) all.set_text("general.name", options.name);
  if (options.file_type) all.set_u32("general.file_type", *options.file_type);
  const bool quantized =
      std::any_of(declared.begin(), declared.end(), [](const DeclaredParameter& each) {
        return !is_dense(each.encoding);
      });
  if (quantized) all.set_u32("general.quantization_version", kQuantizationVersion);
  all.append(options.metadata);
  set_token_id_keys(spec, all);
  return all;
}

GgufModelWriter::GgufModelWriter(std::filesystem::path path,
                                 const DecoderSpec& spec,
                                 const std::vector<StoredParameter>& parameters,
                                 const GgufModelOptions& options)
    : state_(std::make_unique<State>()) {
  check_gguf_expresses(spec);
  state_->declare(spec, parameters);
  state_->file = std::make_unique<GgufFileWriter>(
      std::move(path), state_->metadata(spec, options), state_->tensors(spec), options.shard_bytes);
  if (!state_->rope.empty())
    state_->file->write(kRopeTensor, std::as_bytes(std::span(state_->rope)));
}

GgufModelWriter::~GgufModelWriter() = default;

void GgufModelWriter::write(std::string_view name, const PackedMatrix& weight) {
  const auto found = state_->index_of.find(std::string(name));
  if (found == state_->index_of.end())
    fail<InternalError>("parameter '{}' was not declared to the writer", name);
  const DeclaredParameter& declared = state_->declared[found->second];
  const Parameter& parameter = declared.parameter;
  if (weight.encoding() != declared.encoding || weight.rows() != parameter.rows ||
      weight.cols() != parameter.cols)
    fail<InternalError>("parameter '{}' was declared as {} [{}, {}] and written as {} [{}, {}]",
                        name,
                        to_string(declared.encoding),
                        parameter.rows,
                        parameter.cols,
                        to_string(weight.encoding()),
                        weight.rows(),
                        weight.cols());
  const std::int64_t heads = declared.tensor.permuted_heads;
  const PackedMatrix stored =
      heads == 0 ? weight : reorder_head_rows(weight, gguf_row_order(heads, head_rows(weight)));
  const std::span<const std::byte> bytes = stored.buffers().front().bytes;
  state_->file->write(declared.tensor.name, bytes);
  if (state_->copies_head && parameter.kind == ParameterKind::kEmbedding)
    state_->file->write(kHeadCopy, bytes);
}

void GgufModelWriter::finish() { state_->file->finish(); }
std::uint64_t GgufModelWriter::file_bytes() const { return state_->file->file_bytes(); }
const std::vector<std::filesystem::path>& GgufModelWriter::files() const {
  return state_->file->files();
}

}  // namespace pith

#include <algorithm>
#include <unordered_map>

#include "pith/base/atomic_file.h"
#include "pith/formats/checkpoint.h"
#include "pith/formats/checkpoint_state.h"
#include "pith/formats/config.h"
#include "pith/formats/tensor_names.h"

namespace pith {
namespace fs = std::filesystem;
namespace {

struct DeclaredParameter {
  Parameter parameter;
  TensorName tensor;
  Encoding encoding;
};

std::string part_name(const std::string& tensor, const std::string& part) {
  return part.empty() ? tensor : fmt::format("{}.{}", tensor, part);
}

// The tensors that a parameter is stored as.
void append_tensors(const DeclaredParameter& declared, std::vector<TensorSpec>& tensors) {
  const Parameter& parameter = declared.parameter;
  if (const auto* dense = std::get_if<DenseEncoding>(&declared.encoding)) {
    std::vector<std::int64_t> shape = dense_shape(parameter);
    if (declared.tensor.is_conv1d) std::swap(shape[0], shape[1]);
    tensors.push_back({declared.tensor.name, dense->dtype, std::move(shape)});
    return;
  }
  for (BufferSpec& spec : buffer_specs(declared.encoding, parameter.rows, parameter.cols))
    tensors.push_back(
        {part_name(declared.tensor.name, spec.part), spec.dtype, std::move(spec.shape)});
}

// The type that most of the dense numbers have: what config.json calls the model's dtype.
std::string_view main_dtype(const std::vector<DeclaredParameter>& parameters) {
  struct Candidate {
    DType dtype;
    std::string_view name;
    std::size_t numbers = 0;
  };
  Candidate candidates[] = {
      {DType::kF32, "float32"}, {DType::kBF16, "bfloat16"}, {DType::kF16, "float16"}};
  for (const DeclaredParameter& declared : parameters)
    for (Candidate& candidate : candidates)
      if (declared.encoding == Encoding(DenseEncoding{candidate.dtype}))
        candidate.numbers += declared.parameter.rows * declared.parameter.cols;
  return std::max_element(
             std::begin(candidates),
             std::end(candidates),
             [](const Candidate& a, const Candidate& b) { return a.numbers < b.numbers; })
      ->name;
}

}  // namespace

struct CheckpointWriter::State {
  fs::path folder;
  std::string config_text;
  std::vector<DeclaredParameter> declared;
  std::unordered_map<std::string, std::size_t> index_of;
  std::unique_ptr<SafetensorsWriter> weights;

  void declare(const DecoderSpec& spec,
               const std::vector<StoredParameter>& stored,
               PithLayout& layout) {
    std::unordered_map<std::string, Parameter> known;
    for (Parameter& parameter : parameters_of(spec))
      known.emplace(parameter.name, std::move(parameter));
    for (const StoredParameter& entry : stored) {
      const auto found = known.find(entry.name);
      if (found == known.end())
        fail<InternalError>("the model has no parameter '{}' to write", entry.name);
      if (!index_of.emplace(entry.name, declared.size()).second)
        fail<InternalError>("parameter '{}' was declared twice to the writer", entry.name);
      const Parameter& parameter = found->second;
      declared.push_back({parameter, tensor_name(parameter, spec.family), entry.encoding});
      if (!is_dense(entry.encoding) || entry.activation != ActivationQuantization::kNone)
        layout[declared.back().tensor.name] = {
            entry.encoding, parameter.rows, parameter.cols, entry.activation};
    }
    for (const auto& [name, parameter] : known)
      if (!index_of.contains(name))
        fail<InternalError>("parameter '{}' was not declared to the writer", name);
  }
};

CheckpointWriter::CheckpointWriter(fs::path folder,
                                   const DecoderSpec& spec,
                                   std::vector<StoredParameter> parameters,
                                   std::uint64_t shard_bytes)
    : state_(std::make_unique<State>()) {
  PithLayout layout;
  state_->declare(spec, parameters, layout);
  Json config = config_from_spec(spec, main_dtype(state_->declared));
  if (!layout.empty()) config["quantization_config"] = layout_to_json(layout);
  state_->config_text = config.dump(2) + "\n";
  std::vector<TensorSpec> tensors;
  for (const DeclaredParameter& declared : state_->declared)
    in_context(fmt::format("parameter '{}'", declared.parameter.name),
               [&] { append_tensors(declared, tensors); });
  state_->weights = std::make_unique<SafetensorsWriter>(folder, std::move(tensors), shard_bytes);
  state_->folder = std::move(folder);
}

CheckpointWriter::~CheckpointWriter() = default;

void CheckpointWriter::write(std::string_view name, const PackedMatrix& weight) {
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
  const bool turn = declared.tensor.is_conv1d && is_dense(declared.encoding);
  const PackedMatrix stored = turn ? transpose_dense(weight) : weight;
  for (const Buffer& buffer : stored.buffers())
    state_->weights->write(part_name(declared.tensor.name, buffer.spec.part), buffer.bytes);
}

void CheckpointWriter::finish() {
  state_->weights->finish();
  write_file_atomically(state_->folder / "config.json", state_->config_text);
}

std::uint64_t CheckpointWriter::file_bytes() const { return state_->weights->file_bytes(); }

}  // namespace pith

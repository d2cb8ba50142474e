#include <algorithm>
#include <unordered_map>

#include "pith/base/atomic_file.h"
#include "pith/base/log.h"
#include "pith/formats/checkpoint.h"
#include "pith/formats/checkpoint_state.h"
#include "pith/formats/config.h"
#include "pith/formats/layouts/vllm_check.h"
#include "pith/formats/tensor_names.h"

namespace pith {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kPithLayout = "pith";

struct DeclaredParameter {
  Parameter parameter;
  TensorName tensor;
  Encoding encoding;
  ActivationQuantization activation;
  std::vector<std::string> tensors;  // names, in the order of their bytes
};

LayoutMatrix layout_matrix(const DeclaredParameter& declared) {
  const Parameter& parameter = declared.parameter;
  return {declared.tensor.name,
          parameter.kind,
          parameter.rows,
          parameter.cols,
          declared.encoding,
          declared.activation};
}

TensorSpec dense_tensor(const DeclaredParameter& declared, DType dtype) {
  std::vector<std::int64_t> shape = dense_shape(declared.parameter);
  if (declared.tensor.is_conv1d) std::swap(shape[0], shape[1]);
  return {declared.tensor.name, dtype, std::move(shape)};
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
  std::unique_ptr<LayoutWriter> layout;  // null: all is dense
  std::unique_ptr<SafetensorsWriter> weights;

  void declare(const DecoderSpec& spec, const std::vector<StoredParameter>& stored) {
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
      declared.push_back(
          {parameter, tensor_name(parameter, spec.family), entry.encoding, entry.activation, {}});
    }
    for (const auto& [name, parameter] : known)
      if (!index_of.contains(name))
        fail<InternalError>("parameter '{}' was not declared to the writer", name);
  }

  void make_layout(const DecoderSpec& spec, std::string_view name) {
    std::vector<LayoutMatrix> matrices;
    bool compressed = false;
    for (const DeclaredParameter& parameter : declared) {
      matrices.push_back(layout_matrix(parameter));
      compressed |=
          !is_dense(parameter.encoding) || parameter.activation != ActivationQuantization{};
    }
    if (!compressed) return;
    layout = find_layout(name).make_writer(spec, matrices);
    if (name == kPithLayout) return;  // whoever writes it does not mean vLLM
    const std::vector<std::string> obstacles = vllm_obstacles(matrices, name);
    if (!obstacles.empty())
      log_warning(
          "{}: vLLM may refuse this or run it slowly: {}", name, fmt::join(obstacles, "; "));
  }

  // The tensors that a parameter is stored as.
  std::vector<TensorSpec> tensors_of(const DeclaredParameter& parameter) const {
    if (const auto* dense = std::get_if<DenseEncoding>(&parameter.encoding))
      return {dense_tensor(parameter, dense->dtype)};
    return layout->tensors_of(layout_matrix(parameter));
  }
};

CheckpointWriter::CheckpointWriter(fs::path folder,
                                   const DecoderSpec& spec,
                                   // NOLINTNEXTLINE(performance-unnecessary-value-param): moved in
                                   std::vector<StoredParameter> parameters,
                                   std::uint64_t shard_bytes,
                                   std::string_view layout)
    : state_(std::make_unique<State>()) {
  state_->declare(spec, parameters);
  state_->make_layout(spec, layout);
  Json config = config_from_spec(spec, main_dtype(state_->declared));
  if (state_->layout) config["quantization_config"] = state_->layout->quantization_config();
  state_->config_text = config.dump(2) + "\n";
  std::vector<TensorSpec> tensors;
  for (DeclaredParameter& declared : state_->declared)
    in_context(fmt::format("parameter '{}'", declared.parameter.name), [&] {
      for (TensorSpec& tensor : state_->tensors_of(declared)) {
        declared.tensors.push_back(tensor.name);
        tensors.push_back(std::move(tensor));
      }
    });
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
  if (is_dense(declared.encoding)) {
    const PackedMatrix stored = declared.tensor.is_conv1d ? transpose_dense(weight) : weight;
    state_->weights->write(declared.tensor.name, stored.buffer("").bytes);
    return;
  }
  const std::vector<Buffer> packed = in_context(fmt::format("parameter '{}'", name), [&] {
    return state_->layout->pack(layout_matrix(declared), weight);
  });
  PITH_CHECK(packed.size() == declared.tensors.size());
  for (std::size_t i = 0; i < packed.size(); ++i)
    state_->weights->write(declared.tensors[i], packed[i].bytes);
}

void CheckpointWriter::finish() {
  state_->weights->finish();
  if (state_->layout)
    for (const LayoutFile& file : state_->layout->side_files())
      write_file_atomically(state_->folder / file.name, file.text);
  write_file_atomically(state_->folder / "config.json", state_->config_text);
}

std::uint64_t CheckpointWriter::file_bytes() const { return state_->weights->file_bytes(); }

}  // namespace pith

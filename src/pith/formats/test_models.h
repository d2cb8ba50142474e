// Tiny models on disk for the tests of Checkpoint.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "pith/base/random.h"
#include "pith/codec/quantize.h"
#include "pith/formats/checkpoint.h"
#include "pith/formats/test_files.h"

namespace pith {

using Weights = std::map<std::string, PackedMatrix>;
using Chooser = std::function<StoredParameter(const Parameter&)>;

inline Chooser all_dense(DType dtype) {
  return [dtype](const Parameter& parameter) {
    return StoredParameter{parameter.name, DenseEncoding{dtype}};
  };
}

// Distinct floats without pattern, exact in every float type of 16 bits.
inline std::vector<float> test_values(const Parameter& parameter) {
  std::vector<float> values(parameter.rows * parameter.cols);
  std::size_t seed = std::hash<std::string>{}(parameter.name);
  for (float& value : values) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    value = static_cast<float>(static_cast<int>(seed >> 56) - 128) / 64.0f;
  }
  return values;
}

// Writes the model as `choose` says and returns what was written.
inline Weights write_model(const std::filesystem::path& folder,
                           const DecoderSpec& spec,
                           const Chooser& choose,
                           std::uint64_t shard_bytes = CheckpointWriter::kDefaultShardBytes,
                           std::string_view layout = "pith") {
  std::vector<StoredParameter> stored;
  for (const Parameter& parameter : parameters_of(spec)) stored.push_back(choose(parameter));
  CheckpointWriter writer(folder, spec, stored, shard_bytes, layout);
  Weights weights;
  for (const Parameter& parameter : parameters_of(spec)) {
    const StoredParameter how = choose(parameter);
    const std::vector<float> values = test_values(parameter);
    PackedMatrix packed =
        encode(source_of(MatrixView<const float>(values.data(), parameter.rows, parameter.cols)),
               how.encoding);
    packed.activation = how.activation;
    writer.write(parameter.name, packed);
    weights.emplace(parameter.name, std::move(packed));
  }
  writer.finish();
  return weights;
}

inline std::string bytes_of_matrix(const PackedMatrix& matrix) {
  std::string all;
  for (const Buffer& buffer : matrix.buffers())
    all.append(reinterpret_cast<const char*>(buffer.bytes.data()), buffer.bytes.size());
  return all;
}

inline void expect_same(const PackedMatrix& got, const PackedMatrix& expected) {
  EXPECT_EQ(got.rows(), expected.rows());
  EXPECT_EQ(got.cols(), expected.cols());
  EXPECT_EQ(got.encoding(), expected.encoding());
  EXPECT_EQ(got.activation, expected.activation);
  EXPECT_EQ(bytes_of_matrix(got), bytes_of_matrix(expected));
}

inline void expect_holds(const Checkpoint& model, const Weights& weights) {
  ASSERT_EQ(model.parameters().size(), weights.size());
  for (const auto& [name, weight] : weights) {
    SCOPED_TRACE(name);
    expect_same(model.load(name), weight);
    EXPECT_EQ(model.encoding(name), weight.encoding());
  }
}

// Writes the folder's tensors anew after `edit` has changed their names, types or bytes.
struct RawTensor {
  TensorSpec spec;
  std::string bytes;
};
using RawTensors = std::map<std::string, RawTensor>;

inline void edit_tensors(const std::filesystem::path& folder,
                         const std::function<void(RawTensors&)>& edit) {
  RawTensors tensors;
  {
    const auto reader = SafetensorsReader::open_folder(folder);
    for (const auto& [name, tensor] : reader.tensors())
      tensors[name] = {tensor.spec,
                       {reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size()}};
  }
  edit(tensors);
  std::vector<TensorSpec> specs;
  for (auto& [name, tensor] : tensors) {
    tensor.spec.name = name;
    specs.push_back(tensor.spec);
  }
  SafetensorsWriter writer(folder, specs, CheckpointWriter::kDefaultShardBytes);
  for (const auto& [name, tensor] : tensors)
    writer.write(name, std::as_bytes(std::span(tensor.bytes)));
  writer.finish();
}

inline void rename_tensor(RawTensors& tensors, const std::string& from, const std::string& to) {
  auto node = tensors.extract(from);
  node.key() = to;
  tensors.insert(std::move(node));
}

inline void edit_config(const std::filesystem::path& folder,
                        const std::function<void(Json&)>& edit) {
  Json config = read_json_file(folder / "config.json");
  edit(config);
  std::ofstream(folder / "config.json") << config.dump();
}

}  // namespace pith

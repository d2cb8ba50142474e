// Tiny random checkpoints for the tests of this room.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "pith/base/random.h"
#include "pith/base/test_support.h"
#include "pith/codec/float_convert.h"
#include "pith/conversion/quantize_methods.h"

namespace pith {

// Grouped queries, a head of its own; widths that no group size divides.
inline DecoderSpec tiny_llama() {
  DecoderSpec spec;
  spec.family = Family::kLlama;
  spec.vocab = 37;
  spec.hidden = 24;
  spec.context = 16;
  spec.norm_epsilon = 1e-5;
  spec.layers.assign(2, {.heads = 4, .kv_heads = 2, .qk_dim = 6, .v_dim = 6, .ffn = 44});
  return spec;
}

// Norms of q and k, a tied head.
inline DecoderSpec tiny_qwen3() {
  DecoderSpec spec = tiny_llama();
  spec.family = Family::kQwen3;
  spec.qk_norm = true;
  spec.tied_head = true;
  return spec;
}

inline DecoderSpec tiny_qwen2() {
  DecoderSpec spec = tiny_llama();
  spec.family = Family::kQwen2;
  spec.qkv_bias = true;
  return spec;
}

// Fused qkv, LayerNorm, biases everywhere, learned positions.
inline DecoderSpec tiny_gpt2() {
  DecoderSpec spec;
  spec.family = Family::kGpt2;
  spec.vocab = 41;
  spec.hidden = 20;
  spec.context = 12;
  spec.norm_epsilon = 1e-5;
  spec.layers.assign(2, {.heads = 5, .kv_heads = 5, .qk_dim = 4, .v_dim = 4, .ffn = 36});
  spec.norm = NormKind::kLayerNorm;
  spec.position = PositionKind::kLearned;
  spec.mlp = MlpKind::kPlain;
  spec.activation = Activation::kGeluTanh;
  spec.fused_qkv = spec.qkv_bias = spec.output_bias = spec.mlp_bias = spec.tied_head = true;
  return spec;
}

inline DecoderSpec untied(DecoderSpec spec) {
  spec.tied_head = false;
  return spec;
}

inline std::vector<DecoderSpec> tiny_specs() {
  return {tiny_llama(), tiny_qwen2(), tiny_qwen3(), tiny_gpt2(), untied(tiny_gpt2())};
}

// Weights of a trained model's size: norms near 1, the rest around 0.
inline std::vector<float> random_weight(const Parameter& parameter, std::uint64_t seed) {
  const Random random(seed, stream_of(parameter.name));
  std::vector<float> values(parameter.rows * parameter.cols);
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = parameter.kind == ParameterKind::kNorm ? 1 + 0.1f * random.normal(i)
                                                       : 0.2f * random.normal(i);
  return values;
}

using Weights = std::map<std::string, std::vector<float>>;

inline Weights random_weights(const DecoderSpec& spec, std::uint64_t seed) {
  Weights weights;
  for (const Parameter& parameter : parameters_of(spec))
    weights[parameter.name] = random_weight(parameter, seed);
  return weights;
}

// Not by pack_dense(), which refuses the bad numbers that some tests need.
inline PackedMatrix stored_as(DType dtype,
                              const Parameter& parameter,
                              const std::vector<float>& values) {
  const DenseEncoding encoding{dtype};
  OwnedBuffer buffer = allocate_buffer(buffer_specs(encoding, parameter.rows, parameter.cols)[0]);
  from_f32(dtype, values, buffer.writable);
  return {encoding, parameter.rows, parameter.cols, {std::move(buffer.buffer)}};
}

inline Checkpoint write_checkpoint(const std::filesystem::path& folder,
                                   const DecoderSpec& spec,
                                   const Weights& weights,
                                   DType dtype) {
  std::filesystem::create_directory(folder);
  std::vector<StoredParameter> stored;
  for (const Parameter& parameter : parameters_of(spec))
    stored.push_back({parameter.name, DenseEncoding{dtype}});
  CheckpointWriter writer(folder, spec, stored);
  for (const Parameter& parameter : parameters_of(spec))
    writer.write(parameter.name, stored_as(dtype, parameter, weights.at(parameter.name)));
  writer.finish();
  return Checkpoint::open(folder);
}

inline Checkpoint random_checkpoint(const std::filesystem::path& folder,
                                    const DecoderSpec& spec,
                                    DType dtype = DType::kF32,
                                    std::uint64_t seed = 1) {
  return write_checkpoint(folder, spec, random_weights(spec, seed), dtype);
}

inline Weights weights_of(const Checkpoint& checkpoint) {
  Weights weights;
  for (const Parameter& parameter : checkpoint.parameters())
    weights[parameter.name] = checkpoint.load(parameter.name).dequantize();
  return weights;
}

inline Planner planner_of(const QuantizeOptions& options, const DecoderSpec& spec) {
  return find_quantize_method(options.method).make_planner(options, spec);
}

// Converts into `folder`, which is made; a forecast of nothing is given, so that no probe is run.
inline ConversionResult convert(const Checkpoint& source,
                                const std::filesystem::path& folder,
                                const Planner& planner,
                                ConversionOptions options = {}) {
  std::filesystem::create_directory(folder);
  if (!options.forecast) options.forecast = Cost{};
  return convert_checkpoint(source, folder, planner, options);
}

// All as it is.
inline ParameterPlan keep_all(const Parameter&, const Encoding& stored) {
  return {.encoding = stored, .round = {}};
}

// The bytes of every file of a folder.
inline std::map<std::string, std::string> files_of(const std::filesystem::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    files[entry.path().filename().string()] = contents(entry.path());
  return files;
}

}  // namespace pith

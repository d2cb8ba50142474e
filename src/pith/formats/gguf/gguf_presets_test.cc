#include "pith/formats/gguf/gguf_presets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "pith/base/json.h"
#include "pith/formats/gguf/gguf_keys.h"
#include "pith/formats/gguf/gguf_names.h"
#include "pith/formats/gguf/gguf_types.h"
#include "pith/formats/test_files.h"

namespace pith {
namespace {

namespace fs = std::filesystem;

// 16 layers with blocks of 256 everywhere; 8 heads over 8 or 2 key heads.
DecoderSpec wide(Family family, std::int64_t kv_heads = 8) {
  DecoderSpec spec = tiny_spec(family);
  spec.vocab = 512;
  spec.hidden = 256;
  spec.tied_head = family == Family::kGpt2;
  spec.layers.assign(16, {8, kv_heads, 32, 32, 512, 0});
  return spec;
}

std::string type_of(const DecoderSpec& spec,
                    const std::string& name,
                    GgufPreset preset,
                    const GgufTypeOptions& options = {}) {
  for (const Parameter& parameter : parameters_of(spec))
    if (parameter.name == name)
      return to_string(gguf_encoding_for(parameter, spec, preset, options));
  throw InternalError("no parameter " + name);
}

// The types of one parameter in all layers, "q4_k:3 q6_k:1" as runs.
std::string runs(const DecoderSpec& spec,
                 const std::string& suffix,
                 GgufPreset preset,
                 const GgufTypeOptions& options = {}) {
  std::string all, last;
  int count = 0;
  const auto end = [&] {
    if (count > 0) all += fmt::format("{}{}:{}", all.empty() ? "" : " ", last, count);
    count = 0;
  };
  for (std::size_t i = 0; i < spec.layers.size(); ++i) {
    const std::string type = type_of(spec, fmt::format("layers.{}.{}", i, suffix), preset, options);
    if (type != last) end();
    last = type;
    ++count;
  }
  end();
  return all;
}

TEST(GgufPresets, PlainTypes) {
  const DecoderSpec spec = wide(Family::kLlama);
  const struct {
    GgufPreset preset;
    const char *layers, *head;
    std::uint32_t file_type;
  } kRows[] = {{GgufPreset::kF32, "f32:16", "f32", 0},
               {GgufPreset::kF16, "f16:16", "f16", 1},
               {GgufPreset::kBF16, "bf16:16", "bf16", 32},
               {GgufPreset::kQ8_0, "q8_0:16", "q8_0", 7},
               {GgufPreset::kQ4_0, "q4_0:16", "q6_k", 2},
               {GgufPreset::kQ4_1, "q4_1:16", "q6_k", 3},
               {GgufPreset::kQ5_0, "q5_0:16", "q6_k", 8},
               {GgufPreset::kQ5_1, "q5_1:16", "q6_k", 9},
               {GgufPreset::kQ6_K, "q6_k:16", "q6_k", 18}};
  for (const auto& row : kRows) {
    SCOPED_TRACE(to_string(row.preset));
    for (const char* name : {"attn.q", "attn.v", "attn.o", "mlp.gate", "mlp.down"})
      EXPECT_EQ(runs(spec, name, row.preset), row.layers) << name;
    EXPECT_EQ(type_of(spec, "lm_head", row.preset), row.head);
    EXPECT_EQ(fmt::format("{}:16", type_of(spec, "embedding", row.preset)), row.layers);
    EXPECT_EQ(runs(spec, "attn_norm", row.preset), "f32:16");
    EXPECT_EQ(gguf_file_type(row.preset), row.file_type);
  }
}

// formats.md 4.7 for 16 layers: the first and the last eighth, and every third between.
TEST(GgufPresets, MediumMixesGiveMoreBitsToSomeLayers) {
  const DecoderSpec spec = wide(Family::kLlama);
  const auto expected = [](const char* base) {
    return fmt::format("q6_k:2 {0}:2 q6_k:1 {0}:2 q6_k:1 {0}:2 q6_k:1 {0}:2 q6_k:3", base);
  };
  for (const GgufPreset preset : {GgufPreset::kQ4_K_M, GgufPreset::kQ4_K}) {
    EXPECT_EQ(runs(spec, "attn.v", preset), expected("q4_k"));
    EXPECT_EQ(runs(spec, "mlp.down", preset), expected("q4_k"));
    EXPECT_EQ(runs(spec, "attn.o", preset), "q4_k:16");
    EXPECT_EQ(type_of(spec, "lm_head", preset), "q6_k");
    EXPECT_EQ(type_of(spec, "embedding", preset), "q4_k");
    EXPECT_EQ(gguf_file_type(preset), 15u);
  }
  for (const GgufPreset preset : {GgufPreset::kQ5_K_M, GgufPreset::kQ5_K}) {
    EXPECT_EQ(runs(spec, "attn.v", preset), expected("q5_k"));
    EXPECT_EQ(runs(spec, "mlp.down", preset), expected("q5_k"));
    EXPECT_EQ(gguf_file_type(preset), 17u);
  }
}

TEST(GgufPresets, SmallMixesAndIQ4NL) {
  const DecoderSpec spec = wide(Family::kLlama);
  EXPECT_EQ(runs(spec, "attn.v", GgufPreset::kQ4_K_S), "q5_k:4 q4_k:12");
  EXPECT_EQ(runs(spec, "mlp.down", GgufPreset::kQ4_K_S), "q5_k:2 q4_k:14");
  EXPECT_EQ(runs(spec, "attn.v", GgufPreset::kQ5_K_S), "q5_k:16");
  EXPECT_EQ(runs(spec, "mlp.down", GgufPreset::kQ5_K_S), "q5_k:16");
  EXPECT_EQ(runs(spec, "attn.v", GgufPreset::kIQ4_NL), "iq4_nl:16");
  EXPECT_EQ(runs(wide(Family::kLlama, 2), "attn.v", GgufPreset::kIQ4_NL), "q5_k:16");
  EXPECT_EQ(runs(spec, "mlp.down", GgufPreset::kIQ4_NL), "q5_k:2 iq4_nl:14");
  const GgufTypeOptions imatrix{.has_imatrix = true};
  EXPECT_EQ(runs(spec, "mlp.down", GgufPreset::kIQ4_NL, imatrix), "iq4_nl:16");
  EXPECT_EQ(runs(spec, "mlp.down", GgufPreset::kQ4_0, imatrix), "q4_1:2 q4_0:14");
  EXPECT_EQ(runs(spec, "mlp.down", GgufPreset::kQ5_0, imatrix), "q5_1:2 q5_0:14");
  EXPECT_EQ(runs(spec, "attn.v", GgufPreset::kQ4_0, imatrix), "q4_0:16");
}

TEST(GgufPresets, PureIsPure) {
  const DecoderSpec spec = wide(Family::kGpt2);
  for (const Parameter& parameter : parameters_of(spec)) {
    const std::string type =
        to_string(gguf_encoding_for(parameter, spec, GgufPreset::kQ4_K_M, {.pure = true}));
    const bool matrix =
        parameter.kind == ParameterKind::kLinear || parameter.kind == ParameterKind::kEmbedding;
    EXPECT_EQ(type, matrix ? "q4_k" : "f32") << parameter.name;
  }
}

TEST(GgufPresets, TiedHeadsAndSeventyBillion) {
  EXPECT_EQ(type_of(wide(Family::kGpt2), "embedding", GgufPreset::kQ4_0), "q6_k");
  DecoderSpec large = wide(Family::kLlama, 1);
  large.layers.resize(80, large.layers[0]);
  EXPECT_EQ(type_of(large, "layers.40.attn.v", GgufPreset::kQ4_K_S), "q5_k");
  for (LayerSpec& layer : large.layers) layer.kv_heads = layer.heads;
  EXPECT_EQ(type_of(large, "layers.40.attn.v", GgufPreset::kQ4_K_S), "q4_k");
  large.family = Family::kQwen2;
  EXPECT_EQ(type_of(large, "layers.40.attn.v", GgufPreset::kQ4_K_S), "q5_k");
}

TEST(GgufPresets, WidthsThatDoNotDivideFallBack) {
  DecoderSpec spec = wide(Family::kLlama);
  spec.hidden = 288;                                     // of 32, not of 256
  for (LayerSpec& layer : spec.layers) layer.ffn = 300;  // not of 32 either
  const std::map<GgufPreset, std::string> kTypes = {{GgufPreset::kQ8_0, "q8_0"},
                                                    {GgufPreset::kQ4_0, "q4_0"},
                                                    {GgufPreset::kIQ4_NL, "iq4_nl"},
                                                    {GgufPreset::kQ4_K_M, "q5_0"},
                                                    {GgufPreset::kQ5_K_S, "q5_1"},
                                                    {GgufPreset::kQ6_K, "q8_0"},
                                                    {GgufPreset::kF16, "f16"}};
  for (const auto& [preset, type] : kTypes) {
    SCOPED_TRACE(to_string(preset));
    EXPECT_EQ(type_of(spec, "layers.3.attn.q", preset), type);
    EXPECT_EQ(type_of(spec, "layers.3.mlp.down", preset), "f16");
    EXPECT_EQ(type_of(spec, "lm_head", preset), preset == GgufPreset::kF16 ? "f16" : "q8_0");
  }
  EXPECT_EQ(type_of(spec, "layers.0.attn.v", GgufPreset::kQ4_K_M), "q8_0");  // for Q6_K
  spec.hidden = 8;
  EXPECT_EQ(type_of(spec, "lm_head", GgufPreset::kQ4_0), "f16");
  EXPECT_EQ(type_of(wide(Family::kGpt2), "position", GgufPreset::kF16), "f32");
}

// The network of a model in llama_quantize.json, from the shapes of its matrices.
DecoderSpec spec_of_model(const Json& model) {
  const bool gpt2 = model["architecture"] == "gpt2";
  DecoderSpec spec = tiny_spec(gpt2 ? Family::kGpt2 : Family::kLlama);
  const Json& matrices = model["matrices"];
  const auto size = [&](const char* name, std::size_t dim) {
    return matrices.at(name).at(dim).get<std::int64_t>();
  };
  spec.vocab = size("token_embd.weight", 0);
  spec.hidden = size("token_embd.weight", 1);
  if (gpt2) spec.context = size("position_embd.weight", 0);
  spec.tied_head = !matrices.contains("output.weight");
  LayerSpec layer{model["heads"], model["kv_heads"], 0, 0, size("blk.0.ffn_up.weight", 0), 0};
  layer.qk_dim = layer.v_dim = size("blk.0.attn_output.weight", 1) / layer.heads;
  spec.layers.assign(model["layers"].get<std::size_t>(), layer);
  return spec;
}

void expect_types(const Json& model, const char* table, const GgufTypeOptions& options) {
  const DecoderSpec spec = spec_of_model(model);
  std::map<std::string, Parameter> parameters;
  for (const Parameter& parameter : parameters_of(spec))
    parameters[gguf_name(parameter, spec, gguf_architecture(spec.family)).name] = parameter;
  for (const auto& [preset, line] : model[table].items()) {
    std::istringstream types(line.get<std::string>());
    for (const auto& [matrix, shape] : model["matrices"].items()) {
      SCOPED_TRACE(fmt::format("{} of {}", matrix, preset));
      const Parameter& parameter = parameters.at(matrix);
      ASSERT_EQ(parameter.rows, shape[0].get<std::size_t>());
      ASSERT_EQ(parameter.cols, shape[1].get<std::size_t>());
      std::string type;
      types >> type;
      const Encoding encoding =
          gguf_encoding_for(parameter, spec, parse_enum<GgufPreset>(preset, "preset"), options);
      EXPECT_EQ(gguf_type_of(encoding).name, type);
    }
  }
}

// llama-quantize's own choices; see tests/golden/gguf/README.md.
TEST(GgufPresets, ChooseAsLlamaQuantize) {
  const Json golden =
      read_json_file(fs::path(PITH_SOURCE_DIR) / "tests/golden/gguf/llama_quantize.json");
  ASSERT_GE(golden["models"].size(), 5u);
  for (const auto& [name, model] : golden["models"].items()) {
    SCOPED_TRACE(name);
    ASSERT_GE(model["types"].size(), 13u);
    expect_types(model, "types", {});
    expect_types(model, "types_with_importance", {.has_imatrix = true});
  }
  for (const auto& [preset, number] : golden["file_types"].items())
    EXPECT_EQ(gguf_file_type(parse_enum<GgufPreset>(preset, "preset")),
              number.get<std::uint32_t>());
}

}  // namespace
}  // namespace pith

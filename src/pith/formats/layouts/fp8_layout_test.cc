#include "pith/formats/layouts/fp8_layout.h"

#include <gmock/gmock.h>

#include "pith/formats/test_models.h"

namespace pith {
namespace {

using testing::HasSubstr;

Chooser linears(const Encoding& encoding, const ActivationQuantization& activation = {}) {
  return [=](const Parameter& parameter) {
    if (parameter.kind != ParameterKind::kLinear)
      return StoredParameter{parameter.name, DenseEncoding{DType::kBF16}};
    return StoredParameter{parameter.name, encoding, activation};
  };
}

Weights write_fp8(const std::filesystem::path& folder,
                  const Chooser& choose,
                  const DecoderSpec& spec = tiny_spec(Family::kLlama)) {
  return write_model(folder, spec, choose, CheckpointWriter::kDefaultShardBytes, "fp8");
}

constexpr Float8Encoding kBlocks{DType::kF8E4M3, Granularity::kGroup, DType::kF32, 4};

TEST(Fp8Layout, RoundTripsBitForBit) {
  for (const ActivationQuantization& activation :
       {ActivationQuantization{}, ActivationQuantization{ActivationScheme::kStaticFp8Tensor, 0.3f}})
    for (const Family family : {Family::kLlama, Family::kQwen2, Family::kQwen3}) {
      SCOPED_TRACE(to_string(family));
      TestFolder folder;
      const Weights weights =
          write_fp8(folder.path(), linears(kBlocks, activation), tiny_spec(family));
      const Checkpoint model = Checkpoint::open(folder.path());
      EXPECT_EQ(model.layout(), "fp8");
      expect_holds(model, weights);
    }
}

TEST(Fp8Layout, IsAsDocumented) {
  TestFolder folder;
  write_fp8(folder.path(), linears(kBlocks));
  EXPECT_EQ(read_json_file(folder.path() / "config.json")["quantization_config"],
            Json::parse(R"({"quant_method": "fp8", "fmt": "e4m3", "activation_scheme": "dynamic",
                            "weight_block_size": [4, 4], "modules_to_not_convert": ["lm_head"]})"));
  const auto reader = SafetensorsReader::open_folder(folder.path());
  const auto& scale = reader.at("model.layers.0.mlp.up_proj.weight_scale_inv").spec;
  EXPECT_EQ(scale.shape, (std::vector<std::int64_t>{2, 2}));  // of [6, 8]
  EXPECT_EQ(scale.dtype, DType::kF32);
  EXPECT_EQ(reader.at("model.layers.0.mlp.up_proj.weight").spec.dtype, DType::kF8E4M3);
}

// Codes of 448 and -1 in three of the four blocks.
TEST(Fp8Layout, WeightsAreCodesTimesScales) {
  TestFolder folder;
  write_fp8(folder.path(), linears(kBlocks));
  edit_tensors(folder.path(), [](RawTensors& tensors) {
    const float scales[] = {0.5f, 2.0f, 4.0f, 8.0f};
    tensors.at("model.layers.0.mlp.up_proj.weight_scale_inv")
        .bytes.assign(reinterpret_cast<const char*>(scales), sizeof scales);
    std::string& codes = tensors.at("model.layers.0.mlp.up_proj.weight").bytes;
    codes.assign(48, '\0');
    codes[0] = codes[4] = '\x7e';
    codes[47] = '\xb8';
  });
  const std::vector<float> values =
      Checkpoint::open(folder.path()).load("layers.0.mlp.up").dequantize();
  EXPECT_EQ(values[0], 224.0f);
  EXPECT_EQ(values[4], 896.0f);
  EXPECT_EQ(values[47], -8.0f);
  EXPECT_EQ(values[1], 0.0f);
}

// Puts a scale a tensor in place of those of blocks.
void set_tensor_scales(RawTensors& tensors, std::string_view part, bool is_scalar) {
  constexpr std::string_view kPart = ".weight_scale_inv";
  RawTensors changed;
  for (auto& [name, tensor] : tensors) {
    if (!name.ends_with(kPart)) {
      changed[name] = std::move(tensor);
      continue;
    }
    const std::string module = name.substr(0, name.size() - kPart.size());
    changed[std::string(module).append(part)] = {
        {"", DType::kF32, std::vector<std::int64_t>(is_scalar ? 0 : 1, 1)},
        std::string("\0\0\0\x3f", 4)};
  }
  tensors = std::move(changed);
}

// As AutoFP8 writes it: a scale a tensor, called weight_scale or weight_scale_inv, [] or [1].
TEST(Fp8Layout, ScalesOfTensorsAreRead) {
  for (const bool block_is_null : {false, true})
    for (const char* part : {".weight_scale", ".weight_scale_inv"})
      for (const bool is_scalar : {false, true}) {
        TestFolder folder;
        write_fp8(folder.path(), linears(kBlocks));
        edit_tensors(folder.path(),
                     [&](RawTensors& tensors) { set_tensor_scales(tensors, part, is_scalar); });
        edit_config(folder.path(), [&](Json& json) {
          json["quantization_config"].erase("weight_block_size");
          if (block_is_null) json["quantization_config"]["weight_block_size"] = nullptr;
        });
        const PackedMatrix weight = Checkpoint::open(folder.path()).load("layers.0.mlp.up");
        EXPECT_EQ(to_string(weight.encoding()), "e4m3 tensor");
        EXPECT_EQ(to_string(weight.activation), "dynamic-fp8-token");
      }
}

std::string inexpressible(const Chooser& choose, const DecoderSpec& spec) {
  TestFolder folder;
  return error_of<UserError>([&] { write_fp8(folder.path(), choose, spec); });
}

TEST(Fp8Layout, WhatItCannotHoldIsNamed) {
  const DecoderSpec llama = tiny_spec(Family::kLlama);
  const char* const blocks_only =
      "it holds E4M3 in blocks with f32 scales only; use --format compressed-tensors";
  EXPECT_EQ(inexpressible(linears(Float8Encoding{}), llama),
            std::string("fp8 cannot hold 'model.layers.0.self_attn.q_proj.weight' as e4m3 row: ") +
                blocks_only);
  Float8Encoding encoding = kBlocks;
  encoding.scale_dtype = DType::kBF16;
  EXPECT_THAT(inexpressible(linears(encoding), llama), HasSubstr(blocks_only));
  EXPECT_THAT(inexpressible(linears(GroupIntEncoding{}), llama), HasSubstr(blocks_only));
  EXPECT_THAT(inexpressible(linears(kBlocks, {ActivationScheme::kDynamicFp8Token}), llama),
              HasSubstr("it has no activations of kind dynamic-fp8-token"));
  EXPECT_THAT(inexpressible(linears(kBlocks), tiny_spec(Family::kGpt2)),
              HasSubstr("the layers of GPT-2 are no linear layers"));
  EXPECT_THAT(inexpressible(linears(DenseEncoding{}, {ActivationScheme::kDynamicFp8Token}), llama),
              HasSubstr("it quantizes the activations of compressed weights only"));
  const auto embedding = [](const Parameter& parameter) -> StoredParameter {
    if (parameter.kind == ParameterKind::kEmbedding) return {parameter.name, kBlocks};
    return {parameter.name, DenseEncoding{}};
  };
  EXPECT_THAT(inexpressible(embedding, llama),
              HasSubstr("'model.embed_tokens.weight' as e4m3 block4: it compresses the weights of "
                        "linear layers only"));
  const auto two_sizes = [](const Parameter& parameter) -> StoredParameter {
    if (parameter.kind != ParameterKind::kLinear) return {parameter.name, DenseEncoding{}};
    Float8Encoding blocks = kBlocks;
    if (parameter.layer == 1) blocks.block = 8;
    return {parameter.name, blocks};
  };
  EXPECT_THAT(inexpressible(two_sizes, llama), HasSubstr("its matrices have one block size"));
}

std::string refusal(const Json& changes, const std::function<void(RawTensors&)>& edit = {}) {
  TestFolder folder;
  write_fp8(folder.path(), linears(kBlocks));
  edit_config(folder.path(), [&](Json& json) { json["quantization_config"].update(changes); });
  if (edit) edit_tensors(folder.path(), edit);
  return error_of<FormatError>([&] { Checkpoint::open(folder.path()); });
}

TEST(Fp8Layout, RefusesWhatItDoesNotRead) {
  EXPECT_THAT(refusal({{"weight_block_size", {128, 64}}}),
              HasSubstr("at /quantization_config/weight_block_size: expected square blocks, found "
                        "128 x 64"));
  EXPECT_THAT(refusal({{"weight_block_size", {0, 0}}}),
              HasSubstr("expected an integer from 1 to 1073741824, found 0"));
  EXPECT_THAT(refusal({{"weight_block_size", {128}}}), HasSubstr("expected two numbers"));
  EXPECT_THAT(refusal({{"weight_block_size", 128}}), HasSubstr("expected an array, found 128"));
  EXPECT_THAT(refusal({{"fmt", "e5m2"}}),
              HasSubstr("at /quantization_config/fmt: expected one of "
                        "e4m3, found 'e5m2'"));
  EXPECT_THAT(refusal({{"scale_fmt", "ue8m0"}}), HasSubstr("expected one of float, found 'ue8m0'"));
  EXPECT_THAT(refusal({{"activation_scheme", "local"}}),
              HasSubstr("expected one of dynamic, static, found 'local'"));
  EXPECT_THAT(refusal({{"activation_scheme", "static"}}),
              HasSubstr("q_proj.input_scale': expected shape [1], found no such tensor"));
}

TEST(Fp8Layout, RefusesTensorsThatContradict) {
  const std::string scale = "model.layers.0.mlp.up_proj.weight_scale_inv";
  EXPECT_THAT(refusal(Json::object(), [&](RawTensors& tensors) { tensors.erase(scale); }),
              HasSubstr("tensor '" + scale + "': expected shape [2, 2], found no such tensor"));
  EXPECT_THAT(refusal({{"weight_block_size", {2, 2}}}),
              HasSubstr("weight_scale_inv': expected shape [4, 4], found [2, 2]"));
  EXPECT_THAT(refusal(Json::object(),
                      [&](RawTensors& tensors) { tensors.at(scale).spec.dtype = DType::kI32; }),
              HasSubstr("'" + scale + "': expected F32, BF16, F16, found I32"));
  EXPECT_THAT(refusal(Json::object(),
                      [](RawTensors& tensors) {
                        RawTensor& codes = tensors.at("model.layers.0.mlp.up_proj.weight");
                        codes.spec.shape = {8, 6};
                      }),
              HasSubstr("up_proj.weight': expected shape [6, 8], found [8, 6]"));
}

}  // namespace
}  // namespace pith

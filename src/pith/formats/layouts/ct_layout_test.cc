#include "pith/formats/layouts/ct_layout.h"

#include <gmock/gmock.h>

#include "pith/formats/test_models.h"

namespace pith {
namespace {

using testing::HasSubstr;

// Wide enough for groups, with widths that fill no whole word.
DecoderSpec small_spec() {
  DecoderSpec spec = tiny_spec(Family::kLlama);
  spec.hidden = 24;
  spec.layers.assign(2, LayerSpec{2, 1, 12, 12, 40, 0});
  return spec;
}

Chooser linears(const Encoding& encoding, const ActivationQuantization& activation = {}) {
  return [=](const Parameter& parameter) {
    if (parameter.kind != ParameterKind::kLinear)
      return StoredParameter{parameter.name, DenseEncoding{DType::kBF16}};
    return StoredParameter{parameter.name, encoding, activation};
  };
}

Weights write_ct(const std::filesystem::path& folder,
                 const Chooser& choose,
                 const DecoderSpec& spec = small_spec()) {
  return write_model(
      folder, spec, choose, CheckpointWriter::kDefaultShardBytes, "compressed-tensors");
}

GroupIntEncoding ints(int bits, Granularity granularity, ZeroPoints zeros, DType scales) {
  const std::size_t group = granularity == Granularity::kGroup ? 8 : 0;
  return {bits, granularity, group, zeros, scales, false};
}

Json config_of(const std::filesystem::path& folder) {
  return read_json_file(folder / "config.json")["quantization_config"];
}

TEST(CtLayout, IntegersRoundTripBitForBit) {
  constexpr DType kScales[] = {DType::kF32, DType::kF16, DType::kBF16};
  for (int bits = 1; bits <= 8; ++bits)
    for (const Granularity granularity :
         {Granularity::kTensor, Granularity::kRow, Granularity::kGroup})
      for (const ZeroPoints zeros : {ZeroPoints::kNone, ZeroPoints::kPacked}) {
        if (bits == 1 && zeros == ZeroPoints::kNone) continue;  // not quantized to by Pith
        const Encoding encoding = ints(bits, granularity, zeros, kScales[bits % 3]);
        SCOPED_TRACE(to_string(encoding));
        TestFolder folder;
        const Weights weights = write_ct(folder.path(), linears(encoding));
        const Checkpoint model = Checkpoint::open(folder.path());
        EXPECT_EQ(model.layout(), "compressed-tensors");
        expect_holds(model, weights);
      }
}

TEST(CtLayout, FloatsRoundTripBitForBit) {
  const Float8Encoding encodings[] = {{DType::kF8E4M3, Granularity::kTensor, DType::kF32, 0},
                                      {DType::kF8E4M3, Granularity::kRow, DType::kBF16, 0},
                                      {DType::kF8E4M3, Granularity::kGroup, DType::kF16, 16}};
  for (const Encoding encoding : encodings)
    for (const ActivationQuantization& activation :
         {ActivationQuantization{},
          ActivationQuantization{ActivationScheme::kDynamicFp8Token},
          ActivationQuantization{ActivationScheme::kStaticFp8Tensor, 0.1f}}) {
      SCOPED_TRACE(to_string(encoding) + " " + to_string(activation));
      TestFolder folder;
      const Weights weights = write_ct(folder.path(), linears(encoding, activation));
      expect_holds(Checkpoint::open(folder.path()), weights);
      EXPECT_EQ(config_of(folder.path())["format"], "float-quantized");
    }
}

TEST(CtLayout, Int8WithActivationsRoundTrips) {
  for (const Granularity granularity : {Granularity::kTensor, Granularity::kRow})
    for (const ActivationQuantization& activation :
         {ActivationQuantization{ActivationScheme::kDynamicInt8Token},
          ActivationQuantization{ActivationScheme::kStaticInt8Tensor, 0.3f},
          ActivationQuantization{ActivationScheme::kStaticInt8Tensor, 0.3f, -7}}) {
      SCOPED_TRACE(to_string(activation));
      TestFolder folder;
      const Weights weights = write_ct(
          folder.path(), linears(ints(8, granularity, ZeroPoints::kNone, DType::kF32), activation));
      expect_holds(Checkpoint::open(folder.path()), weights);
      EXPECT_EQ(config_of(folder.path())["format"], "int-quantized");
    }
  TestFolder folder;
  const Weights weights =
      write_ct(folder.path(),
               linears(ints(4, Granularity::kGroup, ZeroPoints::kPacked, DType::kF16),
                       {ActivationScheme::kDynamicInt8Token}));
  expect_holds(Checkpoint::open(folder.path()), weights);
}

TEST(CtLayout, ConfigOfOneScheme) {
  TestFolder folder;
  write_ct(folder.path(), linears(ints(4, Granularity::kGroup, ZeroPoints::kNone, DType::kBF16)));
  EXPECT_EQ(config_of(folder.path()), Json::parse(R"({
    "quant_method": "compressed-tensors", "format": "pack-quantized",
    "quantization_status": "compressed", "version": "0.18.0", "global_compression_ratio": null,
    "kv_cache_scheme": null, "ignore": ["lm_head"],
    "config_groups": {"group_0": {"targets": ["Linear"],
      "weights": {"num_bits": 4, "type": "int", "symmetric": true, "strategy": "group",
        "group_size": 8, "block_structure": null, "dynamic": false, "actorder": null,
        "observer": "minmax", "observer_kwargs": {}},
      "input_activations": null, "output_activations": null, "format": "pack-quantized"}}})"));
  const auto reader = SafetensorsReader::open_folder(folder.path());
  const std::string q = "model.layers.0.self_attn.q_proj.";
  EXPECT_EQ(reader.at(q + "weight_packed").spec.shape, (std::vector<std::int64_t>{24, 3}));
  EXPECT_EQ(reader.at(q + "weight_shape").spec.dtype, DType::kI64);
  EXPECT_EQ(reader.at(q + "weight_scale").spec.shape, (std::vector<std::int64_t>{24, 3}));
  EXPECT_EQ(reader.find(q + "weight"), nullptr);
}

TEST(CtLayout, SchemesOfTheirOwnNameTheirModules) {
  const auto choose = [](const Parameter& parameter) {
    const Chooser four = linears(ints(4, Granularity::kGroup, ZeroPoints::kPacked, DType::kF16));
    const Chooser eight = linears(ints(8, Granularity::kRow, ZeroPoints::kNone, DType::kF32),
                                  {ActivationScheme::kDynamicInt8Token});
    const Chooser none = all_dense(DType::kF16);
    if (parameter.name.ends_with("mlp.down")) return eight(parameter);
    return parameter.name == "layers.1.attn.o" ? none(parameter) : four(parameter);
  };
  TestFolder folder;
  const Weights weights = write_ct(folder.path(), choose);
  expect_holds(Checkpoint::open(folder.path()), weights);
  const Json config = config_of(folder.path());
  EXPECT_EQ(config["format"], "mixed-precision");
  EXPECT_EQ(config["ignore"], Json::parse(R"(["model.layers.1.self_attn.o_proj", "lm_head"])"));
  EXPECT_EQ(config["config_groups"]["group_1"]["targets"],
            Json::parse(R"(["model.layers.0.mlp.down_proj", "model.layers.1.mlp.down_proj"])"));
  EXPECT_EQ(config["config_groups"]["group_1"]["format"], "int-quantized");
}

TEST(CtLayout, ATiedHeadIsIgnored) {
  DecoderSpec spec = small_spec();
  spec.tied_head = true;
  TestFolder folder;
  const Encoding encoding = ints(8, Granularity::kRow, ZeroPoints::kNone, DType::kF32);
  const Weights weights = write_ct(folder.path(), linears(encoding), spec);
  expect_holds(Checkpoint::open(folder.path()), weights);
  EXPECT_EQ(config_of(folder.path())["ignore"], Json::array({"lm_head"}));
}

std::string inexpressible(const Chooser& choose, const DecoderSpec& spec = small_spec()) {
  TestFolder folder;
  return error_of<UserError>([&] { write_ct(folder.path(), choose, spec); });
}

TEST(CtLayout, WhatItCannotHoldIsNamed) {
  EXPECT_EQ(inexpressible(linears(CodebookEncoding{})),
            "compressed-tensors cannot hold 'model.layers.0.self_attn.q_proj.weight' as nf4 b64: "
            "it holds integers and E4M3 with scales only; use --format pith");
  EXPECT_THAT(inexpressible(linears(Float8Encoding{DType::kF8E5M2})),
              HasSubstr("as e5m2 row: its 8-bit floats are E4M3; use --format pith"));
  GroupIntEncoding encoding = ints(4, Granularity::kGroup, ZeroPoints::kNone, DType::kF16);
  encoding.group_size = 16;
  EXPECT_THAT(inexpressible(linears(encoding)),
              HasSubstr("its groups of 16 do not divide 24 columns; choose a --group-size that"));
  encoding = ints(8, Granularity::kTensor, ZeroPoints::kInt32, DType::kF32);
  EXPECT_THAT(inexpressible(linears(encoding)),
              HasSubstr("its zero points are as wide as its codes; use --format pith"));
  encoding = ints(8, Granularity::kRow, ZeroPoints::kNone, DType::kF32);
  EXPECT_THAT(inexpressible(linears(encoding, {ActivationScheme::kLlmInt8, 0, 0, 6.0f})),
              HasSubstr("some columns stay floats; use --format bitsandbytes"));
  EXPECT_THAT(inexpressible(linears(DenseEncoding{}, {ActivationScheme::kDynamicInt8Token})),
              HasSubstr("it quantizes the activations of compressed weights only"));
}

TEST(CtLayout, OnlyLinearLayersAreCompressed) {
  const auto only = [](ParameterKind kind) {
    return [kind](const Parameter& parameter) -> StoredParameter {
      if (parameter.kind != kind) return {parameter.name, DenseEncoding{DType::kF32}};
      return {parameter.name, ints(8, Granularity::kTensor, ZeroPoints::kNone, DType::kF32)};
    };
  };
  EXPECT_EQ(inexpressible(only(ParameterKind::kEmbedding)),
            "compressed-tensors cannot hold 'model.embed_tokens.weight' as int8 tensor symmetric "
            "f32: it holds embeddings as floats only; leave out option 'embedding'");
  EXPECT_THAT(inexpressible(only(ParameterKind::kNorm)),
              HasSubstr("it compresses the weights of linear layers only"));
  EXPECT_THAT(inexpressible(only(ParameterKind::kLinear), tiny_spec(Family::kGpt2)),
              HasSubstr("the layers of GPT-2 are of class Conv1D"));
  TestFolder folder;
  const Weights weights = write_ct(folder.path(), only(ParameterKind::kHead));
  expect_holds(Checkpoint::open(folder.path()), weights);
}

// Written as the layout "pith" holds them, columns in groups of their own.
TEST(CtLayout, ActOrderIsReadAndNotWritten) {
  TestFolder folder;
  const Encoding plain = ints(4, Granularity::kGroup, ZeroPoints::kPacked, DType::kF16);
  const Weights weights = write_ct(folder.path(), linears(plain));
  const std::string module = "model.layers.1.mlp.up_proj.";
  const auto set_index = [&](const std::vector<std::int32_t>& groups) {
    edit_tensors(folder.path(), [&](RawTensors& tensors) {
      tensors[module + "weight_g_idx"] = {
          {"", DType::kI32, {24}},
          std::string(reinterpret_cast<const char*>(groups.data()), groups.size() * 4)};
    });
  };
  std::vector<std::int32_t> groups(24);
  for (int c = 0; c < 24; ++c) groups[static_cast<std::size_t>(c)] = c % 3;
  set_index(groups);
  const PackedMatrix stored = Checkpoint::open(folder.path()).load("layers.1.mlp.up");
  EXPECT_TRUE(std::get<GroupIntEncoding>(stored.encoding()).column_groups);
  EXPECT_EQ(std::memcmp(stored.buffer("group_index").bytes.data(), groups.data(), 96), 0);
  for (const char* part : {"codes", "scales", "zeros"})
    EXPECT_TRUE(std::ranges::equal(stored.buffer(part).bytes,
                                   weights.at("layers.1.mlp.up").buffer(part).bytes));
  groups[5] = 3;
  set_index(groups);
  EXPECT_THAT(
      error_of<FormatError>([&] { Checkpoint::open(folder.path()).load("layers.1.mlp.up"); }),
      HasSubstr("column 5: expected a group below 3, found 3"));
  set_index(std::vector<std::int32_t>(24, -1));  // written so where columns are in order
  EXPECT_EQ(Checkpoint::open(folder.path()).encoding("layers.1.mlp.up"), plain);
  GroupIntEncoding ordered = std::get<GroupIntEncoding>(plain);
  ordered.column_groups = true;
  EXPECT_THAT(
      error_of<UserError>([&] {
        make_ct_writer(small_spec(), {{"a.weight", ParameterKind::kLinear, 8, 24, ordered, {}}});
      }),
      HasSubstr("act-order was dropped from it in 2026; use --format gptq"));
}

}  // namespace
}  // namespace pith

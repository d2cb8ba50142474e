#include "pith/formats/layouts/bitsandbytes_layout.h"

#include <gmock/gmock.h>

#include <cmath>

#include "pith/formats/test_models.h"

namespace pith {
namespace {

const ActivationQuantization kToken{ActivationScheme::kDynamicInt8Token};
const ActivationQuantization kOutliers{ActivationScheme::kLlmInt8, 0, 0, 6.0f};

// Folders that transformers and bitsandbytes wrote:
// tests/golden/formats/make_bitsandbytes_folders.py.
struct Golden {
  std::string folder;
  Encoding encoding;
  ActivationQuantization activation;
  // Each weight: Pith's name, the module's. A fused and a rectangular one.
  std::vector<std::pair<std::string, std::string>> weights;
};

std::vector<Golden> goldens() {
  const std::vector<std::pair<std::string, std::string>> llama = {
      {"layers.0.attn.q", "model.layers.0.self_attn.q_proj.weight"},
      {"layers.0.mlp.down", "model.layers.0.mlp.down_proj.weight"}};
  const std::vector<std::pair<std::string, std::string>> gpt2 = {
      {"layers.0.attn.qkv", "transformer.h.0.attn.c_attn.weight"},
      {"layers.0.mlp.down", "transformer.h.0.mlp.c_proj.weight"}};
  return {{"bnb_nf4", CodebookEncoding{CodebookTable::kNf4, 64, true}, {}, llama},
          {"bnb_fp4", CodebookEncoding{CodebookTable::kFp4, 64, false}, {}, llama},
          {"bnb_int8", GroupIntEncoding{}, kOutliers, llama},
          {"bnb_gpt2_int8", GroupIntEncoding{}, kOutliers, gpt2}};
}

TEST(BitsandbytesReader, ReadsWhatBitsandbytesWrote) {
  for (const Golden& item : goldens()) {
    const Checkpoint model = Checkpoint::open(golden(item.folder));
    EXPECT_EQ(model.layout(), "bitsandbytes");
    const auto expected =
        SafetensorsReader::open_file(golden(item.folder) / "expected.safetensors");
    for (const auto& [name, module] : item.weights) {
      SCOPED_TRACE(item.folder + " " + name);
      EXPECT_EQ(model.encoding(name), item.encoding);
      const PackedMatrix weight = model.load(name);
      EXPECT_EQ(weight.activation, item.activation);
      const StoredTensor& want = expected.at(module);
      const std::vector<float> values = weight.dequantize();
      std::vector<float> wanted(values.size());
      ASSERT_EQ(want.bytes.size(), wanted.size() * sizeof(float));
      std::memcpy(wanted.data(), want.bytes.data(), want.bytes.size());
      // bitsandbytes multiplies int8 by SCB, then by 1/127: three roundings where Pith has two.
      const float bound = item.activation == ActivationQuantization{} ? 0 : 4e-7f;
      for (std::size_t i = 0; i < values.size(); ++i)
        ASSERT_LE(std::abs(values[i] - wanted[i]), bound * std::abs(wanted[i])) << i;
    }
    EXPECT_TRUE(is_dense(model.encoding("embedding")));
  }
}

TEST(BitsandbytesReader, CodesAreViewsOfTheFile) {
  const Checkpoint model = Checkpoint::open(golden("bnb_fp4"));
  const PackedMatrix a = model.load("layers.0.attn.q"), b = model.load("layers.0.attn.q");
  EXPECT_EQ(a.buffer("codes").bytes.data(), b.buffer("codes").bytes.data());
}

Chooser linears(Encoding encoding, ActivationQuantization activation) {
  return [=](const Parameter& parameter) {
    if (parameter.kind != ParameterKind::kLinear)
      return StoredParameter{parameter.name, DenseEncoding{DType::kBF16}};
    return StoredParameter{parameter.name, encoding, activation};
  };
}

// More than 256 blocks in a matrix, so that the second level has several scales.
DecoderSpec wide_spec(Family family) {
  DecoderSpec spec = tiny_spec(family);
  for (LayerSpec& layer : spec.layers) layer.ffn = 1100;
  return spec;
}

Weights write_folder(const TestFolder& folder,
                     const DecoderSpec& spec,
                     const Encoding& encoding,
                     const ActivationQuantization& activation = {}) {
  return write_model(folder.path(),
                     spec,
                     linears(encoding, activation),
                     CheckpointWriter::kDefaultShardBytes,
                     "bitsandbytes");
}

TEST(BitsandbytesWriter, HoldsCodesAndScalesBitForBit) {
  const std::pair<Encoding, ActivationQuantization> kinds[] = {
      {CodebookEncoding{CodebookTable::kNf4, 64, false}, {}},
      {CodebookEncoding{CodebookTable::kNf4, 32, true}, {}},
      {CodebookEncoding{CodebookTable::kFp4, 4096, true}, {}},
      {GroupIntEncoding{}, kToken},
      {GroupIntEncoding{}, kOutliers}};
  for (const auto& [encoding, activation] : kinds)
    for (const Family family : kAllFamilies) {
      SCOPED_TRACE(to_string(encoding) + " " + std::string(to_string(family)));
      TestFolder folder;
      const Weights weights = write_folder(folder, wide_spec(family), encoding, activation);
      expect_holds(Checkpoint::open(folder.path()), weights);
    }
}

TEST(BitsandbytesWriter, ConfigIsWhatTransformersReads) {
  TestFolder folder;
  write_folder(folder, tiny_spec(Family::kLlama), CodebookEncoding{CodebookTable::kNf4, 64, true});
  Json config = read_json_file(folder.path() / "config.json");
  EXPECT_EQ(config["quantization_config"].dump(),
            R"({"quant_method":"bitsandbytes","load_in_4bit":true,"load_in_8bit":false,)"
            R"("_load_in_4bit":true,"_load_in_8bit":false,"bnb_4bit_quant_type":"nf4",)"
            R"("bnb_4bit_use_double_quant":true,"bnb_4bit_compute_dtype":"bfloat16",)"
            R"("bnb_4bit_quant_storage":"uint8","llm_int8_skip_modules":["lm_head"],)"
            R"("llm_int8_threshold":6.0,"llm_int8_enable_fp32_cpu_offload":false,)"
            R"("llm_int8_has_fp16_weight":false})");
  const auto reader = SafetensorsReader::open_folder(folder.path());
  const std::string name = "model.layers.0.self_attn.k_proj.weight";
  const auto bytes = reader.at(name + ".quant_state.bitsandbytes__nf4").bytes;
  const Json state =
      parse_json({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, "state");
  EXPECT_EQ(state["quant_type"], "nf4");
  EXPECT_EQ(state["blocksize"], 64);
  EXPECT_EQ(state["dtype"], "bfloat16");
  EXPECT_EQ(state["shape"].dump(), "[4,8]");
  EXPECT_EQ(state["nested_blocksize"], 256);
  EXPECT_EQ(state["nested_dtype"], "float32");
  EXPECT_EQ(reader.at(name).spec.shape, (std::vector<std::int64_t>{16, 1}));
  EXPECT_EQ(reader.at(name + ".nested_quant_map").spec.shape, (std::vector<std::int64_t>{256}));
}

TEST(BitsandbytesWriter, ConfigOfInt8NamesDenseLinears) {
  TestFolder folder;
  const DecoderSpec spec = tiny_spec(Family::kGpt2);  // the head is tied
  const auto choose = [](const Parameter& parameter) {
    const bool held = parameter.kind == ParameterKind::kLinear && parameter.layer == 0;
    return held ? StoredParameter{parameter.name, GroupIntEncoding{}, kToken}
                : StoredParameter{parameter.name, DenseEncoding{DType::kF32}};
  };
  const Weights weights = write_model(
      folder.path(), spec, choose, CheckpointWriter::kDefaultShardBytes, "bitsandbytes");
  const Json config = read_json_file(folder.path() / "config.json")["quantization_config"];
  EXPECT_EQ(config["load_in_8bit"], true);
  EXPECT_EQ(config["llm_int8_threshold"].dump(), "0.0");
  EXPECT_EQ(config["llm_int8_skip_modules"].dump(),
            R"(["transformer.h.1.attn.c_attn","transformer.h.1.attn.c_proj",)"
            R"("transformer.h.1.mlp.c_fc","transformer.h.1.mlp.c_proj","lm_head"])");
  // [out, in], where a dense Conv1D is [in, out]
  const auto reader = SafetensorsReader::open_folder(folder.path());
  EXPECT_EQ(reader.at("transformer.h.0.mlp.c_fc.weight").spec.shape,
            (std::vector<std::int64_t>{6, 8}));
  EXPECT_EQ(reader.at("transformer.h.1.mlp.c_fc.weight").spec.shape,
            (std::vector<std::int64_t>{8, 6}));
  expect_holds(Checkpoint::open(folder.path()), weights);
}

// Other tables of the second level: the absmax values that bitsandbytes would compute.
TEST(BitsandbytesReader, DecodesStatisticsOfOtherTables) {
  TestFolder folder;
  const DecoderSpec spec = wide_spec(Family::kLlama);
  const Weights weights =
      write_folder(folder, spec, CodebookEncoding{CodebookTable::kNf4, 32, true});
  const std::string tensor = "model.layers.0.mlp.up_proj.weight";
  edit_tensors(folder.path(), [&](RawTensors& tensors) {
    std::string& map = tensors.at(tensor + ".nested_quant_map").bytes;
    const float lowest = -2.0f,
                highest = 2.0f;  // about -1 and 1 as written: used in each 256 blocks
    std::memcpy(map.data(), &lowest, sizeof lowest);
    std::memcpy(map.data() + 255 * sizeof highest, &highest, sizeof highest);
  });
  const Checkpoint model = Checkpoint::open(folder.path());
  EXPECT_EQ(model.encoding("layers.0.mlp.up"),
            Encoding(CodebookEncoding{CodebookTable::kNf4, 32, false}));
  EXPECT_EQ(model.encoding("layers.0.mlp.gate"),
            Encoding(CodebookEncoding{CodebookTable::kNf4, 32, true}));
  const PackedMatrix before = weights.at("layers.0.mlp.up"), after = model.load("layers.0.mlp.up");
  const auto codes = before.buffer("absmax").bytes;
  float mean = 0, scale = 0, absmax = 0;
  std::memcpy(&mean, before.buffer("absmax_mean").bytes.data(), sizeof mean);
  std::size_t doubled = 0;
  for (std::size_t block = 0; block < codes.size(); ++block) {
    const auto code = std::to_integer<std::size_t>(codes[block]);
    std::memcpy(
        &scale, before.buffer("absmax_scales").bytes.data() + block / 256 * sizeof scale, 4);
    std::memcpy(&absmax, after.buffer("absmax").bytes.data() + block * sizeof absmax, 4);
    const bool changed = code == 0 || code == 255;
    doubled += changed;
    const float level = changed ? (code == 0 ? -2.0f : 2.0f) : dynamic_map()[code];
    EXPECT_EQ(absmax, level * scale + mean) << block;
  }
  EXPECT_GE(doubled, 2u);
}

TEST(RowMaximum, GivesTheScaleBack) {
  for (const float maximum : {0.0f, 1e-44f, 1e-30f, 0.3f, 1.0f, 126.9f, 127.0f, 3e38f}) {
    const std::optional<float> found = row_maximum_of(maximum / 127.0f);
    ASSERT_TRUE(found) << maximum;
    EXPECT_EQ(*found / 127.0f, maximum / 127.0f);
  }
  EXPECT_EQ(row_maximum_of(-2.0f / 127.0f), -2.0f);
  EXPECT_EQ(row_maximum_of(0x1.a6848p0f), std::nullopt);  // between the quotients of neighbours
  EXPECT_EQ(row_maximum_of(3e38f), std::nullopt);         // times 127 beyond f32
}

}  // namespace
}  // namespace pith

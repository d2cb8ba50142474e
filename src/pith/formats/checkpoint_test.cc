#include "pith/formats/checkpoint.h"

#include <gmock/gmock.h>

#include <numeric>

#include "pith/base/json.h"
#include "pith/formats/test_models.h"

namespace pith {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

// The numbers of a model stay whichever way they lie on disk.
TEST(Checkpoint, WrittenFoldersComeBackBitForBit) {
  for (const Family family : kAllFamilies)
    for (const DType dtype : {DType::kF32, DType::kBF16, DType::kF16})
      for (const std::uint64_t shard_bytes :
           {std::uint64_t{300}, CheckpointWriter::kDefaultShardBytes}) {
        SCOPED_TRACE(fmt::format("{} {} {}", to_string(family), to_string(dtype), shard_bytes));
        TestFolder folder;
        const Weights weights =
            write_model(folder.path(), tiny_spec(family), all_dense(dtype), shard_bytes);
        const Checkpoint model = Checkpoint::open(folder.path());
        EXPECT_EQ(model.container(), Container::kHuggingFace);
        EXPECT_EQ(model.layout(), "");
        EXPECT_EQ(model.spec(), tiny_spec(family));
        EXPECT_EQ(model.parameters(), parameters_of(tiny_spec(family)));
        EXPECT_EQ(model.gguf(), nullptr);
        EXPECT_FALSE(model.config().contains("quantization_config"));
        expect_holds(model, weights);
      }
}

// Every kind of encoding, vectors included, mixed in one model.
StoredParameter mixed(const Parameter& parameter) {
  static const Encoding kEncodings[] = {
      GroupIntEncoding{4, Granularity::kGroup, 3, ZeroPoints::kPacked, DType::kF16},
      Float8Encoding{DType::kF8E4M3, Granularity::kRow},
      GroupIntEncoding{8, Granularity::kRow, 0, ZeroPoints::kNone, DType::kF32},
      CodebookEncoding{CodebookTable::kNf4, 64, false},
      DenseEncoding{DType::kBF16},
      GroupIntEncoding{3, Granularity::kTensor, 0, ZeroPoints::kNone, DType::kBF16},
      CodebookEncoding{CodebookTable::kFp4, 32, true},
  };
  const Encoding& encoding = kEncodings[parameter.name.size() % std::size(kEncodings)];
  const bool linear = parameter.kind == ParameterKind::kLinear;
  return {parameter.name,
          encoding,
          linear ? ActivationQuantization{ActivationScheme::kDynamicInt8Token}
                 : ActivationQuantization{ActivationScheme::kNone}};
}

TEST(Checkpoint, PithFoldersComeBackBitForBit) {
  for (const Family family : kAllFamilies) {
    SCOPED_TRACE(to_string(family));
    TestFolder folder;
    const Weights weights = write_model(folder.path(), tiny_spec(family), mixed, 500);
    const Checkpoint model = Checkpoint::open(folder.path());
    EXPECT_EQ(model.layout(), "pith");
    EXPECT_EQ(model.config()["quantization_config"]["quant_method"], "pith");
    expect_holds(model, weights);
  }
}

TEST(Checkpoint, GgmlBlocksAreKeptInPithFolders) {
  DecoderSpec spec = tiny_spec(Family::kLlama);
  spec.hidden = 32;
  spec.layers.assign(1, LayerSpec{4, 2, 8, 8, 64, 0});
  TestFolder folder;
  const auto choose = [](const Parameter& p) {
    const bool linear = p.kind == ParameterKind::kLinear;
    return StoredParameter{
        p.name, linear ? Encoding(GgmlEncoding{GgmlType::kQ4_1}) : Encoding(DenseEncoding{})};
  };
  expect_holds(Checkpoint::open((write_model(folder.path(), spec, choose), folder.path())),
               write_model(folder.path(), spec, choose));
}

TEST(Checkpoint, StorageIsTheBytesOnDisk) {
  TestFolder folder;
  const Weights weights = write_model(folder.path(), tiny_spec(Family::kQwen2), mixed);
  std::uint64_t stored = 0;
  for (const auto& [name, weight] : weights) stored += weight.storage_bytes();
  std::uint64_t on_disk = 0;
  const auto reader = SafetensorsReader::open_folder(folder.path());
  for (const auto& [name, tensor] : reader.tensors()) on_disk += tensor.bytes.size();
  EXPECT_EQ(stored, on_disk);
}

TEST(Checkpoint, CountsAllFilesThatRunTheModel) {
  TestFolder folder;
  write_model(folder.path(), tiny_spec(Family::kLlama), all_dense(DType::kF32), 400);
  folder.write("tokenizer.json", "12345");
  folder.write("generation_config.json", "{}");
  folder.write("report.json", "not counted");
  folder.write("README.md", "not counted");
  const Checkpoint model = Checkpoint::open(folder.path());
  std::uint64_t expected = 0;
  for (const auto& entry : fs::directory_iterator(folder.path()))
    if (const auto name = entry.path().filename(); name != "report.json" && name != "README.md")
      expected += entry.file_size();
  EXPECT_EQ(model.file_bytes(), expected);
  const auto files = model.files();
  EXPECT_THAT(files, testing::Contains(folder.path() / "tokenizer.json"));
  EXPECT_THAT(files, testing::Contains(folder.path() / "config.json"));
  EXPECT_THAT(files, testing::Contains(folder.path() / "model.safetensors.index.json"));
}

TEST(Checkpoint, StopIdsPreferTheGenerationConfig) {
  TestFolder folder;
  write_model(folder.path(), tiny_spec(Family::kLlama), all_dense(DType::kF32));
  EXPECT_THAT(Checkpoint::open(folder.path()).stop_ids(), ElementsAre(2));
  folder.write("generation_config.json", R"({"eos_token_id": [7, 9], "temperature": 0.6})");
  EXPECT_THAT(Checkpoint::open(folder.path()).stop_ids(), ElementsAre(7, 9));
  folder.write("generation_config.json", R"({"eos_token_id": 5})");
  EXPECT_THAT(Checkpoint::open(folder.path()).stop_ids(), ElementsAre(5));
  folder.write("generation_config.json", R"({"eos_token_id": null})");
  EXPECT_THAT(Checkpoint::open(folder.path()).stop_ids(), ElementsAre(2));
  EXPECT_THAT(Checkpoint::open(folder.path()).spec().eos_ids, ElementsAre(2));
}

TEST(Checkpoint, NamesParametersAndTheirTensors) {
  TestFolder folder;
  write_model(folder.path(), tiny_spec(Family::kLlama), [](const Parameter& p) {
    const bool head = p.kind == ParameterKind::kHead;
    return StoredParameter{p.name, head ? Encoding(GroupIntEncoding{}) : Encoding(DenseEncoding{})};
  });
  const Checkpoint model = Checkpoint::open(folder.path());
  EXPECT_EQ(model.path(), folder.path());
  EXPECT_EQ(model.stored_name("layers.1.attn.q"), "model.layers.1.self_attn.q_proj.weight");
  EXPECT_EQ(model.stored_name("lm_head"), "lm_head.weight.codes");
  EXPECT_EQ(model.parameter("layers.1.attn.k").rows, 4u);
  EXPECT_EQ(error_of<InternalError>([&] { model.load("layers.2.attn.q"); }),
            folder.path().string() + ": the model has no parameter 'layers.2.attn.q'");
}

TEST(Checkpoint, MatricesOutliveTheCheckpoint) {
  TestFolder folder;
  const Weights weights =
      write_model(folder.path(), tiny_spec(Family::kLlama), all_dense(DType::kF32));
  const PackedMatrix embedding = Checkpoint::open(folder.path()).load("embedding");
  expect_same(embedding, weights.at("embedding"));
}

TEST(CheckpointOfGpt2, StoresConv1dInputFirst) {
  TestFolder folder;
  const Weights weights =
      write_model(folder.path(), tiny_spec(Family::kGpt2), all_dense(DType::kF32));
  const auto reader = SafetensorsReader::open_folder(folder.path());
  const StoredTensor& qkv = reader.at("transformer.h.0.attn.c_attn.weight");
  EXPECT_EQ(qkv.spec.shape, (std::vector<std::int64_t>{8, 24}));
  EXPECT_EQ(reader.at("transformer.h.1.mlp.c_proj.weight").spec.shape,
            (std::vector<std::int64_t>{6, 8}));
  EXPECT_EQ(reader.at("transformer.wte.weight").spec.shape, (std::vector<std::int64_t>{11, 8}));
  EXPECT_EQ(reader.find("lm_head.weight"), nullptr);
  std::vector<float> stored(8 * 24);
  std::memcpy(stored.data(), qkv.bytes.data(), qkv.bytes.size());
  const std::vector<float> weight = weights.at("layers.0.attn.qkv").dequantize();  // [24, 8]
  for (std::size_t out = 0; out < 24; ++out)
    for (std::size_t in = 0; in < 8; ++in) ASSERT_EQ(stored[in * 24 + out], weight[out * 8 + in]);
}

TEST(CheckpointOfGpt2, PackedMatricesAreOutputFirst) {
  TestFolder folder;
  write_model(folder.path(), tiny_spec(Family::kGpt2), [](const Parameter& p) {
    const bool linear = p.kind == ParameterKind::kLinear;
    return StoredParameter{p.name,
                           linear ? Encoding(GroupIntEncoding{}) : Encoding(DenseEncoding{})};
  });
  const auto reader = SafetensorsReader::open_folder(folder.path());
  EXPECT_EQ(reader.at("transformer.h.0.attn.c_attn.weight.codes").spec.shape,
            (std::vector<std::int64_t>{24, 8}));
}

TEST(CheckpointOfGpt2, TakesNamesWithoutPrefixAndIgnoresMasks) {
  TestFolder folder;
  const Weights weights =
      write_model(folder.path(), tiny_spec(Family::kGpt2), all_dense(DType::kBF16));
  edit_tensors(folder.path(), [](RawTensors& tensors) {
    std::vector<std::string> names;
    for (const auto& [name, tensor] : tensors) names.push_back(name);
    for (const std::string& name : names)
      rename_tensor(tensors, name, name.substr(std::string("transformer.").size()));
    tensors["h.0.attn.bias"] = {{"", DType::kU8, {1, 1, 16, 16}}, std::string(256, '\1')};
    tensors["h.0.attn.masked_bias"] = {{"", DType::kF32, {}}, std::string(4, '\0')};
  });
  testing::internal::CaptureStderr();
  const Checkpoint model = Checkpoint::open(folder.path());
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(model.stored_name("layers.0.attn.qkv.bias"), "h.0.attn.c_attn.bias");
  expect_holds(model, weights);
}

TEST(Checkpoint, IgnoresRotaryBuffersAndAHeadBesideATiedOne) {
  TestFolder folder;
  const Weights weights =
      write_model(folder.path(), tiny_spec(Family::kQwen3), all_dense(DType::kF16));
  edit_tensors(folder.path(), [](RawTensors& tensors) {
    tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = {{"", DType::kF32, {2}},
                                                               std::string(8, '\0')};
    tensors["lm_head.weight"] = {{"", DType::kI8, {3}}, "abc"};  // not even looked at
  });
  testing::internal::CaptureStderr();
  const Checkpoint model = Checkpoint::open(folder.path());
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_TRUE(model.spec().tied_head);
  expect_holds(model, weights);
}

TEST(Checkpoint, WarnsOfUnknownTensorsOnce) {
  TestFolder folder;
  write_model(folder.path(), tiny_spec(Family::kLlama), all_dense(DType::kF32));
  edit_tensors(folder.path(), [](RawTensors& tensors) {
    for (const char* name : {"x.a", "x.b", "x.c", "x.d"})
      tensors[name] = {{"", DType::kU8, {1}}, "z"};
  });
  testing::internal::CaptureStderr();
  Checkpoint::open(folder.path());
  EXPECT_THAT(
      testing::internal::GetCapturedStderr(),
      HasSubstr(folder.path().string() +
                ": 4 tensors are no parameters of this llama and are ignored: x.a, x.b, x.c, ..."));
}

TEST(CopySideFiles, CopiesWhatIsNotWeightsConfigOrReport) {
  TestFolder source, target;
  write_model(source.path(), tiny_spec(Family::kLlama), all_dense(DType::kF32), 400);
  for (const char* name : {"tokenizer.json",
                           "merges.txt",
                           "chat_template.jinja",
                           "LICENSE",
                           "report.json",
                           "quantize_config.json",
                           "quant_config.json",
                           ".gitattributes",
                           "pytorch_model.bin",
                           "model.gguf",
                           "pytorch_model.bin.index.json",
                           "generation_config.json"})
    source.write(name, std::string_view(name).ends_with(".json") ? "{}" : name);
  fs::create_directory(source.path() / "onnx");
  TestFolder elsewhere;
  elsewhere.write("id_rsa", "private");
  fs::create_symlink(elsewhere.path() / "id_rsa", source.path() / "NOTES");
  fs::create_symlink("nowhere", source.path() / "README.md");
  fs::create_symlink("merges.txt", source.path() / "also.txt");
  const auto names = copy_side_files(Checkpoint::open(source.path()), target.path());
  EXPECT_THAT(names,
              ElementsAre("LICENSE",
                          "also.txt",
                          "chat_template.jinja",
                          "generation_config.json",
                          "merges.txt",
                          "tokenizer.json"));
  for (const std::string& name : names)
    EXPECT_EQ(file_text(target.path() / name), file_text(source.path() / name)) << name;
  EXPECT_EQ(std::distance(fs::directory_iterator(target.path()), {}), 6);
}

TEST(Checkpoint, OpensASingleSafetensorsFileBesideItsConfig) {
  TestFolder folder;
  const Weights weights =
      write_model(folder.path(), tiny_spec(Family::kLlama), all_dense(DType::kF32));
  const Checkpoint model = Checkpoint::open(folder.path() / "model.safetensors");
  expect_holds(model, weights);
  EXPECT_EQ(fs::weakly_canonical(model.folder()), fs::weakly_canonical(folder.path()));
  EXPECT_EQ(model.file_bytes(), Checkpoint::open(folder.path()).file_bytes());
}

}  // namespace
}  // namespace pith

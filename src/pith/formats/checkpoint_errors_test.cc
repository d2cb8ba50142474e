// Bad models: one clear error each, on opening.
#include <gmock/gmock.h>
#include <sys/stat.h>

#include "pith/formats/test_models.h"

namespace pith {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::StartsWith;

std::string refusal_of(const fs::path& path) {
  const std::string message = error_of<FormatError>([&] { Checkpoint::open(path); });
  EXPECT_THAT(message, StartsWith(path.string()));
  return message.substr(std::min(message.size(), path.string().size()));
}

constexpr const char* kExpected =
    ": expected a model: a folder with config.json and safetensors files, or a .gguf file, found ";

TEST(NoModel, SaysWhatIsThereInstead) {
  TestFolder folder;
  EXPECT_EQ(refusal_of(folder.path() / "none"), std::string(kExpected) + "nothing of this name");
  EXPECT_EQ(refusal_of(folder.path()), std::string(kExpected) + "an empty folder");
  folder.write("a.txt", "text");
  EXPECT_EQ(refusal_of(folder.path()), std::string(kExpected) + "a folder without config.json");
  EXPECT_EQ(refusal_of(folder.path() / "a.txt"), std::string(kExpected) + "a file of another kind");
  EXPECT_EQ(refusal_of(folder.write("empty.bin", "")), std::string(kExpected) + "an empty file");
  EXPECT_EQ(refusal_of("/dev/null"), std::string(kExpected) + "a device or pipe");
  EXPECT_EQ(refusal_of(folder.path() / "a.txt" / "b"),
            std::string(kExpected) + "nothing of this name");
}

TEST(NoModel, SingleSafetensorsFileNeedsAConfigBesideIt) {
  TestFolder folder;
  const fs::path file = folder.write("x.safetensors", safetensors_text("{}"));
  EXPECT_EQ(refusal_of(file),
            std::string(kExpected) +
                "a single safetensors file without a config.json beside it; put it into a folder "
                "with the config.json of its model");
}

TEST(NoModel, BrokenConfig) {
  TestFolder folder;
  folder.write("config.json", "");
  EXPECT_THAT(refusal_of(folder.path()), StartsWith("/config.json:1:1"));
  folder.write("config.json", R"({"model_type": "t5"})");
  EXPECT_THAT(refusal_of(folder.path()),
              HasSubstr("at /model_type: expected a known architecture (gpt2, llama, "));
  fs::remove(folder.path() / "config.json");
  fs::create_directory(folder.path() / "config.json");
  EXPECT_EQ(refusal_of(folder.path()), "/config.json: expected a file, found a folder");
}

TEST(NoModel, UnreadableFilesAndFolders) {
  if (::geteuid() == 0 && ::seteuid(65534) != 0)
    FAIL() << "cannot give up root rights for the test";
  {
    TestFolder folder;
    write_model(folder.path(), tiny_spec(Family::kLlama), all_dense(DType::kF32));
    ::chmod((folder.path() / "model.safetensors").c_str(), 0);
    EXPECT_EQ(refusal_of(folder.path()), "/model.safetensors: cannot open: Permission denied");
    ::chmod(folder.path().c_str(), 0);
    EXPECT_EQ(refusal_of(folder.path()), std::string(kExpected) + "Permission denied");
    EXPECT_EQ(refusal_of(folder.path() / "model.gguf"),
              std::string(kExpected) + "Permission denied");
    ::chmod(folder.path().c_str(), 0700);
  }
  if (::getuid() == 0 && ::seteuid(0) != 0) FAIL() << "cannot take root rights back";
}

// A good llama folder of which a test spoils something.
class BadFolder : public testing::Test {
 protected:
  explicit BadFolder(Family family = Family::kLlama) {
    write_model(folder_.path(), tiny_spec(family), all_dense(DType::kF32));
  }
  void edit(const std::function<void(RawTensors&)>& change) const {
    edit_tensors(folder_.path(), change);
  }
  void configure(const std::function<void(Json&)>& change) const {
    edit_config(folder_.path(), change);
  }
  std::string refusal() const { return refusal_of(folder_.path()); }
  TestFolder folder_;
};

const std::string kQ = "model.layers.1.self_attn.q_proj.weight";

TEST_F(BadFolder, MissingTensor) {
  edit([](RawTensors& tensors) { tensors.erase(kQ); });
  EXPECT_EQ(refusal(), ": tensor '" + kQ + "': expected shape [8, 8], found no such tensor");
}

TEST_F(BadFolder, WrongShapes) {
  edit([](RawTensors& tensors) { tensors[kQ].spec.shape = {4, 16}; });
  EXPECT_EQ(refusal(), ": tensor '" + kQ + "': expected shape [8, 8], found [4, 16]");
  edit([](RawTensors& tensors) {
    tensors[kQ].spec.shape = {8, 8};
    tensors["model.norm.weight"].spec.shape = {1, 8};
  });
  EXPECT_EQ(refusal(), ": tensor 'model.norm.weight': expected shape [8], found [1, 8]");
}

TEST_F(BadFolder, ConfigThatContradictsTheWeights) {
  configure([](Json& config) { config["vocab_size"] = 12; });
  EXPECT_EQ(refusal(),
            ": tensor 'model.embed_tokens.weight': expected shape [12, 8], found [11, 8]");
  configure([](Json& config) { config["vocab_size"] = 11, config["attention_bias"] = true; });
  EXPECT_EQ(
      refusal(),
      ": tensor 'model.layers.0.self_attn.q_proj.bias': expected shape [8], found no such tensor");
}

TEST_F(BadFolder, TypesThatAreNoFloats) {
  for (const DType dtype : {DType::kI32, DType::kU32}) {
    edit([&](RawTensors& tensors) { tensors[kQ].spec.dtype = dtype; });
    EXPECT_EQ(refusal(),
              fmt::format(
                  ": tensor '{}': expected F32, BF16 or F16, found {}; a quantized weight needs a "
                  "quantization_config that names its layout",
                  kQ,
                  to_string(dtype)));
  }
}

TEST_F(BadFolder, UntiedHeadThatIsMissing) {
  edit([](RawTensors& tensors) { tensors.erase("lm_head.weight"); });
  EXPECT_EQ(refusal(),
            ": tensor 'lm_head.weight': expected shape [11, 8], found no such tensor; "
            "tie_word_embeddings is "
            "false, so the head needs a weight of its own");
  configure([](Json& config) { config["tie_word_embeddings"] = true; });
  EXPECT_TRUE(Checkpoint::open(folder_.path()).spec().tied_head);
}

TEST_F(BadFolder, QuantizedByOtherPrograms) {
  configure([](Json& config) {
    config["quantization_config"] = {{"quant_method", "quanto"}, {"bits", 4}};
  });
  EXPECT_THAT(
      refusal(),
      HasSubstr("/config.json: at /quantization_config/quant_method: expected one of pith"));
  configure([](Json& config) { config.erase("quantization_config"); });
  edit([](RawTensors& tensors) {
    tensors["model.layers.0.mlp.up_proj.qweight"] = {{"", DType::kI32, {1}}, std::string(4, '\0')};
  });
  EXPECT_EQ(
      refusal(),
      ": tensor 'model.layers.0.mlp.up_proj.qweight': expected dense weights, since config.json "
      "has "
      "no quantization_config, found a part of a GPTQ or AWQ weight; give the folder with the "
      "config.json that its writer made");
}

TEST_F(BadFolder, CutOffWeights) {
  const fs::path weights = folder_.path() / "model.safetensors";
  fs::resize_file(weights, fs::file_size(weights) - 1);
  EXPECT_THAT(refusal(), HasSubstr("/model.safetensors: expected "));
  EXPECT_THAT(refusal(), HasSubstr("; the file is cut off"));
  fs::remove(weights);
  EXPECT_EQ(refusal(),
            ": expected model.safetensors or model.safetensors.index.json, found neither");
}

TEST_F(BadFolder, GenerationConfig) {
  folder_.write("generation_config.json", R"({"eos_token_id": ["x"]})");
  EXPECT_EQ(refusal(),
            "/generation_config.json: at /eos_token_id/0: expected an integer from 0 to "
            "2147483648, found "
            "\"x\"");
}

// A good folder in Pith's layout: everything 8-bit by row.
class BadPithFolder : public BadFolder {
 protected:
  BadPithFolder() {
    write_model(folder_.path(), tiny_spec(Family::kLlama), [](const Parameter& p) {
      return StoredParameter{p.name, GroupIntEncoding{}};
    });
  }
  void change_entry(const std::function<void(Json&)>& change) const {
    configure([&](Json& config) { change(config["quantization_config"]["matrices"][kQ]); });
  }
};

TEST_F(BadPithFolder, ShapesThatAreNotTheModels) {
  change_entry([](Json& entry) { entry["rows"] = 4, entry["cols"] = 16; });
  EXPECT_EQ(refusal(),
            ": tensor '" + kQ + "': expected shape [8, 8], found [4, 16] in quantization_config");
}

TEST_F(BadPithFolder, PartsOfAnotherShapeOrType) {
  edit([](RawTensors& tensors) { tensors[kQ + ".scales"].spec.shape = {8}; });
  EXPECT_EQ(refusal(), ": tensor '" + kQ + ".scales': expected shape [8, 1], found [8]");
  edit([](RawTensors& tensors) {
    tensors[kQ + ".scales"].spec.shape = {8, 1};
    tensors[kQ + ".codes"].spec.dtype = DType::kI8;
  });
  EXPECT_EQ(refusal(), ": tensor '" + kQ + ".codes': expected U8, found I8");
  edit([](RawTensors& tensors) { tensors.erase(kQ + ".codes"); });
  EXPECT_EQ(refusal(), ": tensor '" + kQ + ".codes': expected shape [8, 8], found no such tensor");
}

TEST_F(BadPithFolder, EntriesForNoParameter) {
  configure([](Json& config) {
    Json& matrices = config["quantization_config"]["matrices"];
    matrices["model.layers.9.mlp.up_proj.weight"] = matrices[kQ];
  });
  EXPECT_EQ(refusal(),
            ": quantization_config: expected parameters of the model, found "
            "'model.layers.9.mlp.up_proj.weight'");
}

TEST_F(BadPithFolder, EncodingsThatCannotHoldTheShape) {
  configure([](Json& config) {
    config["quantization_config"]["encodings"][0] = {{"kind", "ggml_block"}, {"type", "Q8_0"}};
  });
  EXPECT_THAT(
      refusal(),
      HasSubstr(": tensor 'model.embed_tokens.weight': Q8_0 encoding: 8 columns do not divide"));
}

}  // namespace
}  // namespace pith

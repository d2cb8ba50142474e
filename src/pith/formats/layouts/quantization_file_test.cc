#include "pith/formats/layouts/quantization_file.h"

#include <gmock/gmock.h>

#include "pith/formats/layouts/layout_test_support.h"

namespace pith {
namespace {

namespace fs = std::filesystem;

// A folder whose config.json says nothing of its compressed weights.
class OldFolder : public testing::Test {
 protected:
  void write(std::string_view layout) {
    const GroupIntEncoding encoding{4, Granularity::kGroup, 32, ZeroPoints::kPacked, DType::kF16};
    weights_ = write_random(folder_.path(), words_spec(), linears_as(encoding), layout);
    fs::remove(folder_.path() / "quantize_config.json");
    edit_config(folder_.path(), [](Json& config) { config.erase("quantization_config"); });
  }
  std::string refusal() const {
    const std::string message = error_of<FormatError>([&] { Checkpoint::open(folder_.path()); });
    return message.substr(std::min(message.size(), folder_.path().string().size()));
  }
  TestFolder folder_;
  Weights weights_;
};

constexpr const char* kGptq = R"({"bits": 4, "group_size": 32, "sym": false, "desc_act": false,
  "checkpoint_format": "gptq_v2"})";
constexpr const char* kAwq = R"({"w_bit": 4, "q_group_size": 32, "zero_point": true,
  "version": "GEMM"})";

TEST_F(OldFolder, FileOfGptq) {
  write("gptq");
  EXPECT_THAT(refusal(), testing::HasSubstr("found a part of a GPTQ weight"));
  for (const char* name : {"quant_config.json", "quantize_config.json"}) {
    const fs::path file = folder_.write(name, kGptq);
    const Checkpoint model = Checkpoint::open(folder_.path());
    EXPECT_EQ(model.layout(), "gptq");
    EXPECT_THAT(model.files(), testing::Contains(file));
    expect_holds(model, weights_);
  }
  folder_.write("quantize_config.json", R"({"bits": 5, "group_size": 32})");
  EXPECT_EQ(refusal(), "/quantize_config.json: at /bits: expected 2, 3, 4 or 8 bits, found 5");
  folder_.write("quantize_config.json", R"({"quant_method": "awq", "bits": 8})");
  EXPECT_EQ(refusal(), "/quantize_config.json: at /bits: expected 4 bits, found 8");
  folder_.write("quantize_config.json", "[]");
  EXPECT_EQ(refusal(), "/quantize_config.json: expected an object, found an array of 0");
}

TEST_F(OldFolder, FileOfAwq) {
  write("awq");
  folder_.write("quant_config.json", kAwq);
  const Checkpoint model = Checkpoint::open(folder_.path());
  EXPECT_EQ(model.layout(), "awq");
  expect_holds(model, weights_);
}

TEST(QuantizationFile, DenseFoldersDoNotNeedIt) {
  TestFolder folder;
  write_model(folder.path(), tiny_spec(Family::kLlama), all_dense(DType::kF16));
  folder.write("quantize_config.json", "no JSON");
  EXPECT_EQ(Checkpoint::open(folder.path()).layout(), "");
}

}  // namespace
}  // namespace pith

// Folders made by tests/golden/formats/gptq_awq/make_gptq_awq_golden.py: packed bit by bit after
// the documented formulas, and by the modules of AutoGPTQ and AutoAWQ.
#include <gtest/gtest.h>

#include "pith/base/sha256.h"
#include "pith/codec/float_convert.h"
#include "pith/formats/layouts/layout_test_support.h"

namespace pith {
namespace {

namespace fs = std::filesystem;

Json expectations() { return read_json_file(golden("gptq_awq/expected.json")); }

// Of the values as F32, or as F16 where the peer computes in that.
std::string digest(const std::vector<float>& values, const std::string& dtype) {
  if (dtype == "float32") return sha256_hex(std::as_bytes(std::span(values)));
  std::vector<std::byte> narrow(values.size() * 2);
  from_f32(DType::kF16, values, narrow);
  return sha256_hex(narrow);
}

TEST(GptqAwqGolden, ValuesAreThoseOfTheOwners) {
  const Json expected = expectations();
  ASSERT_EQ(expected.size(), 12u);
  for (const auto& [name, item] : expected.items()) {
    const Checkpoint model = Checkpoint::open(golden("gptq_awq/" + name));
    for (const auto& [parameter, sum] : item["weights"].items())
      EXPECT_EQ(digest(model.load(parameter).dequantize(), item["dtype"]), sum.get<std::string>())
          << name << ": " << parameter << ", " << to_string(model.encoding(parameter));
  }
}

TEST(GptqAwqGolden, EncodingsAreAsConfigured) {
  const auto encoding = [](const std::string& folder, std::string_view parameter) {
    return to_string(Checkpoint::open(golden("gptq_awq/" + folder)).encoding(parameter));
  };
  EXPECT_EQ(encoding("numpy-gptq2-v1", "layers.0.mlp.down"), "int2 g24 symmetric f16");
  EXPECT_EQ(encoding("numpy-gptq3-v2-rows", "layers.0.mlp.down"), "int3 row affine f16");
  EXPECT_EQ(encoding("numpy-gptq4-v2-order", "layers.0.mlp.up"), "int4 g8 affine bf16 act-order");
  EXPECT_EQ(encoding("numpy-gptq-dynamic", "layers.0.mlp.down"), "f16");
  EXPECT_EQ(encoding("numpy-gptq-dynamic", "layers.0.mlp.up"), "int4 g16 affine f16");
  EXPECT_EQ(encoding("numpy-gptq-dynamic", "layers.0.attn.v"), "int8 g16 symmetric f16");
  EXPECT_EQ(encoding("numpy-awq-symmetric", "layers.0.mlp.down"), "int4 g32 symmetric f16");
  EXPECT_EQ(encoding("autogptq3", "layers.0.mlp.down"), "int3 g16 affine f16 act-order");
}

// What Pith writes of a peer's folder has the peer's bytes; only the zero points of GPTQ v1, whose
// stored form is one less, are those of v2.
TEST(GptqAwqGolden, WrittenTensorsAreThoseOfTheOwners) {
  for (const char* name : {"autogptq2", "autogptq3", "autogptq4", "autogptq8", "autoawq"}) {
    const fs::path source = golden(std::string("gptq_awq/") + name);
    const Checkpoint model = Checkpoint::open(source);
    Weights weights;
    for (const Parameter& parameter : model.parameters())
      weights.emplace(parameter.name, model.load(parameter.name));
    TestFolder folder;
    write_weights(folder.path(), model.spec(), weights, model.layout());
    const auto ours = SafetensorsReader::open_folder(folder.path());
    const auto theirs = SafetensorsReader::open_folder(source);
    ASSERT_EQ(ours.tensors().size(), theirs.tensors().size());
    const bool v1 = model.layout() == "gptq";
    for (const auto& [tensor, stored] : theirs.tensors()) {
      if (v1 && tensor.ends_with(".qzeros")) continue;
      const StoredTensor* written = ours.find(tensor);
      ASSERT_NE(written, nullptr) << tensor;
      EXPECT_EQ(written->spec, stored.spec);
      EXPECT_TRUE(std::ranges::equal(written->bytes, stored.bytes)) << name << ": " << tensor;
    }
  }
}

}  // namespace
}  // namespace pith

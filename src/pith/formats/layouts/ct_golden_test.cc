// Folders that compressed-tensors itself wrote, see
// tests/golden/formats/compressed_tensors/make_compressed_tensors.py.
#include <gtest/gtest.h>

#include "pith/base/sha256.h"
#include "pith/formats/tensor_names.h"
#include "pith/formats/test_models.h"

namespace pith {
namespace {

std::filesystem::path folder_of(const std::string& name) {
  return golden("compressed_tensors/" + name);
}

// Every matrix decodes to the very floats that the library decompresses it to.
void expect_decodes_as_the_library(const std::string& name) {
  SCOPED_TRACE(name);
  const Checkpoint model = Checkpoint::open(folder_of(name));
  EXPECT_EQ(model.layout(), "compressed-tensors");
  const Json expected = read_json_file(folder_of(name) / "expected.json")["weights"];
  std::size_t compared = 0;
  for (const Parameter& parameter : model.parameters()) {
    const std::string tensor = tensor_name(parameter, model.spec().family).name;
    EXPECT_EQ(is_dense(model.encoding(parameter.name)), !expected.contains(tensor)) << tensor;
    if (!expected.contains(tensor)) continue;
    const std::vector<float> values = model.load(parameter.name).dequantize();
    for (std::size_t i = 0; i < 4; ++i)
      EXPECT_EQ(values[i], expected[tensor]["first"][i].get<float>()) << tensor;
    EXPECT_EQ(sha256_hex(std::as_bytes(std::span(values))),
              expected[tensor]["sha256"].get<std::string>())
        << tensor;
    ++compared;
  }
  EXPECT_EQ(compared, expected.size());
}

TEST(CtGolden, PackedIntegers) {
  for (const char* name :
       {"w4-g16-affine", "w3-channel", "w6-g16-affine", "w5-channel-affine-gapped"})
    expect_decodes_as_the_library(name);
}

TEST(CtGolden, Int8) {
  for (const char* name : {"int8-dynamic", "int8-static"}) expect_decodes_as_the_library(name);
}

TEST(CtGolden, Fp8) {
  for (const char* name : {"fp8-dynamic", "fp8-static", "fp8-block"})
    expect_decodes_as_the_library(name);
}

TEST(CtGolden, Mixed) { expect_decodes_as_the_library("mixed"); }

struct Stored {
  const char *folder, *parameter, *encoding, *activation;
};

TEST(CtGolden, EncodingsAndActivations) {
  constexpr Stored kStored[] = {
      {"w4-g16-affine", "layers.0.attn.q", "int4 g16 affine bf16", "none"},
      {"w3-channel", "layers.0.mlp.up", "int3 row symmetric bf16", "none"},
      {"w5-channel-affine-gapped", "layers.0.mlp.up", "int5 row affine bf16", "none"},
      {"int8-dynamic", "layers.0.attn.o", "int8 row symmetric bf16", "dynamic-int8-token"},
      {"int8-static",
       "layers.0.attn.o",
       "int8 tensor symmetric bf16",
       "static-int8-tensor 0.029418945 -26"},
      {"fp8-dynamic", "layers.0.attn.o", "e4m3 row bf16", "dynamic-fp8-token"},
      {"fp8-static", "layers.0.attn.o", "e4m3 tensor bf16", "static-fp8-tensor 0.01007080"},
      {"fp8-block", "layers.0.attn.o", "e4m3 block24 bf16", "none"},
      {"mixed", "layers.1.attn.k", "e4m3 row bf16", "dynamic-fp8-token"},
      {"mixed", "layers.1.attn.o", "int8 g32 symmetric bf16", "none"},
      {"mixed", "layers.1.mlp.down", "int2 g8 symmetric bf16", "none"},
      {"mixed", "layers.0.mlp.up", "bf16", "none"},
      {"mixed", "lm_head", "bf16", "none"},
  };
  for (const Stored& item : kStored) {
    const PackedMatrix weight = Checkpoint::open(folder_of(item.folder)).load(item.parameter);
    EXPECT_EQ(to_string(weight.encoding()), item.encoding) << item.folder << " " << item.parameter;
    EXPECT_EQ(to_string(weight.activation).rfind(item.activation, 0), 0u)
        << to_string(weight.activation);
  }
}

// Read, written by Pith and read again: the same codes, scales and zero points.
TEST(CtGolden, AreWrittenWithoutRounding) {
  for (const char* name : {"w4-g16-affine",
                           "w3-channel",
                           "w5-channel-affine-gapped",
                           "int8-static",
                           "fp8-static",
                           "fp8-block",
                           "mixed"}) {
    SCOPED_TRACE(name);
    const Checkpoint model = Checkpoint::open(folder_of(name));
    std::vector<StoredParameter> stored;
    Weights weights;
    for (const Parameter& parameter : model.parameters()) {
      const PackedMatrix weight = model.load(parameter.name);
      stored.push_back({parameter.name, weight.encoding(), weight.activation});
      weights.emplace(parameter.name, weight);
    }
    for (const char* layout : {"compressed-tensors", "pith"}) {
      TestFolder folder;
      CheckpointWriter writer(
          folder.path(), model.spec(), stored, CheckpointWriter::kDefaultShardBytes, layout);
      for (const auto& [parameter, weight] : weights) writer.write(parameter, weight);
      writer.finish();
      expect_holds(Checkpoint::open(folder.path()), weights);
    }
  }
}

// Without padding and gaps a word of a dense row is as its writer made it, bit for bit.
TEST(CtGolden, TensorsAreThoseOfTheLibrary) {
  for (const char* name : {"w4-g16-affine", "w3-channel", "w6-g16-affine", "int8-dynamic"}) {
    SCOPED_TRACE(name);
    const Checkpoint model = Checkpoint::open(folder_of(name));
    std::vector<StoredParameter> stored;
    for (const Parameter& parameter : model.parameters()) {
      const PackedMatrix weight = model.load(parameter.name);
      stored.push_back({parameter.name, weight.encoding(), weight.activation});
    }
    TestFolder folder;
    CheckpointWriter writer(folder.path(),
                            model.spec(),
                            stored,
                            CheckpointWriter::kDefaultShardBytes,
                            "compressed-tensors");
    for (const StoredParameter& entry : stored) writer.write(entry.name, model.load(entry.name));
    writer.finish();
    const auto theirs = SafetensorsReader::open_folder(folder_of(name));
    const auto ours = SafetensorsReader::open_folder(folder.path());
    ASSERT_EQ(ours.tensors().size(), theirs.tensors().size());
    for (const auto& [tensor, stored_tensor] : theirs.tensors()) {
      SCOPED_TRACE(tensor);
      EXPECT_EQ(ours.at(tensor).spec, stored_tensor.spec);
      EXPECT_TRUE(std::ranges::equal(ours.at(tensor).bytes, stored_tensor.bytes));
    }
  }
}

}  // namespace
}  // namespace pith

// The files of tests/golden/gguf through Checkpoint: every weight as the reference decoder has it.
#include <gtest/gtest.h>

#include <map>

#include "pith/base/sha256.h"
#include "pith/formats/checkpoint.h"
#include "pith/formats/gguf/gguf_test_files.h"

namespace pith {
namespace {

TEST(GgufGolden, WeightsAreThoseOfTheReference) {
  const Json expected = golden_json("expected.json");
  for (const auto& [name, model] : expected.at("models").items()) {
    const Checkpoint checkpoint = Checkpoint::open(golden_gguf(name + ".gguf"));
    std::map<std::string, std::string> hashes;
    for (const auto& [hf_name, tensor] : model.at("tensors").items())
      hashes[tensor.at("gguf")] = tensor.at("sha256").get<std::string>();
    EXPECT_EQ(checkpoint.parameters().size(), hashes.size());
    for (const Parameter& parameter : checkpoint.parameters()) {
      SCOPED_TRACE(name + " " + parameter.name);
      const std::vector<float> values = checkpoint.load(parameter.name).dequantize();
      EXPECT_EQ(sha256_hex(std::as_bytes(std::span(values))),
                hashes[checkpoint.stored_name(parameter.name)]);
    }
  }
}

}  // namespace
}  // namespace pith

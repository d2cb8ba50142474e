// Logits of models that compressed-tensors wrote, see
// tests/golden/formats/compressed_tensors/make_compressed_tensors.py.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "pith/base/json.h"
#include "pith/conversion/forward_probe.h"
#include "pith/formats/checkpoint.h"

namespace pith {
namespace {

TEST(CtGoldenLogits, AreThoseOfTheLibrary) {
  const std::filesystem::path folders =
      std::filesystem::path(PITH_SOURCE_DIR) / "tests/golden/formats/compressed_tensors";
  for (const char* name : {"w4-g16-affine",
                           "w3-channel",
                           "w5-channel-affine-gapped",
                           "int8-dynamic",
                           "fp8-static",
                           "fp8-block",
                           "mixed"}) {
    SCOPED_TRACE(name);
    const Checkpoint model = Checkpoint::open(folders / name);
    ForwardProbe probe(model.spec());
    for (const Parameter& parameter : model.parameters())
      probe.take(parameter, model.load(parameter.name));
    const Json expected = read_json_file(folders / name / "expected.json");
    ASSERT_EQ(expected["ids"], Json::parse("[0, 23, 47]"));  // the probe's tokens of 48
    const std::span<const float> logits = probe.result();
    double squares = 0, largest_error = 0;
    for (std::size_t i = 0; i < logits.size(); ++i) {
      const double logit = expected["logits"][i / 48][i % 48].get<double>();
      squares += logit * logit;
      largest_error = std::max(largest_error, std::abs(logit - logits[i]));
    }
    ASSERT_EQ(logits.size(), 3u * 48u);
    // f32 sums in another order; a wrong code moves a logit by some 1e-2 of their deviation
    EXPECT_LT(largest_error, 1e-5 * std::sqrt(squares / static_cast<double>(logits.size())));
  }
}

}  // namespace
}  // namespace pith

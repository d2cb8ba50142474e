#include "pith/conversion/forward_probe.h"

#include <gtest/gtest.h>

#include "pith/base/threads.h"
#include "pith/conversion/reference_forward.h"

namespace pith {
namespace {

std::vector<float> probe_of(const DecoderSpec& spec, const Weights& weights) {
  ForwardProbe probe(spec);
  for (const Parameter& parameter : parameters_of(spec))
    probe.take(parameter, stored_as(DType::kF32, parameter, weights.at(parameter.name)));
  return {probe.result().begin(), probe.result().end()};
}

// The first, the middle and the last token of the vocabulary.
std::vector<std::int32_t> probe_ids(const DecoderSpec& spec) {
  const auto last = static_cast<std::int32_t>(spec.vocab - 1);
  return {0, last / 2, last};
}

TEST(ForwardProbe, GivesTheLogitsOfTheReference) {
  for (const DecoderSpec& tied : tiny_specs()) {
    const DecoderSpec spec = untied(tied);
    SCOPED_TRACE(to_string(spec.family));
    const Weights weights = random_weights(spec, 7);
    const auto expected = ReferenceForward(spec, weights).logits(probe_ids(spec));
    const std::vector<float> found = probe_of(spec, weights);
    ASSERT_EQ(found.size(), ForwardProbe::kTokens * static_cast<std::size_t>(spec.vocab));
    for (std::size_t i = 0; i < found.size(); ++i)
      ASSERT_NEAR(found[i],
                  expected[i / static_cast<std::size_t>(spec.vocab)]
                          [i % static_cast<std::size_t>(spec.vocab)],
                  2e-5);
  }
}

// The states before the head: multiplied by the embedding they are the logits.
TEST(ForwardProbe, EndsBeforeATiedHead) {
  const DecoderSpec spec = tiny_qwen3();
  const Weights weights = random_weights(spec, 3);
  const auto expected = ReferenceForward(spec, weights).logits(probe_ids(spec));
  const std::vector<float> states = probe_of(spec, weights);
  const auto hidden = static_cast<std::size_t>(spec.hidden);
  ASSERT_EQ(states.size(), ForwardProbe::kTokens * hidden);
  const std::vector<float>& embedding = weights.at("embedding");
  for (std::size_t t = 0; t < ForwardProbe::kTokens; ++t)
    for (std::size_t v = 0; v < static_cast<std::size_t>(spec.vocab); ++v) {
      double logit = 0;
      for (std::size_t i = 0; i < hidden; ++i)
        logit += double{states[t * hidden + i]} * double{embedding[v * hidden + i]};
      ASSERT_NEAR(logit, expected[t][v], 2e-5);
    }
}

TEST(ForwardProbe, SeesEveryPartOfTheSpec) {
  const DecoderSpec good = tiny_llama();
  const Weights weights = random_weights(good, 5);
  const std::vector<float> expected = probe_of(good, weights);
  const auto changed = [&](auto&& change) {
    DecoderSpec spec = good;
    change(spec);
    return probe_of(spec, weights) != expected;
  };
  EXPECT_FALSE(changed([](DecoderSpec&) {}));
  EXPECT_TRUE(changed([](DecoderSpec& s) { s.rope.theta = 500; }));
  EXPECT_TRUE(changed([](DecoderSpec& s) { s.norm_epsilon = 1e-3; }));
  EXPECT_TRUE(changed([](DecoderSpec& s) { s.activation = Activation::kGeluTanh; }));
  EXPECT_TRUE(changed([](DecoderSpec& s) { s.layers[1].window = 2; }));
  EXPECT_TRUE(changed([](DecoderSpec& s) { s.scale_scores = false; }));
  EXPECT_TRUE(changed([](DecoderSpec& s) {
    s.rope.scaling = RopeScalingKind::kLinear;
    s.rope.factor = 2;
  }));
  for (const auto& [name, values] : weights) {
    Weights other = weights;
    other[name][values.size() / 2 + 1] += 0.1f;
    // A row of the embedding that no token of the probe asks for.
    if (name == "embedding") continue;
    EXPECT_NE(probe_of(good, other), expected) << name;
  }
}

TEST(ForwardProbe, DoesNotDependOnThreads) {
  const DecoderSpec spec = tiny_gpt2();
  const Weights weights = random_weights(spec, 9);
  const int threads = num_threads();
  set_num_threads(1);
  const std::vector<float> one = probe_of(spec, weights);
  set_num_threads(3);
  EXPECT_EQ(probe_of(spec, weights), one);
  set_num_threads(threads);
}

TEST(ForwardProbe, WantsTheOrderOfAForwardPass) {
  const DecoderSpec spec = tiny_llama();
  const std::vector<Parameter> parameters = parameters_of(spec);
  ForwardProbe probe(spec);
  const PackedMatrix second =
      stored_as(DType::kF32, parameters[1], random_weight(parameters[1], 1));
  EXPECT_THROW(probe.take(parameters[1], second), InternalError);
  EXPECT_THROW(probe.result(), InternalError);
}

}  // namespace
}  // namespace pith

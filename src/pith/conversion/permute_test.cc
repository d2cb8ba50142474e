#include "pith/conversion/permute.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "pith/conversion/reference_forward.h"
#include "pith/conversion/test_models.h"

namespace pith {
namespace {

// A weight whose element (r, c) is r * 1000 + c, so that a result tells where each element came
// from.
std::vector<float> labelled(const Parameter& parameter) {
  std::vector<float> values(parameter.rows * parameter.cols);
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<float>(i / parameter.cols * 1000 + i % parameter.cols);
  return values;
}

struct Origins {
  std::vector<std::size_t> rows, cols;
};

// The order of rows and columns that a permutation gives a parameter; checks that it is a product
// of the two.
Origins origins(const ModelPermutation& permutation, const Parameter& parameter) {
  const std::vector<float> values = labelled(parameter);
  const WeightSource moved = permutation.apply(
      parameter, source_of(MatrixView<const float>(values.data(), parameter.rows, parameter.cols)));
  std::vector<float> out(values.size());
  moved.read_rows(0, parameter.rows, out);
  Origins result;
  for (std::size_t r = 0; r < parameter.rows; ++r)
    result.rows.push_back(static_cast<std::size_t>(out[r * parameter.cols]) / 1000);
  for (std::size_t c = 0; c < parameter.cols; ++c)
    result.cols.push_back(static_cast<std::size_t>(out[c]) % 1000);
  for (std::size_t i = 0; i < out.size(); ++i)
    EXPECT_EQ(out[i],
              static_cast<float>(result.rows[i / parameter.cols] * 1000 +
                                 result.cols[i % parameter.cols]));
  return result;
}

std::map<std::string, Origins> all_origins(const DecoderSpec& spec, std::uint64_t seed) {
  const ModelPermutation permutation(spec, seed);
  std::map<std::string, Origins> result;
  for (const Parameter& parameter : parameters_of(spec))
    result[parameter.name] = origins(permutation, parameter);
  return result;
}

std::vector<std::size_t> identity(std::size_t count) {
  std::vector<std::size_t> order(count);
  std::iota(order.begin(), order.end(), std::size_t{0});
  return order;
}

bool is_permutation_of_all(std::vector<std::size_t> order) {
  std::ranges::sort(order);
  return order == identity(order.size());
}

TEST(ModelPermutation, OrdersOfLlamaAgreeBetweenProducerAndConsumer) {
  const DecoderSpec spec = tiny_llama();
  auto at = all_origins(spec, 7);
  const std::vector<std::size_t> hidden = at["embedding"].cols;
  EXPECT_NE(hidden, identity(24));
  EXPECT_TRUE(is_permutation_of_all(hidden));
  EXPECT_EQ(at["embedding"].rows, identity(37));
  EXPECT_EQ(at["lm_head"].cols, hidden);
  EXPECT_EQ(at["lm_head"].rows, identity(37));
  EXPECT_EQ(at["final_norm"].cols, hidden);
  for (const std::string layer : {"layers.0.", "layers.1."}) {
    SCOPED_TRACE(layer);
    for (const char* name :
         {"attn_norm", "mlp_norm", "attn.q", "attn.k", "attn.v", "mlp.gate", "mlp.up"})
      EXPECT_EQ(at[layer + name].cols, hidden) << name;
    for (const char* name : {"attn.o", "mlp.down"})
      EXPECT_EQ(at[layer + name].rows, hidden) << name;
    EXPECT_EQ(at[layer + "attn.q"].rows, identity(24));
    EXPECT_EQ(at[layer + "attn.k"].rows, identity(12));
    EXPECT_NE(at[layer + "mlp.up"].rows, identity(44));
    EXPECT_EQ(at[layer + "mlp.gate"].rows, at[layer + "mlp.up"].rows);
    EXPECT_EQ(at[layer + "mlp.down"].cols, at[layer + "mlp.up"].rows);
  }
  EXPECT_NE(at["layers.0.mlp.up"].rows, at["layers.1.mlp.up"].rows);
}

TEST(ModelPermutation, ValuesStayInsideTheirHeadAndReachEveryQueryHead) {
  auto at = all_origins(tiny_llama(), 7);  // 4 heads of 6, 2 kv heads
  const std::vector<std::size_t> v = at["layers.0.attn.v"].rows, o = at["layers.0.attn.o"].cols;
  ASSERT_EQ(v.size(), 12u);
  ASSERT_EQ(o.size(), 24u);
  EXPECT_NE(v, identity(12));
  EXPECT_TRUE(is_permutation_of_all(v));
  for (std::size_t i = 0; i < v.size(); ++i) EXPECT_EQ(v[i] / 6, i / 6);
  for (std::size_t head = 0; head < 4; ++head)
    for (std::size_t dim = 0; dim < 6; ++dim) {
      const std::size_t kv_head = head / 2;
      EXPECT_EQ(o[head * 6 + dim] - head * 6, v[kv_head * 6 + dim] - kv_head * 6);
    }
}

TEST(ModelPermutation, Gpt2MovesTheValueThirdAndAllBiases) {
  auto at = all_origins(tiny_gpt2(), 3);  // 5 heads of 4
  const std::vector<std::size_t> hidden = at["embedding"].cols;
  EXPECT_EQ(at["position"].cols, hidden);
  EXPECT_EQ(at["position"].rows, identity(12));
  EXPECT_EQ(at["final_norm.bias"].cols, hidden);
  const std::vector<std::size_t> qkv = at["layers.1.attn.qkv"].rows;
  for (std::size_t i = 0; i < 40; ++i) EXPECT_EQ(qkv[i], i);
  for (std::size_t i = 40; i < 60; ++i) EXPECT_EQ((qkv[i] - 40) / 4, (i - 40) / 4);
  EXPECT_NE(qkv, identity(60));
  EXPECT_TRUE(is_permutation_of_all(qkv));
  EXPECT_EQ(at["layers.1.attn.qkv.bias"].cols, qkv);
  for (std::size_t i = 0; i < 20; ++i) EXPECT_EQ(at["layers.1.attn.o"].cols[i] + 40, qkv[i + 40]);
  for (const char* name :
       {"attn_norm", "attn_norm.bias", "mlp_norm", "mlp_norm.bias", "attn.o.bias", "mlp.down.bias"})
    EXPECT_EQ(at[std::string("layers.1.") + name].cols, hidden) << name;
  EXPECT_EQ(at["layers.1.mlp.up.bias"].cols, at["layers.1.mlp.up"].rows);
  EXPECT_EQ(at["layers.1.mlp.down"].cols, at["layers.1.mlp.up"].rows);
}

TEST(ModelPermutation, QwenMovesBiasesOfValuesOnlyAndKeepsHeadNorms) {
  auto qwen2 = all_origins(tiny_qwen2(), 5);
  EXPECT_EQ(qwen2["layers.0.attn.q.bias"].cols, identity(24));
  EXPECT_EQ(qwen2["layers.0.attn.k.bias"].cols, identity(12));
  EXPECT_EQ(qwen2["layers.0.attn.v.bias"].cols, qwen2["layers.0.attn.v"].rows);
  auto qwen3 = all_origins(tiny_qwen3(), 5);
  EXPECT_EQ(qwen3["layers.0.attn.q_norm"].cols, identity(6));
  EXPECT_EQ(qwen3["layers.0.attn.k_norm"].cols, identity(6));
}

TEST(ModelPermutation, SeedDecides) {
  const Parameter embedding = parameters_of(tiny_llama()).front();
  const auto cols = [&](std::uint64_t seed) {
    return origins(ModelPermutation(tiny_llama(), seed), embedding).cols;
  };
  EXPECT_EQ(cols(1), cols(1));
  EXPECT_NE(cols(1), cols(2));
}

TEST(ModelPermutation, PiecesEqualTheWhole) {
  const DecoderSpec spec = tiny_llama();
  const ModelPermutation permutation(spec, 9);
  for (const Parameter& parameter : parameters_of(spec)) {
    const std::vector<float> values = random_weight(parameter, 4);
    const WeightSource moved = permutation.apply(
        parameter,
        source_of(MatrixView<const float>(values.data(), parameter.rows, parameter.cols)));
    std::vector<float> whole(values.size()), pieces(values.size());
    moved.read_rows(0, parameter.rows, whole);
    for (std::size_t row = 0; row < parameter.rows; row += 5) {
      const std::size_t count = std::min<std::size_t>(5, parameter.rows - row);
      moved.read_rows(
          row, count, std::span(pieces).subspan(row * parameter.cols, count * parameter.cols));
    }
    EXPECT_EQ(whole, pieces) << parameter.name;
  }
}

// The logits change by nothing but the order of double sums over at most a few hundred terms.
TEST(ModelPermutation, TheFunctionStaysTheSame) {
  const std::vector<std::int32_t> ids{3, 1, 36, 7, 7, 0, 20, 11};
  for (const DecoderSpec& spec : tiny_specs()) {
    SCOPED_TRACE(std::string(to_string(spec.family)) + (spec.tied_head ? " tied" : " untied"));
    const TestFolder folder;
    const Checkpoint source = random_checkpoint(folder / "source", spec);
    convert(source, folder / "permuted", keep_all, {.permute_seed = 11});
    const Checkpoint permuted = Checkpoint::open(folder / "permuted");
    EXPECT_EQ(permuted.spec(), source.spec());
    const Weights before = weights_of(source), after = weights_of(permuted);
    const auto expected = ReferenceForward(spec, before).logits(ids);
    const auto found = ReferenceForward(spec, after).logits(ids);
    for (std::size_t t = 0; t < ids.size(); ++t)
      for (std::size_t i = 0; i < expected[t].size(); ++i)
        ASSERT_NEAR(found[t][i], expected[t][i], 1e-11) << t << " " << i;
    for (const Parameter& parameter : source.parameters()) {
      const bool head_norm =
          parameter.name.ends_with("q_norm") || parameter.name.ends_with("k_norm");
      const bool fixed_bias =
          parameter.name.ends_with("attn.q.bias") || parameter.name.ends_with("attn.k.bias");
      EXPECT_EQ(before.at(parameter.name) == after.at(parameter.name), head_norm || fixed_bias)
          << parameter.name;
    }
  }
}

}  // namespace
}  // namespace pith

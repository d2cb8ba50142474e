// The contract that every form keeps.
#include "pith/model/weight/weight_form.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "pith/base/random.h"
#include "pith/codec/quantize.h"
#include "pith/model/tensor_bridge.h"
#include "pith/model/weight/dense_form.h"
#include "pith/model/weight/int8_form.h"
#include "pith/model/weight/rounded_input_form.h"

namespace pith {
namespace {

constexpr std::size_t kOut = 37, kIn = 70;  // neither divides a group, a block or a vector

std::vector<float> random_weight(std::size_t count) {
  const Random random(11, 0);
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = random.normal(i);
  return values;
}

constexpr ActivationScheme kStatic = ActivationScheme::kStaticInt8Tensor;

struct Case {
  std::string name;
  PackedMatrix matrix;
  // Bound of |forward - x dense^T| over the largest |value|: rounding of sums, or for int8
  // activations half a step of 1/127 for each of kIn inputs that add up like random signs (5
  // sigma).
  double bound = 1e-5;
};

std::vector<Case> cases() {
  static const std::vector<float> weight = random_weight(kOut * kIn);
  const WeightSource source = source_of(MatrixView<const float>(weight.data(), kOut, kIn));
  std::vector<Case> all;
  const auto add = [&](std::string name, const Encoding& encoding) {
    all.push_back({std::move(name), encode(source, encoding), 1e-5});
  };
  add("f32", DenseEncoding{DType::kF32});
  add("bf16", DenseEncoding{DType::kBF16});
  add("f16", DenseEncoding{DType::kF16});
  add("fp8", Float8Encoding{});
  add("int8_row", GroupIntEncoding{});
  add("int4_g32", GroupIntEncoding{4, Granularity::kGroup, 32, ZeroPoints::kPacked, DType::kF16});
  add("int3_g64", GroupIntEncoding{3, Granularity::kGroup, 64, ZeroPoints::kPacked, DType::kF16});
  add("nf4", CodebookEncoding{});
  add("nf4_double", CodebookEncoding{CodebookTable::kNf4, 64, true});
  const auto add_rounded = [&](std::string name,
                               const Encoding& encoding,
                               const ActivationQuantization& activation,
                               double bound) {
    all.push_back({std::move(name), encode(source, encoding), bound});
    all.back().matrix.activation = activation;
  };
  const ActivationQuantization token{ActivationScheme::kDynamicInt8Token};
  const ActivationQuantization outliers{ActivationScheme::kLlmInt8, 0, 0, 2.5f};
  // Integer products, and the same schemes over weights that have none.
  add_rounded("dynamic_int8", GroupIntEncoding{}, token, 0.02);
  add_rounded("dynamic_int8_nf4", CodebookEncoding{}, token, 0.02);
  add_rounded("dynamic_int8_f32", DenseEncoding{DType::kF32}, token, 0.02);
  // a step of 1/30 holds |x| <= 4.2
  add_rounded("static_int8", GroupIntEncoding{}, {kStatic, 1.0f / 30, 0, 0}, 0.02);
  add_rounded("static_int8_zero_point", GroupIntEncoding{}, {kStatic, 1.0f / 25, -3, 0}, 0.03);
  // E4M3 has 3 bits after the point: a relative error of 1/16 at most, 1/28 on average
  add_rounded("dynamic_fp8", Float8Encoding{}, {ActivationScheme::kDynamicFp8Token}, 0.04);
  add_rounded(
      "static_fp8", Float8Encoding{}, {ActivationScheme::kStaticFp8Tensor, 0.01f, 0, 0}, 0.04);
  add_rounded("llm_int8", GroupIntEncoding{}, outliers, 0.02);
  add_rounded("llm_int8_int4", GroupIntEncoding{4, Granularity::kGroup, 32}, outliers, 0.02);
  return all;
}

class Form : public testing::TestWithParam<Case> {};

TEST_P(Form, ForwardIsTheProductWithDense) {
  const auto form = make_frozen_form(GetParam().matrix);
  at::manual_seed(3);
  const at::Tensor x = at::randn({2, 5, kIn});
  const at::Tensor expected = at::linear(x, form->dense());
  const at::Tensor got = form->forward(x);
  ASSERT_EQ(got.sizes(), expected.sizes());
  const double scale = expected.abs().max().item<double>();
  EXPECT_LE((got - expected).abs().max().item<double>() / scale, GetParam().bound);
  at::Tensor into = at::empty({10, kOut});
  form->infer_into(x.view({10, kIn}), into);
  EXPECT_TRUE(at::equal(into.view({2, 5, kOut}), got));
}

TEST_P(Form, RowsAreRowsOfDense) {
  const auto form = make_frozen_form(GetParam().matrix);
  const at::Tensor ids = at::tensor(std::vector<std::int64_t>{36, 0, 17, 17});
  EXPECT_TRUE(at::equal(form->rows(ids), form->dense().index_select(0, ids)));
}

TEST_P(Form, StoredIsBitIdenticalAndFrozen) {
  const auto form = make_frozen_form(GetParam().matrix);
  const PackedMatrix stored = form->stored();
  EXPECT_EQ(stored.activation, GetParam().matrix.activation);
  EXPECT_EQ(stored.encoding(), GetParam().matrix.encoding());
  ASSERT_EQ(stored.buffers().size(), GetParam().matrix.buffers().size());
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < stored.buffers().size(); ++i) {
    const auto a = stored.buffers()[i].bytes, b = GetParam().matrix.buffers()[i].bytes;
    EXPECT_TRUE(std::equal(a.begin(), a.end(), b.begin(), b.end()));
    bytes += a.size();
  }
  EXPECT_EQ(stored.storage_bytes(), bytes);
  EXPECT_TRUE(form->trainable().empty());
  EXPECT_EQ(form->out_features(), std::int64_t{kOut});
  EXPECT_EQ(form->in_features(), std::int64_t{kIn});
}

INSTANTIATE_TEST_SUITE_P(All, Form, testing::ValuesIn(cases()), [](const auto& info) {
  return info.param.name;
});

// Quantization card 5b: the worked example of an int8 x int8 product.
TEST(DynamicInt8, WorkedExample) {
  const std::vector<float> w{1, -0.4F, 0.3F, 0.25F, 2, -0.9F};
  PackedMatrix matrix = quantize_group_int(source_of(MatrixView<const float>(w.data(), 2, 3)), {});
  matrix.activation = ActivationQuantization{ActivationScheme::kDynamicInt8Token};
  const at::Tensor x =
      at::tensor(std::vector<float>{0.6F, -1, 0.25F, 2, 0.25F, -0.75F}).view({2, 3});
  const at::Tensor y = make_frozen_form(matrix)->forward(x);
  const at::Tensor expected =
      at::tensor(std::vector<float>{1.0753922F, -2.0753922F, 1.6726393F, 1.6864034F}).view({2, 2});
  EXPECT_LE((y - expected).abs().max().item<double>(), 1e-6);
}

TEST(DynamicInt8, TokensDoNotSeeEachOther) {
  const std::vector<float> w = random_weight(kOut * kIn);
  PackedMatrix matrix =
      quantize_group_int(source_of(MatrixView<const float>(w.data(), kOut, kIn)), {});
  matrix.activation = ActivationQuantization{ActivationScheme::kDynamicInt8Token};
  const auto form = make_frozen_form(matrix);
  const at::Tensor x = at::randn({40, kIn});
  const at::Tensor together = form->forward(x);
  for (const std::int64_t t : {0, 7, 39})
    EXPECT_TRUE(at::equal(together[t], form->forward(x.narrow(0, t, 1))[0]));
}

// Integer products and rounded floats are one function, up to the rounding of sums.
TEST(Int8Form, EqualsTheProductOfRoundedFloats) {
  const std::vector<float> w = random_weight(kOut * kIn);
  PackedMatrix matrix =
      quantize_group_int(source_of(MatrixView<const float>(w.data(), kOut, kIn)), {});
  at::manual_seed(5);
  at::Tensor x = at::randn({9, kIn});
  x.select(1, 3).mul_(20);  // an outlier column
  for (const ActivationQuantization& activation :
       {ActivationQuantization{ActivationScheme::kDynamicInt8Token},
        ActivationQuantization{kStatic, 0.1f, 0, 0},
        ActivationQuantization{ActivationScheme::kLlmInt8, 0, 0, 6.0f}}) {
    SCOPED_TRACE(to_string(activation));
    matrix.activation = activation;
    ASSERT_TRUE(Int8Form::accepts(matrix));
    PackedMatrix plain = matrix;
    plain.activation = {};
    const RoundedInputForm floats(matrix, make_frozen_form(plain));
    const at::Tensor expected = floats.forward(x), got = Int8Form(matrix).forward(x);
    EXPECT_LE(((got - expected).abs().max() / expected.abs().max()).item<double>(), 2e-6);
    EXPECT_GT((got - at::linear(x, floats.dense())).abs().max().item<double>(), 0.01);  // rounded
  }
}

// Card 10: the columns with outliers do not lose their precision.
TEST(Int8Form, OutlierColumnsStayFloats) {
  const std::vector<float> w{0.35F, 0.02F, -0.6F, 0.9F, -0.05F, 0.1F};
  PackedMatrix matrix = quantize_group_int(source_of(MatrixView<const float>(w.data(), 2, 3)), {});
  matrix.activation = ActivationQuantization{ActivationScheme::kLlmInt8, 0, 0, 6.0f};
  const at::Tensor x = at::tensor(std::vector<float>{0.6F, -40, 1, 0.3F, 1, -0.4F}).view({2, 3});
  const at::Tensor y = make_frozen_form(matrix)->forward(x);
  // with dequantized weights; the second row's codes are 38 and -51 of 1/127
  const at::Tensor expected =
      at::tensor(std::vector<float>{-1.146692F,
                                    2.622047F,
                                    (38 * 74 + 51 * 127) * 0.6F / 16129 + 4 * 0.6F / 127,
                                    (38 * 127 - 51 * 14) * 0.9F / 16129 - 7 * 0.9F / 127})
          .view({2, 2});
  EXPECT_LE((y - expected).abs().max().item<double>(), 1e-6);
}

TEST(Int8Form, LeavesOtherPairsToFloats) {
  const std::vector<float> w = random_weight(64);
  const WeightSource source = source_of(MatrixView<const float>(w.data(), 1, 64));
  const auto accepts = [&](const Encoding& encoding, const ActivationQuantization& activation) {
    PackedMatrix matrix = encode(source, encoding);
    matrix.activation = activation;
    return Int8Form::accepts(matrix);
  };
  const ActivationQuantization token{ActivationScheme::kDynamicInt8Token};
  EXPECT_TRUE(accepts(GroupIntEncoding{8, Granularity::kTensor}, token));
  EXPECT_FALSE(accepts(GroupIntEncoding{}, {}));
  EXPECT_FALSE(accepts(GroupIntEncoding{8, Granularity::kGroup, 32}, token));
  EXPECT_FALSE(accepts(GroupIntEncoding{4}, token));
  EXPECT_FALSE(accepts(CodebookEncoding{}, token));
  EXPECT_FALSE(accepts(GroupIntEncoding{}, {kStatic, 1, 2, 0}));
  EXPECT_FALSE(accepts(GroupIntEncoding{}, {ActivationScheme::kDynamicFp8Token}));
}

TEST(DenseForm, GradientsReachExactlyWhatIsTrainable) {
  at::Tensor weight = at::randn({3, 4}).set_requires_grad(true);
  const DenseForm form(weight);
  ASSERT_EQ(form.trainable().size(), 1U);
  form.forward(at::ones({2, 4})).sum().backward();
  EXPECT_TRUE(at::equal(weight.grad(), at::full({3, 4}, 2.0F)));
}

TEST(PackedForm, PiecesOfALargeMatrixGiveTheSameProduct) {
  const std::size_t rows = 5000, cols = 1000;  // several pieces
  const std::vector<float> w = random_weight(rows * cols);
  const auto form = make_frozen_form(
      quantize_group_int(source_of(MatrixView<const float>(w.data(), rows, cols)), {}));
  const at::Tensor x = at::randn({3, static_cast<std::int64_t>(cols)});
  const at::Tensor expected = at::linear(x, form->dense());
  EXPECT_LE(((form->forward(x) - expected).abs().max() / expected.abs().max()).item<double>(),
            1e-5);
}

}  // namespace
}  // namespace pith

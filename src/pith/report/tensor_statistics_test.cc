#include "pith/report/tensor_statistics.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "pith/base/random.h"
#include "pith/base/threads.h"

namespace pith {
namespace {

using testing::ElementsAre;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

TensorStatistics statistics_of(const std::vector<float>& values,
                               std::size_t cols = 1,
                               std::size_t bins = 25) {
  return tensor_statistics(
      source_of(MatrixView<const float>(values.data(), values.size() / cols, cols)), bins);
}

TEST(TensorStatistics, ByHand) {
  // mean 1, distances -3 -1 0 0 0 4: squares 9 1 16, fourth powers 81 1 256
  const TensorStatistics s = statistics_of({-2, 0, 1, 1, 1, 5}, 2, 7);
  EXPECT_EQ(s.values.count, 6u);
  EXPECT_EQ(s.values.zeros, 1u);
  EXPECT_EQ(s.values.min, -2);
  EXPECT_EQ(s.values.max, 5);
  EXPECT_DOUBLE_EQ(s.values.mean, 1);
  EXPECT_DOUBLE_EQ(s.values.mean_absolute, 10.0 / 6);
  EXPECT_DOUBLE_EQ(s.values.deviation, std::sqrt(26.0 / 6));
  EXPECT_DOUBLE_EQ(s.values.kurtosis.value(), (338.0 / 6) / (26.0 / 6) / (26.0 / 6));
  EXPECT_EQ(s.values.outliers, 0u);
  EXPECT_EQ(s.histogram.low, -2);
  EXPECT_EQ(s.histogram.high, 5);
  EXPECT_THAT(s.histogram.bins, ElementsAre(1, 0, 1, 3, 0, 0, 1));  // the last has its upper edge
}

TEST(TensorStatistics, OutliersLieOutsideTheHistogram) {
  std::vector<float> values(1000);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = i % 2 == 0 ? 1.0f : -1.0f;
  values[3] = 40;
  values[4] = 41;
  values[5] = -50;
  const TensorStatistics s = statistics_of(values);
  EXPECT_EQ(s.values.outliers, 3u);
  EXPECT_EQ(s.histogram.below, 1u);
  EXPECT_EQ(s.histogram.above, 2u);
  EXPECT_DOUBLE_EQ(s.histogram.high, s.values.mean + 6 * s.values.deviation);
  std::uint64_t inside = 0;
  for (const std::uint64_t count : s.histogram.bins) inside += count;
  EXPECT_EQ(inside, 997u);
}

TEST(TensorStatistics, OfConstants) {
  const TensorStatistics s = statistics_of(std::vector<float>(30'000, 0.1f), 3);
  EXPECT_EQ(s.values.mean, static_cast<double>(0.1f));
  EXPECT_EQ(s.values.deviation, 0);
  EXPECT_EQ(s.values.kurtosis, std::nullopt);
  EXPECT_THAT(s.histogram.bins, ElementsAre(30'000));
  EXPECT_EQ(s.values.outliers, 0u);
}

TEST(TensorStatistics, OfOneAndOfNone) {
  const TensorStatistics one = statistics_of({-7});
  EXPECT_EQ(one.values.min, -7);
  EXPECT_EQ(one.values.max, -7);
  EXPECT_THAT(one.histogram.bins, ElementsAre(1));
  const TensorStatistics none = statistics_of({});
  EXPECT_EQ(none.values.count, 0u);
  EXPECT_TRUE(none.histogram.bins.empty());
}

TEST(TensorStatistics, CountsWhatIsNotFinite) {
  const TensorStatistics s = statistics_of({kNan, 1, kInf, 3, -kInf, kNan, kNan, 0}, 4);
  EXPECT_EQ(s.values.nans, 3u);
  EXPECT_EQ(s.values.infinities, 2u);
  EXPECT_EQ(s.values.finite(), 3u);
  EXPECT_EQ(s.values.min, 0);
  EXPECT_EQ(s.values.max, 3);
  EXPECT_DOUBLE_EQ(s.values.mean, 4.0 / 3);
  const TensorStatistics nothing = statistics_of({kNan, kInf});
  EXPECT_EQ(nothing.values.finite(), 0u);
  EXPECT_EQ(nothing.values.max, 0);
  EXPECT_TRUE(nothing.histogram.bins.empty());
}

TEST(TensorStatistics, TheLargestAndTheSmallestNumbers) {
  constexpr float kLargest = std::numeric_limits<float>::max();
  const TensorStatistics wide = statistics_of({-kLargest, kLargest});
  EXPECT_EQ(wide.values.deviation, static_cast<double>(kLargest));
  EXPECT_DOUBLE_EQ(wide.values.kurtosis.value(), 1);
  EXPECT_EQ(wide.histogram.bins.front(), 1u);
  EXPECT_EQ(wide.histogram.bins.back(), 1u);
  constexpr float kSmallest = std::numeric_limits<float>::denorm_min();
  EXPECT_EQ(statistics_of({0, kSmallest}).values.max, static_cast<double>(kSmallest));
}

TEST(TensorStatistics, OfNormalAndOfUniformNumbers) {
  constexpr std::size_t kCount = 200'000;
  const Random random(1, stream_of("statistics"));
  std::vector<float> normal(kCount), uniform(kCount);
  for (std::size_t i = 0; i < kCount; ++i) {
    normal[i] = 0.5f + 0.02f * random.normal(i);
    uniform[i] = static_cast<float>(i) / kCount;
  }
  const ValueStatistics n = statistics_of(normal, 100).values;
  // five standard errors of samples of this size
  EXPECT_NEAR(n.mean, 0.5, 5 * 0.02 / std::sqrt(kCount));
  EXPECT_NEAR(n.deviation, 0.02, 5 * 0.02 / std::sqrt(2.0 * kCount));
  EXPECT_NEAR(n.kurtosis.value(), 3, 5 * std::sqrt(24.0 / kCount));
  const ValueStatistics u = statistics_of(uniform, 1000).values;
  EXPECT_NEAR(u.deviation, 1 / std::sqrt(12.0), 1e-5);
  EXPECT_NEAR(u.kurtosis.value(), 1.8, 1e-4);
}

TEST(TensorStatistics, AreTheSameForAnyNumberOfThreads) {
  std::vector<float> values(70'001);
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = std::sin(static_cast<float>(i)) * 1e-3f;
  const int before = num_threads();
  set_num_threads(1);
  const TensorStatistics one = statistics_of(values);
  set_num_threads(3);
  const TensorStatistics three = statistics_of(values);
  set_num_threads(before);
  EXPECT_EQ(one.values.mean, three.values.mean);
  EXPECT_EQ(one.values.deviation, three.values.deviation);
  EXPECT_EQ(one.histogram.bins, three.histogram.bins);
}

template <class T>
StoredTensor stored(DType dtype, const std::vector<T>& values) {
  return {{"t", dtype, {static_cast<std::int64_t>(values.size())}},
          std::as_bytes(std::span(values)),
          nullptr};
}

TEST(SourceOfStoredTensor, EveryKindOfNumber) {
  const auto expect = [](const auto& tensor, double min, double max) {
    const ValueStatistics values = tensor_statistics(source_of(tensor)).values;
    EXPECT_EQ(values.count, 2u);
    EXPECT_EQ(values.min, min);
    EXPECT_EQ(values.max, max);
  };
  const std::vector<std::int8_t> i8 = {-5, 7};
  const std::vector<std::uint8_t> u8 = {0xc0, 0x40};  // -2 and 2 as float8 e4m3
  const std::vector<std::int16_t> i16 = {-300, 300};
  const std::vector<std::uint16_t> u16 = {0x4000, 0xc000};  // 2 and -2 as f16 and as bf16
  const std::vector<std::int32_t> i32 = {-70'000, 70'000};
  const std::vector<std::int64_t> i64 = {-(std::int64_t{1} << 40), 1};
  const std::vector<double> f64 = {0.25, -0.5};
  expect(stored(DType::kI8, i8), -5, 7);
  expect(stored(DType::kU8, u8), 64, 192);
  expect(stored(DType::kF8E4M3, u8), -2, 2);
  expect(stored(DType::kI16, i16), -300, 300);
  expect(stored(DType::kU16, u16), 16384, 49152);
  expect(stored(DType::kF16, u16), -2, 2);
  expect(stored(DType::kBF16, u16), -2, 2);
  expect(stored(DType::kI32, i32), -70'000, 70'000);
  expect(stored(DType::kI64, i64), -0x1p40, 1);
  expect(stored(DType::kF64, f64), -0.5, 0.25);
}

}  // namespace
}  // namespace pith

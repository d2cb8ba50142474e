#include "pith/evaluation/row_math.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "pith/base/error.h"
#include "pith/base/random.h"

namespace pith {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
// Lengths round the vector width and round the block of partial sums.
constexpr std::size_t kCounts[] = {1, 2, 7, 8, 9, 15, 17, 511, 512, 513, 520, 1024, 4999, 49152};

std::vector<float> normal_row(std::size_t count, float size, std::uint64_t stream) {
  const Random random(11, stream);
  std::vector<float> row(count);
  for (std::size_t i = 0; i < count; ++i) row[i] = size * random.normal(i) + 3.0f;
  return row;
}

double naive_log_sum(const std::vector<float>& row) {
  double max = -INFINITY, sum = 0;
  for (const float x : row) max = std::max(max, double{x});
  for (const float x : row) sum += std::exp(double{x} - max);
  return max + std::log(sum);
}

double naive_kl(const std::vector<float>& p, const std::vector<float>& q) {
  const double p_log_sum = naive_log_sum(p), q_log_sum = naive_log_sum(q);
  double kl = 0;
  for (std::size_t i = 0; i < p.size(); ++i) {
    const double log_p = double{p[i]} - p_log_sum, log_q = double{q[i]} - q_log_sum;
    kl += std::exp(log_p) * (log_p - log_q);
  }
  return kl;
}

std::vector<RowMath> rows_that_run_here() {
  std::vector<RowMath> rows;
  for (const RowMath& math : row_math_table())
    if (math.runs_here()) rows.push_back(math);
  return rows;
}

class RowMathTest : public testing::TestWithParam<RowMath> {
 protected:
  RowSummary summary(const std::vector<float>& row) const {
    return math_.summarize(row.data(), row.size());
  }
  double kl(const std::vector<float>& p, const std::vector<float>& q) const {
    return kl_divergence(p, summary(p), q, summary(q), math_);
  }
  const RowMath math_ = GetParam();
};

TEST_P(RowMathTest, LogSumAndMaximumEqualTheReferenceInDouble) {
  for (const std::size_t count : kCounts) {
    for (const float size : {1e-3f, 1.0f, 8.0f, 60.0f}) {
      SCOPED_TRACE("count=" + std::to_string(count) + " size=" + std::to_string(size));
      const auto row = normal_row(count, size, count);
      const RowSummary s = summary(row);
      EXPECT_EQ(s.max, *std::max_element(row.begin(), row.end()));
      EXPECT_EQ(s.argmax, std::max_element(row.begin(), row.end()) - row.begin());
      // exp is within 2^-22, the difference from the maximum within 2^-24 of what is at most 88,
      // and the terms with large differences are small: e^-x x 2^-24 < 2^-25.
      EXPECT_NEAR(double{s.max} + std::log(s.sum_exp), naive_log_sum(row), 3e-7);
      EXPECT_NEAR(log_probability(row, s, 0), double{row[0]} - naive_log_sum(row), 3e-7);
    }
  }
}

TEST_P(RowMathTest, ExponentialIsAccurateOverItsRange) {
  double worst = 0, bias = 0;
  constexpr int kSteps = 20'000;
  for (int i = 1; i <= kSteps; ++i) {
    const float x = -87.0f * static_cast<float>(i) / kSteps;
    std::vector<float> row(8, -200.0f);  // exp(-200) adds about 1e-38 a lane
    row[0] = 0;
    row[5] = x;
    const double found =
        math_.weighted_difference(row.data(), 0, std::vector<float>(8, 0).data(), 0, 8);
    const double expected = std::exp(double{x}) * double{x};
    const double error = std::abs(found / expected - 1);
    bias += (found / expected - 1) / kSteps;
    worst = std::max(worst, error);
  }
  EXPECT_LT(worst, 1e-6);  // asked for; exp itself stays within 2^-22 = 2.4e-7
  EXPECT_LT(worst, 2.5e-7 + 1.2e-7);
  EXPECT_LT(std::abs(bias), 2e-8);
}

TEST_P(RowMathTest, EqualLogitsGiveExactlyTheirCount) {
  for (const std::size_t count : kCounts) {
    const std::vector<float> row(count, -2.7f);
    EXPECT_EQ(summary(row).sum_exp, static_cast<double>(count));
    EXPECT_EQ(summary(row).argmax, 0);
  }
}

TEST_P(RowMathTest, TiesGoToTheLowestIndex) {
  for (const std::size_t count : {9u, 40u}) {
    for (std::size_t first = 0; first + 1 < count; ++first) {
      std::vector<float> row(count, -1.0f);
      row[first] = row[count - 1] = 5.0f;
      EXPECT_EQ(summary(row).argmax, static_cast<std::int32_t>(first));
    }
  }
}

TEST_P(RowMathTest, KlEqualsTheReferenceInDouble) {
  for (const std::size_t count : kCounts) {
    for (const float change : {1e-4f, 1e-2f, 1.0f, 10.0f}) {
      SCOPED_TRACE("count=" + std::to_string(count) + " change=" + std::to_string(change));
      const auto p = normal_row(count, 4.0f, count);
      auto q = normal_row(count, change, count + 1);
      for (std::size_t i = 0; i < count; ++i) q[i] += p[i];
      const double expected = naive_kl(p, q);
      // Two logarithms of sums within 3e-7, and a mean of differences within 2^-22 of their size.
      EXPECT_NEAR(kl(p, q), std::max(expected, 0.0), 6e-7 + 3e-7 * change * 5);
      EXPECT_GE(kl(p, q), 0.0);
      EXPECT_EQ(kl(p, p), 0.0);
    }
  }
}

TEST_P(RowMathTest, KlDoesNotSeeAShiftOfAllLogits) {
  const auto p = normal_row(1000, 2.0f, 1);
  auto q = p;
  for (float& x : q) x += 8.0f;  // rounds each logit by at most 2^-20
  EXPECT_LT(kl(p, q), 1e-7);
  EXPECT_NEAR(kl({0.0f, 0.0f}, {std::log(3.0f), 0.0f}), 0.5 * std::log(4.0 / 3.0), 1e-7);
}

TEST_P(RowMathTest, WhatIsNotFiniteShows) {
  for (const std::size_t count : {1u, 8u, 21u}) {
    for (std::size_t at = 0; at < count; ++at) {
      for (const float bad : {kNan, kInf}) {
        auto row = normal_row(count, 1.0f, 5);
        row[at] = bad;
        EXPECT_FALSE(std::isfinite(log_probability(row, summary(row), 0)))
            << "count=" << count << " at=" << at << " bad=" << bad;
      }
    }
  }
  const std::vector<float> none(9, -kInf);
  EXPECT_FALSE(std::isfinite(log_probability(none, summary(none), 0)));
}

TEST_P(RowMathTest, AMaskedTokenCountsNothing) {
  std::vector<float> p(16, -kInf), q(16, -kInf);
  for (std::size_t i : {2u, 3u, 9u}) p[i] = q[i] = static_cast<float>(i);
  q[3] = 4;
  std::vector<float> p_kept{2, 3, 9}, q_kept{2, 4, 9};
  EXPECT_NEAR(kl(p, q), naive_kl(p_kept, q_kept), 1e-7);
  q[9] = -kInf;  // the base allows what the other excludes
  EXPECT_EQ(kl(p, q), INFINITY);
}

INSTANTIATE_TEST_SUITE_P(Table,
                         RowMathTest,
                         testing::ValuesIn(rows_that_run_here()),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(RowMath, PicksTheFirstThatRuns) {
  EXPECT_TRUE(row_math().runs_here());
  EXPECT_EQ(row_math_table().back().name, "reference");
  EXPECT_TRUE(row_math_table().back().runs_here());
}

TEST(LogProbability, RefusesATargetOutsideTheRow) {
  const std::vector<float> row{1, 2};
  EXPECT_THROW(log_probability(row, RowSummary{2, 1, 1.0}, 2), InternalError);
  EXPECT_THROW(log_probability(row, RowSummary{2, 1, 1.0}, -1), InternalError);
}

}  // namespace
}  // namespace pith

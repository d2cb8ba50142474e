#include "pith/evaluation/statistics.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "pith/base/error.h"
#include "pith/base/random.h"

namespace pith {
namespace {

TEST(Statistics, ExampleOfTheCard) {
  std::vector<double> values{50, 12, 10, 13, 11};
  EXPECT_EQ(quantile(values, 0.5), 12);
  EXPECT_EQ(mean(values), 19.2);
  EXPECT_DOUBLE_EQ(quantile(values, 0.1), 10.4);
  EXPECT_DOUBLE_EQ(quantile(values, 0.9), 13 + 0.6 * 37);
  EXPECT_EQ(quantile(values, 0), 10);
  EXPECT_EQ(quantile(values, 1), 50);
}

TEST(Statistics, MedianOfAnEvenCountLiesBetweenTheMiddleTwo) {
  std::vector<float> values{4, 1, 3, 2};
  EXPECT_EQ(quantile(values, 0.5), 2.5);
  values = {7};
  EXPECT_EQ(quantile(values, 0.99), 7);
}

TEST(Statistics, QuantileEqualsThatOfSortedValues) {
  const Random random(3, 0);
  for (std::size_t count : {1u, 2u, 5u, 100u, 1001u}) {
    std::vector<float> values(count);
    for (std::size_t i = 0; i < count; ++i) values[i] = random.normal(i);
    std::vector<float> sorted = values;
    std::sort(sorted.begin(), sorted.end());
    for (double share : {0.0, 0.25, 0.5, 0.99}) {
      const double place = share * static_cast<double>(count - 1);
      const auto below = static_cast<std::size_t>(place);
      const double low = sorted[below], high = sorted[std::min(below + 1, count - 1)];
      EXPECT_DOUBLE_EQ(quantile(values, share),
                       low + (place - static_cast<double>(below)) * (high - low))
          << "count=" << count << " share=" << share;
    }
  }
}

TEST(Statistics, RefusesNothing) {
  EXPECT_THROW(mean({}), InternalError);
  EXPECT_THROW(quantile(std::span<float>{}, 0.5), InternalError);
}

}  // namespace
}  // namespace pith

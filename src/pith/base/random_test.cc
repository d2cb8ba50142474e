#include "pith/base/random.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "pith/base/error.h"
#include "pith/base/test_support.h"
#include "pith/base/threads.h"

namespace pith {
namespace {

using testing::ElementsAre;

// Random123 1.14, tests/kat_vectors, philox4x32 10: counter words 0..3 are (counter, stream), key
// words are the seed.
TEST(Random, EqualsTheKnownAnswersOfRandom123) {
  EXPECT_THAT(Random(0, 0).block(0), ElementsAre(0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8));
  const std::uint64_t ones = ~std::uint64_t{0};
  EXPECT_THAT(Random(ones, ones).block(ones),
              ElementsAre(0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd));
  const Random pi(0x299f31d0a4093822, 0x0370734413198a2e);
  EXPECT_THAT(pi.block(0x85a308d3243f6a88),
              ElementsAre(0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1));
}

TEST(Random, BitsAreTheWordsOfTheBlocks) {
  const Random random(7, 3);
  for (std::uint64_t i = 0; i < 9; ++i) EXPECT_EQ(random.bits(i), random.block(i / 4)[i % 4]);
}

TEST(Random, IsTheSameForAnyThreadCount) {
  constexpr std::size_t kCount = 10000;
  const Random random(5, stream_of("layers.0.q"));
  std::vector<float> one(kCount), many(kCount);
  for (std::size_t i = 0; i < kCount; ++i) one[i] = random.normal(i);
  const int before = num_threads();
  set_num_threads(3);
  parallel_for(kCount, 7, [&](std::size_t first, std::size_t last) {
    for (std::size_t i = first; i < last; ++i) many[i] = random.normal(i);
  });
  set_num_threads(before);
  EXPECT_EQ(one, many);
}

TEST(Random, SeedsAndStreamsDiffer) {
  std::set<std::uint32_t> first;
  for (std::uint64_t seed = 0; seed < 10; ++seed)
    for (std::uint64_t stream = 0; stream < 10; ++stream)
      first.insert(Random(seed, stream).bits(0));
  EXPECT_EQ(first.size(), 100u);
}

TEST(Random, UniformFillsTheInterval) {
  constexpr int kCount = 100000;
  const Random random(1, 0);
  double sum = 0, low = 1, high = 0;
  for (int i = 0; i < kCount; ++i) {
    const double x = random.uniform(i);
    sum += x;
    low = std::min(low, x);
    high = std::max(high, x);
  }
  EXPECT_NEAR(sum / kCount, 0.5, 5 * std::sqrt(1.0 / 12 / kCount));  // five standard errors
  EXPECT_GE(low, 0.0);
  EXPECT_LT(low, 20.0 / kCount);  // missed with probability e^-20
  EXPECT_LT(high, 1.0);
  EXPECT_GT(high, 1 - 20.0 / kCount);
}

TEST(Random, NormalHasTheMomentsOfTheGaussian) {
  constexpr int kCount = 200000;
  const Random random(2, 0);
  double sums[5]{}, neighbours = 0;
  for (int i = 0; i < kCount; ++i) {
    const double x = random.normal(i);
    for (int power = 1; power <= 4; ++power) sums[power] += std::pow(x, power);
    neighbours += x * random.normal(i + 1);
  }
  const double error = 5 / std::sqrt(kCount);  // five standard errors of a mean with variance 1
  EXPECT_NEAR(sums[1] / kCount, 0, error);
  EXPECT_NEAR(sums[2] / kCount, 1, error * std::sqrt(2.0));
  EXPECT_NEAR(sums[3] / kCount, 0, error * std::sqrt(15.0));
  EXPECT_NEAR(sums[4] / kCount, 3, error * std::sqrt(96.0));
  EXPECT_NEAR(neighbours / kCount, 0, error);
}

TEST(Random, BelowIsEvenAndInRange) {
  constexpr int kCount = 60000;
  const Random random(3, 0);
  std::array<int, 6> counts{};
  for (int i = 0; i < kCount; ++i) ++counts.at(random.below(i, 6));
  for (const int count : counts)
    EXPECT_NEAR(count, kCount / 6, 5 * std::sqrt(kCount / 6.0 * 5 / 6));
  for (int i = 0; i < 100; ++i) EXPECT_EQ(random.below(i, 1), 0u);
  bool above_half = false;
  for (int i = 0; i < 100; ++i)
    above_half |= random.below(i, ~std::uint64_t{0}) > (std::uint64_t{1} << 63);
  EXPECT_TRUE(above_half);
  EXPECT_THROW(random.below(0, 0), InternalError);
}

TEST(RandomPermutation, HoldsEachNumberOnce) {
  for (const std::size_t count : {0, 1, 2, 3, 100, 1000}) {
    auto order = random_permutation(count, Random(4, 0));
    std::sort(order.begin(), order.end());
    std::vector<std::uint32_t> expected(count);
    std::iota(expected.begin(), expected.end(), 0u);
    EXPECT_EQ(order, expected);
  }
}

TEST(RandomPermutation, AllOrdersAreEquallyLikely) {
  constexpr int kCount = 12000;
  std::map<std::vector<std::uint32_t>, int> counts;
  for (int seed = 0; seed < kCount; ++seed) ++counts[random_permutation(3, Random(seed, 0))];
  ASSERT_EQ(counts.size(), 6u);
  for (const auto& [order, count] : counts)
    EXPECT_NEAR(count, kCount / 6, 5 * std::sqrt(kCount / 6.0 * 5 / 6));
}

TEST(StreamOf, IsFnv1a) {
  EXPECT_EQ(stream_of(""), 0xcbf29ce484222325);
  EXPECT_EQ(stream_of("a"), 0xaf63dc4c8601ec8c);
  EXPECT_EQ(stream_of("foobar"), 0x85944171f73967e8);
}

}  // namespace
}  // namespace pith

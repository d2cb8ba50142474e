#include "pith/kernels/peak_loops.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <vector>

namespace pith {
namespace {

TEST(PeakLoops, EveryLoopThatRunsHereDoesItsRounds) {
  int ran = 0;
  for (const PeakLoop& loop : peak_loops()) {
    if (!loop.runs_here()) continue;
    SCOPED_TRACE(loop.name);
    ++ran;
    EXPECT_TRUE(std::isfinite(loop.run(100)));
    if (loop.name == "int8") {
      EXPECT_EQ(loop.run(10), 12 * 10 * 4.0F);  // chains, rounds, products of ones
    }
    if (loop.name == "bf16") {
      EXPECT_FLOAT_EQ(loop.run(10), 12 * 10 * 2 * 0.25F);
    }
    if (loop.name == "fp32") {
      EXPECT_GT(loop.run(100), 15.9F);  // x / 2 + 1 goes to 2 in every chain
    }
  }
  EXPECT_GE(ran, 1);
}

TEST(ReadAll, SumsEveryWord) {
  for (const std::size_t count : {0U, 1U, 3U, 4U, 15U, 16U, 17U, 1000U}) {
    std::vector<std::uint64_t> words(count);
    std::iota(words.begin(), words.end(), 1);
    EXPECT_EQ(read_all(words), count * (count + 1) / 2);
  }
}

}  // namespace
}  // namespace pith

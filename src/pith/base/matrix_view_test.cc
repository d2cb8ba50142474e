#include "pith/base/matrix_view.h"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

namespace pith {
namespace {

TEST(MatrixView, RowsAreStrideApart) {
  std::vector<int> data(12);
  std::iota(data.begin(), data.end(), 0);
  const MatrixView<int> view(data.data(), 3, 2, 4);
  EXPECT_EQ(view(2, 1), 9);
  EXPECT_EQ(view.row(1).size(), 2u);
  EXPECT_EQ(view.row(1)[0], 4);
  const MatrixView<const int> tail = view.rows_from(1, 2);
  EXPECT_EQ(tail.rows, 2u);
  EXPECT_EQ(tail(1, 0), 8);
  view(0, 0) = 7;
  EXPECT_EQ(data[0], 7);
  EXPECT_EQ(MatrixView<int>(data.data(), 3, 4)(1, 0), 4);
}

}  // namespace
}  // namespace pith

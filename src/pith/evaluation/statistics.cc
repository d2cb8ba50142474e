#include "pith/evaluation/statistics.h"

#include <algorithm>
#include <cstddef>
#include <numeric>

#include "pith/base/error.h"

namespace pith {
namespace {

template <class T>
double select_quantile(std::span<T> values, double share) {
  PITH_CHECK(!values.empty() && share >= 0 && share <= 1);
  const double place = share * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const auto nth = values.begin() + static_cast<std::ptrdiff_t>(below);
  std::nth_element(values.begin(), nth, values.end());
  const double low = *nth;
  if (below + 1 == values.size()) return low;
  const double high = *std::min_element(nth + 1, values.end());
  return low + (place - static_cast<double>(below)) * (high - low);
}

}  // namespace

double mean(std::span<const double> values) {
  PITH_CHECK(!values.empty());
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double quantile(std::span<double> values, double share) { return select_quantile(values, share); }
double quantile(std::span<float> values, double share) { return select_quantile(values, share); }

}  // namespace pith

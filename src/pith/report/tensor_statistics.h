// What the numbers of a tensor are like.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "pith/codec/quantize.h"
#include "pith/formats/safetensors.h"

namespace pith {

// Of all values: count, zeros, nans, infinities. The rest is of the finite ones, and 0 if there are
// none.
struct ValueStatistics {
  std::uint64_t count = 0, zeros = 0, nans = 0, infinities = 0;
  double min = 0, max = 0, mean = 0, mean_absolute = 0;
  double deviation = 0;            // sqrt(mean (x - mean)^2)
  std::optional<double> kurtosis;  // mean (x - mean)^4 / deviation^4: 3 for normal values, 1.8 for
                                   // uniform ones; none where all values are equal
  std::uint64_t outliers = 0;      // more than 6 deviations from the mean

  std::uint64_t finite() const { return count - nans - infinities; }
};

// Bins of equal width from `low` to `high`, each with its lower edge, the last with both: the range
// of the finite values, cut at 6 deviations from their mean, so that a single outlier does not
// flatten the picture. What lies outside is counted. One bin if all values are equal, none if none
// is finite.
struct Histogram {
  double low = 0, high = 0;
  std::vector<std::uint64_t> bins;
  std::uint64_t below = 0, above = 0;
};

struct TensorStatistics {
  ValueStatistics values;
  Histogram histogram;
};

// Reads the values three times, in pieces; the result does not depend on the number of threads.
TensorStatistics tensor_statistics(const WeightSource& values, std::size_t bins = 25);

// The elements of a tensor as they lie, [elements, 1]; shares the file. Types wider than f32 are
// rounded to it.
WeightSource source_of(const StoredTensor& tensor);

}  // namespace pith

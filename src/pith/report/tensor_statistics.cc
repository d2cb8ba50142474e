#include "pith/report/tensor_statistics.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "pith/base/error.h"
#include "pith/codec/float_convert.h"
#include "pith/report/row_pieces.h"

namespace pith {
namespace {

constexpr double kOutlierDeviations = 6;

// fold(part, values) over each piece of the values; the parts in the order of the rows.
template <class Part, class Fold>
std::vector<Part> parts_of(const WeightSource& source, const Part& empty, const Fold& fold) {
  return map_row_pieces(source.rows, source.cols, [&](const RowPiece& piece) {
    std::vector<float> values(piece.count * source.cols);
    source.read_rows(piece.first, piece.count, values);
    Part part = empty;
    fold(part, std::span<const float>(values));
    return part;
  });
}

struct Sums {
  std::uint64_t zeros = 0, nans = 0, infinities = 0;
  float min = std::numeric_limits<float>::infinity();
  float max = -std::numeric_limits<float>::infinity();
  double sum = 0, absolute = 0;
};

void add(Sums& sums, std::span<const float> values) {
  for (const float x : values) {
    if (!std::isfinite(x)) {
      ++(std::isnan(x) ? sums.nans : sums.infinities);
      continue;
    }
    sums.zeros += x == 0;
    sums.min = std::min(sums.min, x);
    sums.max = std::max(sums.max, x);
    sums.sum += static_cast<double>(x);
    sums.absolute += std::abs(static_cast<double>(x));
  }
}

ValueStatistics first_pass(const WeightSource& source) {
  Sums all;
  for (const Sums& part : parts_of(source, Sums{}, add)) {
    all.zeros += part.zeros;
    all.nans += part.nans;
    all.infinities += part.infinities;
    all.min = std::min(all.min, part.min);
    all.max = std::max(all.max, part.max);
    all.sum += part.sum;
    all.absolute += part.absolute;
  }
  ValueStatistics statistics;
  statistics.count = source.rows * source.cols;
  statistics.zeros = all.zeros;
  statistics.nans = all.nans;
  statistics.infinities = all.infinities;
  if (statistics.finite() == 0) return statistics;
  const auto count = static_cast<double>(statistics.finite());
  statistics.min = static_cast<double>(all.min);
  statistics.max = static_cast<double>(all.max);
  // equal values have exactly this mean, whatever the sum was rounded to
  statistics.mean = all.min == all.max ? statistics.min : all.sum / count;
  statistics.mean_absolute = all.absolute / count;
  return statistics;
}

struct Powers {
  double second = 0, fourth = 0;  // of the distances from the mean
};

void add_deviation(const WeightSource& source, ValueStatistics& statistics) {
  if (statistics.min == statistics.max) return;
  const double mean = statistics.mean;
  const auto add_powers = [mean](Powers& powers, std::span<const float> values) {
    for (const float x : values) {
      if (!std::isfinite(x)) continue;
      const double distance = static_cast<double>(x) - mean, square = distance * distance;
      powers.second += square;
      powers.fourth += square * square;
    }
  };
  Powers all;
  for (const Powers& part : parts_of(source, Powers{}, add_powers)) {
    all.second += part.second;
    all.fourth += part.fourth;
  }
  const auto count = static_cast<double>(statistics.finite());
  const double variance = all.second / count;
  statistics.deviation = std::sqrt(variance);
  // distances of subnormal numbers vanish in their fourth power
  const double square = variance * variance;
  if (square > 0) statistics.kurtosis = all.fourth / count / square;
}

Histogram histogram_of(const WeightSource& source,
                       const ValueStatistics& values,
                       std::size_t bins) {
  Histogram histogram;
  if (values.finite() == 0) return histogram;
  const double reach = kOutlierDeviations * values.deviation;
  histogram.low = std::max(values.min, values.mean - reach);
  histogram.high = std::min(values.max, values.mean + reach);
  const double width = histogram.high - histogram.low;
  histogram.bins.assign(width > 0 ? bins : 1, 0);
  const double scale = width > 0 ? static_cast<double>(bins) / width : 0;
  const auto count = [scale](Histogram& part, std::span<const float> piece) {
    for (const float x : piece) {
      if (!std::isfinite(x)) continue;
      const auto value = static_cast<double>(x);
      if (value < part.low) {
        ++part.below;
      } else if (value > part.high) {
        ++part.above;
      } else {
        const auto bin = static_cast<std::size_t>((value - part.low) * scale);
        ++part.bins[std::min(bin, part.bins.size() - 1)];
      }
    }
  };
  const Histogram empty = histogram;
  for (const Histogram& part : parts_of(source, empty, count)) {
    for (std::size_t b = 0; b < part.bins.size(); ++b) histogram.bins[b] += part.bins[b];
    histogram.below += part.below;
    histogram.above += part.above;
  }
  return histogram;
}

template <class T>
void widen(std::span<const std::byte> bytes, std::span<float> out) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    T value;
    std::memcpy(&value, bytes.data() + i * sizeof value, sizeof value);
    out[i] = static_cast<float>(value);
  }
}

void numbers_to_f32(DType dtype, std::span<const std::byte> bytes, std::span<float> out) {
  switch (dtype) {
    case DType::kBool:
    case DType::kU8:
      return widen<std::uint8_t>(bytes, out);
    case DType::kI8:
      return widen<std::int8_t>(bytes, out);
    case DType::kI16:
      return widen<std::int16_t>(bytes, out);
    case DType::kU16:
      return widen<std::uint16_t>(bytes, out);
    case DType::kI32:
      return widen<std::int32_t>(bytes, out);
    case DType::kU32:
      return widen<std::uint32_t>(bytes, out);
    case DType::kI64:
      return widen<std::int64_t>(bytes, out);
    case DType::kU64:
      return widen<std::uint64_t>(bytes, out);
    case DType::kF64:
      return widen<double>(bytes, out);
    case DType::kF8E5M2:
    case DType::kF8E4M3:
    case DType::kF16:
    case DType::kBF16:
    case DType::kF32:
      return to_f32(dtype, bytes, out);
  }
  throw InternalError("element type without a conversion");
}

}  // namespace

TensorStatistics tensor_statistics(const WeightSource& values, std::size_t bins) {
  PITH_CHECK(bins > 0);
  TensorStatistics statistics;
  statistics.values = first_pass(values);
  add_deviation(values, statistics.values);
  statistics.histogram = histogram_of(values, statistics.values, bins);
  statistics.values.outliers = statistics.histogram.below + statistics.histogram.above;
  return statistics;
}

WeightSource source_of(const StoredTensor& tensor) {
  const std::size_t width = size_of(tensor.spec.dtype);
  return {tensor.bytes.size() / width,
          1,
          [tensor, width](std::size_t first, std::size_t count, std::span<float> out) {
            numbers_to_f32(
                tensor.spec.dtype, tensor.bytes.subspan(first * width, count * width), out);
          }};
}

}  // namespace pith

#include "pith/conversion/encode_parameter.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstdint>
#include <vector>

#include "pith/base/error.h"
#include "pith/base/threads.h"
#include "pith/conversion/conversion_plan.h"

namespace pith {
namespace {

// 64 KiB of f32: stays in the second-level cache between decoding and looking at it.
constexpr std::size_t kPieceElements = std::size_t{1} << 14;

bool any_nonfinite(std::span<const float> values) {
  // Adding one to an exponent of all ones carries into the sign; without a branch it vectorizes.
  std::uint32_t seen = 0;
  for (const float value : values)
    seen |= (std::bit_cast<std::uint32_t>(value) & 0x7f800000u) + 0x00800000u;
  return (seen & 0x80000000u) != 0;
}

}  // namespace

NonfiniteCount count_nonfinite(const WeightSource& weight) {
  std::atomic<std::size_t> nan{0}, infinite{0};
  const std::size_t grain =
      std::max<std::size_t>(1, kPieceElements / std::max<std::size_t>(1, weight.cols));
  parallel_for(weight.rows, grain, [&](std::size_t first, std::size_t last) {
    std::vector<float> piece(grain * weight.cols);
    for (std::size_t row = first; row < last; row += grain) {
      const std::size_t count = std::min(grain, last - row);
      const std::span<float> values(piece.data(), count * weight.cols);
      weight.read_rows(row, count, values);
      if (!any_nonfinite(values)) continue;
      nan += static_cast<std::size_t>(
          std::ranges::count_if(values, [](float x) { return std::isnan(x); }));
      infinite += static_cast<std::size_t>(
          std::ranges::count_if(values, [](float x) { return std::isinf(x); }));
    }
  });
  return {nan, infinite};
}

void require_finite(const WeightSource& weight, const std::string& name) {
  const NonfiniteCount count = count_nonfinite(weight);
  if (count.nan + count.infinite == 0) return;
  fail<FormatError>(
      "{}: expected finite numbers, found {} NaN and {} infinite among {}; the file is damaged or "
      "training diverged",
      name,
      count.nan,
      count.infinite,
      weight.rows * weight.cols);
}

void require_finite_weights(const Checkpoint& model) {
  for (const Parameter& parameter : model.parameters())
    require_finite(source_of(model.load(parameter.name)), place_of(model, parameter));
}

EncodedParameter encode_parameter(const WeightSource& weight,
                                  const Encoding& encoding,
                                  const RoundOptions& round,
                                  const std::string& name,
                                  std::span<const float> importance) {
  EncodedParameter result;
  try {
    result.weight = encode(weight, encoding, round, importance);
  } catch (UserError& error) {
    require_finite(weight, name);  // a bad file is another kind of error than a bad option
    error.add_context(name);
    throw;
  }
  result.relative_error = relative_error(weight, result.weight);
  return result;
}

}  // namespace pith

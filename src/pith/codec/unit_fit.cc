#include "pith/codec/unit_fit.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "pith/base/error.h"
#include "pith/codec/float_convert.h"

namespace pith {
namespace {

// Beyond this multiple of the scale f32 no longer tells neighbouring values apart.
constexpr double kFinestStep = 0x1p-23;

float largest_magnitude(const ValueRange& range) { return std::max(-range.low, range.high); }

double affine_scale(float low, float high, int steps) {
  const float width = high - low;  // rounded, as other implementations have it
  const double exact = static_cast<double>(high) - static_cast<double>(low);
  return (std::isfinite(width) ? static_cast<double>(width) : exact) / steps;
}

// The f32 not beyond `value`: the extreme of a full range sits on a tie, which must not fall on the
// side of fewer codes.
double toward_zero(double value) {
  const float nearest = static_cast<float>(value);
  const bool beyond =
      value >= 0x1p-126 && static_cast<double>(nearest) > value && std::isfinite(nearest);
  return beyond ? static_cast<double>(std::nextafter(nearest, 0.0f)) : value;
}

}  // namespace

float round_scale(double value, DType dtype) {
  const float single = static_cast<float>(value);
  const bool small = std::fabs(value) < (dtype == DType::kF16 ? 0x1p-14 : 0x1p-126);
  const double magnitude = std::fabs(value);
  const auto rounded_up = [&](auto bits, auto widen) {
    if (small && std::fabs(static_cast<double>(widen(bits))) < magnitude) ++bits;
    return widen(bits);
  };
  switch (dtype) {
    case DType::kF16:
      return rounded_up(f32_to_f16(single), f16_to_f32);
    case DType::kBF16:
      return rounded_up(f32_to_bf16(single), bf16_to_f32);
    case DType::kF32:
      return rounded_up(std::bit_cast<std::uint32_t>(single),
                        [](std::uint32_t b) { return std::bit_cast<float>(b); });
    default:
      fail<InternalError>("scales of type {}", to_string(dtype));
  }
}

UnitRules::UnitRules(const GroupIntEncoding& encoding, const RoundOptions& options)
    : encoding_(encoding),
      options_(options),
      middle_(1 << (encoding.bits - 1)),
      lowest_(options.lowest_code),
      highest_((1 << encoding.bits) - 1) {
  const bool symmetric = encoding.zero_points == ZeroPoints::kNone;
  const bool free = options.affine_range == AffineRange::kFree;
  require(options.lowest_code == 0 || (options.lowest_code == 1 && encoding.bits > 1),
          "lowest code: expected 0, or 1 with at least 2 bits, found {} with {}",
          options.lowest_code,
          encoding.bits);
  require(!free || encoding.zero_points == ZeroPoints::kInt32,
          "affine range free: expected zero points int32, found {}; use range with-zero",
          to_string(encoding.zero_points));
  require(!free || !options.search_range,
          "affine range free: it cannot be searched; use range with-zero");
  require(!symmetric || options.symmetric_range != SymmetricRange::kAbsmax || encoding.bits > 1,
          "symmetric range absmax: expected at least 2 bits, found 1; use an affine encoding");
  require(
      !symmetric || options.symmetric_range != SymmetricRange::kSigned || options.lowest_code == 0,
      "symmetric range signed: it needs the lowest code; use range absmax");
}

UnitFit UnitRules::fit(const ValueRange& range) const {
  if (encoding_.zero_points == ZeroPoints::kNone) return fit_symmetric(range);
  return options_.affine_range == AffineRange::kFree ? fit_free(range) : fit_with_zero(range);
}

UnitFit UnitRules::fit_symmetric(const ValueRange& range) const {
  const double largest = largest_magnitude(range);
  if (largest == 0) return {1, middle_, 1};
  double exact = 0;
  switch (options_.symmetric_range) {
    case SymmetricRange::kAbsmax:
      exact = largest / (middle_ - 1);
      break;
    case SymmetricRange::kFull:
      exact = toward_zero(2 * largest / (highest_ - lowest_));
      break;
    case SymmetricRange::kSigned:  // the extreme gets the lowest code, whatever its sign
      exact = (range.high >= -range.low ? -largest : largest) / middle_;
      break;
  }
  return {round_scale(exact, encoding_.scale_dtype), middle_, exact};
}

UnitFit UnitRules::fit_with_zero(const ValueRange& range) const {
  const float low = std::min(range.low, 0.0f), high = std::max(range.high, 0.0f);
  if (low == high) return {1, lowest_, 1};
  const double exact = affine_scale(low, high, highest_ - lowest_);
  const float scale = round_scale(exact, encoding_.scale_dtype);
  const float zero = static_cast<float>(lowest_) - std::nearbyint(low / scale);
  const float bounded = std::clamp(zero, static_cast<float>(lowest_), static_cast<float>(highest_));
  return {scale, static_cast<std::int32_t>(bounded), exact};
}

UnitFit UnitRules::fit_free(const ValueRange& range) const {
  if (range.low == range.high) {
    const int zero =
        encoding_.bits == 1 && range.low > 0 ? 0 : middle_;  // leaves room for the code beside it
    const double exact = range.low == 0 ? 1 : std::fabs(range.low);
    return {round_scale(exact, encoding_.scale_dtype), zero, exact};
  }
  const double finest = kFinestStep * std::max(std::fabs(range.low), std::fabs(range.high));
  const double exact = std::max(affine_scale(range.low, range.high, highest_ - lowest_), finest);
  const float scale = round_scale(exact, encoding_.scale_dtype);
  const double zero = std::nearbyint(lowest_ - static_cast<double>(range.low) / scale);
  return {scale, static_cast<std::int32_t>(zero), exact};
}

UnitRound UnitRules::rounding(const UnitFit& fit) const {
  return {fit.scale,
          static_cast<float>(fit.zero),
          static_cast<float>(lowest_),
          static_cast<float>(highest_)};
}

UnitRules::Candidates UnitRules::candidates(const ValueRange& range) const {
  Candidates fits;
  for (std::size_t i = 0; i < kShrinkSteps; ++i) {
    const float p = static_cast<float>(1 - static_cast<double>(i) / 100);
    fits[i] = fit({range.low * p, range.high * p, true});
  }
  return fits;
}

void UnitRules::add_errors(std::span<const float> x,
                           const ValueRange& range,
                           const Candidates& fits,
                           Errors& errors) const {
  const float inverse = 1 / largest_magnitude(range);  // keeps the power inside f32
  if (!std::isfinite(inverse)) return;                 // zeros, or too small to be worth a search
  for (std::size_t i = 0; i < kShrinkSteps; ++i)
    errors[i] += static_cast<double>(
        vector_ops().power_error(x.data(), x.size(), rounding(fits[i]), inverse));
}

UnitFit UnitRules::best(const Candidates& fits, const Errors& errors) const {
  std::size_t chosen = 0;
  for (std::size_t i = 1; i < kShrinkSteps; ++i)
    if (errors[i] < errors[chosen]) chosen = i;
  return fits[chosen];
}

UnitFit UnitRules::fit_values(std::span<const float> x, const ValueRange& range) const {
  if (!searches()) return fit(range);
  const Candidates fits = candidates(range);
  Errors errors{};
  add_errors(x, range, fits, errors);
  return best(fits, errors);
}

void UnitRules::round(std::span<const float> x, const UnitFit& fit, std::uint8_t* codes) const {
  const bool free =
      encoding_.zero_points == ZeroPoints::kInt32 && options_.affine_range == AffineRange::kFree;
  if (!free) return vector_ops().round_codes(x.data(), x.size(), rounding(fit), codes);
  // Zero points may be millions: in double, and added before rounding (card 4, algorithm A). For
  // norms and biases.
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double code = std::nearbyint(static_cast<double>(x[i]) / fit.scale + fit.zero);
    codes[i] = static_cast<std::uint8_t>(code > lowest_ ? std::min<double>(code, highest_)
                                                        : lowest_);  // NaN: lowest
  }
}

}  // namespace pith

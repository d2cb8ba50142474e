// Rotary frequencies of all scaling kinds. Source: formats.md 2.4; transformers'
// modeling_rope_utils.py.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "pith/base/error.h"
#include "pith/formats/spec.h"

namespace pith {
namespace {

std::vector<double> plain_frequencies(double theta, std::int64_t qk_dim) {
  std::vector<double> frequencies(static_cast<std::size_t>(qk_dim / 2));
  for (std::size_t j = 0; j < frequencies.size(); ++j)
    frequencies[j] = std::pow(theta, -2.0 * static_cast<double>(j) / static_cast<double>(qk_dim));
  return frequencies;
}

// NTK-aware scaling: theta grows with the part of the sequence beyond the context.
double dynamic_theta(const RopeSpec& rope,
                     std::int64_t qk_dim,
                     std::int64_t context,
                     std::int64_t length) {
  const std::int64_t trained = rope.original_context.value_or(context);
  const double stretch =
      static_cast<double>(std::max(length, trained)) / static_cast<double>(trained);
  const double width = static_cast<double>(qk_dim);
  return rope.theta * std::pow(rope.factor * stretch - (rope.factor - 1), width / (width - 2));
}

double yarn_magnitude(double factor, double scale) {
  return factor <= 1 ? 1.0 : 0.1 * scale * std::log(factor) + 1.0;
}

double yarn_attention_factor(const RopeSpec& rope) {
  if (rope.attention_factor) return *rope.attention_factor;
  // transformers takes 0 as absent here
  if (rope.mscale.value_or(0) != 0 && rope.mscale_all_dim.value_or(0) != 0)
    return yarn_magnitude(rope.factor, *rope.mscale) /
           yarn_magnitude(rope.factor, *rope.mscale_all_dim);
  return yarn_magnitude(rope.factor, 1);
}

// Frequencies that turn often within the trained context stay, slow ones are interpolated, with a
// ramp between.
void apply_yarn(const RopeSpec& rope,
                double width,
                double context,
                std::vector<double>& frequencies) {
  const auto dimension_of = [&](double rotations) {
    return width * std::log(context / (rotations * 2 * std::numbers::pi)) /
           (2 * std::log(rope.theta));
  };
  double low = dimension_of(rope.beta_fast);
  double high = dimension_of(rope.beta_slow);
  if (rope.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, width - 1);
  if (low == high) high += 0.001;  // as transformers: no division by zero
  for (std::size_t j = 0; j < frequencies.size(); ++j) {
    const double ramp = std::clamp((static_cast<double>(j) - low) / (high - low), 0.0, 1.0);
    frequencies[j] = frequencies[j] / rope.factor * ramp + frequencies[j] * (1 - ramp);
  }
}

}  // namespace

double llama3_divisor(const RopeSpec& rope, double original_context, double wavelength) {
  if (wavelength < original_context / rope.high_freq_factor) return 1;
  if (wavelength > original_context / rope.low_freq_factor) return rope.factor;
  const double smooth = (original_context / wavelength - rope.low_freq_factor) /
                        (rope.high_freq_factor - rope.low_freq_factor);
  return 1 / ((1 - smooth) / rope.factor + smooth);
}

RopeFrequencies rope_frequencies(const RopeSpec& rope,
                                 std::int64_t qk_dim,
                                 std::int64_t context,
                                 std::int64_t length) {
  PITH_CHECK(qk_dim > 0 && qk_dim % 2 == 0);
  const double trained = static_cast<double>(rope.original_context.value_or(context));
  RopeFrequencies result{plain_frequencies(rope.theta, qk_dim), 1.0};
  switch (rope.scaling) {
    case RopeScalingKind::kNone:
      break;
    case RopeScalingKind::kLinear:
      for (double& frequency : result.inv_freq) frequency /= rope.factor;
      break;
    case RopeScalingKind::kDynamic:
      result.inv_freq = plain_frequencies(dynamic_theta(rope, qk_dim, context, length), qk_dim);
      break;
    case RopeScalingKind::kLlama3:
      for (double& frequency : result.inv_freq)
        frequency /= llama3_divisor(rope, trained, 2 * std::numbers::pi / frequency);
      break;
    case RopeScalingKind::kYarn:
      apply_yarn(rope, static_cast<double>(qk_dim), trained, result.inv_freq);
      result.attention_factor = yarn_attention_factor(rope);
      break;
  }
  return result;
}

}  // namespace pith

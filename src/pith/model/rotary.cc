#include "pith/model/rotary.h"

#include <ATen/ATen.h>

#include <cmath>

#include "pith/model/tensor_bridge.h"

namespace pith {

RotaryTable rotary_table(const DecoderSpec& spec,
                         std::int64_t qk_dim,
                         std::int64_t first,
                         std::int64_t count,
                         std::int64_t length) {
  const RopeFrequencies frequencies = rope_frequencies(spec.rope, qk_dim, spec.context, length);
  const auto half = static_cast<std::int64_t>(frequencies.inv_freq.size());
  RotaryTable table{at::empty({count, half}, at::kFloat), at::empty({count, half}, at::kFloat)};
  const auto cos = float_span(table.cos), sin = float_span(table.sin);
  const auto scale = static_cast<float>(frequencies.attention_factor);
  for (std::int64_t t = 0; t < count; ++t)
    for (std::int64_t j = 0; j < half; ++j) {
      // Products in f32, as the models were trained: at position 2048 the angle's rounding is 1e-4.
      const float angle = static_cast<float>(first + t) *
                          static_cast<float>(frequencies.inv_freq[static_cast<std::size_t>(j)]);
      const auto i = static_cast<std::size_t>(t * half + j);
      cos[i] = std::cos(angle) * scale;
      sin[i] = std::sin(angle) * scale;
    }
  return table;
}

at::Tensor rotate(const at::Tensor& x, const RotaryTable& table) {
  const std::int64_t half = table.cos.size(1);
  const at::Tensor low = x.narrow(-1, 0, half);      // [B, H, T, d/2]
  const at::Tensor high = x.narrow(-1, half, half);  // [B, H, T, d/2]
  return at::cat({low * table.cos - high * table.sin, high * table.cos + low * table.sin}, -1);
}

}  // namespace pith

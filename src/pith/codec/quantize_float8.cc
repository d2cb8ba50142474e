#include <algorithm>
#include <cstring>
#include <vector>

#include "pith/codec/float_convert.h"
#include "pith/codec/quantize.h"
#include "pith/codec/unit_fit.h"
#include "pith/codec/vector_ops.h"
#include "pith/codec/weight_chunks.h"

namespace pith {
namespace {

// Largest magnitude; 0 and a note in `problems` if any value is NaN or infinite.
float checked_magnitude(std::span<const float> x, WeightProblems& problems) {
  const ValueRange range = vector_ops().range(x.data(), x.size());
  if (range.finite) return std::max(-range.low, range.high);
  problems.add_nonfinite(count_nonfinite(x));
  return 0;
}

float tensor_magnitude(const WeightSource& weight, WeightProblems& problems) {
  std::vector<float> parts(num_chunks(weight));
  for_each_chunk(weight, [&](const WeightChunk& c) {
    parts[c.index] = checked_magnitude(c.values, problems);
  });
  return std::ranges::max(parts);
}

}  // namespace

PackedMatrix quantize_float8(const WeightSource& weight, const Float8Encoding& encoding) {
  std::vector<OwnedBuffer> buffers = allocate_buffers(encoding, weight);
  WeightProblems problems(weight);
  const float largest_code = encoding.format == DType::kF8E4M3 ? 448.0f : 57344.0f;
  const auto scale_for = [&](float magnitude) {
    return magnitude == 0 ? 1.0f
                          : round_scale(magnitude / static_cast<double>(largest_code), DType::kF32);
  };
  const bool by_row = encoding.granularity == Granularity::kRow;
  const float tensor_scale = by_row ? 0 : scale_for(tensor_magnitude(weight, problems));
  if (!by_row) std::memcpy(buffers[1].writable.data(), &tensor_scale, sizeof tensor_scale);

  for_each_chunk(weight, [&](const WeightChunk& chunk) {
    std::vector<float> scaled(weight.cols);
    for (std::size_t r = 0; r < chunk.count; ++r) {
      const std::size_t row = chunk.first + r;
      const std::span<const float> x = chunk.values.subspan(r * weight.cols, weight.cols);
      const float scale = by_row ? scale_for(checked_magnitude(x, problems)) : tensor_scale;
      if (by_row)
        std::memcpy(buffers[1].writable.data() + row * sizeof scale, &scale, sizeof scale);
      std::ranges::transform(x, scaled.begin(), [scale](float value) { return value / scale; });
      from_f32(
          encoding.format, scaled, buffers[0].writable.subspan(row * weight.cols, weight.cols));
    }
  });
  problems.throw_if_any(DType::kF32, "");
  return finish(encoding, weight, std::move(buffers));
}

}  // namespace pith

#include <algorithm>
#include <cmath>
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

// The weights that share a scale: `rows` x `cols` of them at a time.
struct Tiles {
  std::size_t rows = 1, cols = 1;
  std::size_t across = 1;  // tiles side by side
};

Tiles tiles_of(const Float8Encoding& encoding, const WeightSource& weight) {
  switch (encoding.granularity) {
    case Granularity::kTensor:
      return {weight.rows, weight.cols, 1};
    case Granularity::kRow:
      return {1, weight.cols, 1};
    case Granularity::kGroup:
      break;
  }
  return {encoding.block, encoding.block, (weight.cols + encoding.block - 1) / encoding.block};
}

// The largest magnitude in each tile, row of tiles after row of tiles. Each row of weights has
// its own place until all are there, so that threads do not meet.
std::vector<float> tile_magnitudes(const WeightSource& weight,
                                   const Tiles& tiles,
                                   WeightProblems& problems) {
  std::vector<float> by_row(weight.rows * tiles.across);
  for_each_chunk(weight, [&](const WeightChunk& chunk) {
    for (std::size_t r = 0; r < chunk.count; ++r)
      for (std::size_t t = 0, c = 0; t < tiles.across; ++t, c += tiles.cols)
        by_row[(chunk.first + r) * tiles.across + t] = checked_magnitude(
            chunk.values.subspan(r * weight.cols + c, std::min(tiles.cols, weight.cols - c)),
            problems);
  });
  std::vector<float> magnitudes((weight.rows + tiles.rows - 1) / tiles.rows * tiles.across);
  for (std::size_t i = 0; i < by_row.size(); ++i) {
    float& tile = magnitudes[i / tiles.across / tiles.rows * tiles.across + i % tiles.across];
    tile = std::max(tile, by_row[i]);
  }
  return magnitudes;
}

}  // namespace

PackedMatrix quantize_float8(const WeightSource& weight, const Float8Encoding& encoding) {
  std::vector<OwnedBuffer> buffers = allocate_buffers(encoding, weight);
  WeightProblems problems(weight);
  const float largest_code = encoding.format == DType::kF8E4M3 ? 448.0f : 57344.0f;
  const Tiles tiles = tiles_of(encoding, weight);
  std::vector<float> scales = tile_magnitudes(weight, tiles, problems);
  for (std::size_t i = 0; i < scales.size(); ++i) {
    const double exact = scales[i] == 0 ? 1.0 : scales[i] / static_cast<double>(largest_code);
    scales[i] = round_scale(exact, encoding.scale_dtype);
    if (std::isinf(scales[i])) problems.add_overflow(i, exact);
  }
  from_f32(encoding.scale_dtype, scales, buffers[1].writable);

  for_each_chunk(weight, [&](const WeightChunk& chunk) {
    std::vector<float> scaled(weight.cols);
    for (std::size_t r = 0; r < chunk.count; ++r) {
      const std::size_t row = chunk.first + r;
      const float* x = chunk.values.data() + r * weight.cols;
      const float* scale = scales.data() + row / tiles.rows * tiles.across;
      for (std::size_t t = 0, c = 0; t < tiles.across; ++t)
        for (const std::size_t end = std::min(c + tiles.cols, weight.cols); c < end; ++c)
          scaled[c] = x[c] / scale[t];
      from_f32(
          encoding.format, scaled, buffers[0].writable.subspan(row * weight.cols, weight.cols));
    }
  });
  problems.throw_if_any(encoding.scale_dtype, "store scales as f32 or bf16");
  return finish(encoding, weight, std::move(buffers));
}

}  // namespace pith

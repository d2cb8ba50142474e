#include "pith/codec/quantize.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <vector>

#include "pith/base/error.h"
#include "pith/codec/float_convert.h"
#include "pith/codec/ggml_blocks.h"
#include "pith/codec/unit_fit.h"
#include "pith/codec/vector_ops.h"
#include "pith/codec/weight_chunks.h"

namespace pith {
namespace {

struct Encode {
  const WeightSource& weight;
  const RoundOptions& options;
  std::span<const float> importance;

  PackedMatrix operator()(const DenseEncoding& e) const { return pack_dense(weight, e.dtype); }
  PackedMatrix operator()(const Float8Encoding& e) const { return quantize_float8(weight, e); }
  PackedMatrix operator()(const GroupIntEncoding& e) const {
    return quantize_group_int(weight, e, options);
  }
  PackedMatrix operator()(const CodebookEncoding& e) const { return quantize_codebook(weight, e); }
  PackedMatrix operator()(const GgmlEncoding& e) const {
    return quantize_ggml(weight, e, importance);
  }
};

// How many values a float type turns into infinity.
std::size_t count_overflows(std::span<const float> values, DType dtype) {
  if (dtype == DType::kF32) return 0;
  const ValueRange range = vector_ops().range(values.data(), values.size());
  const float largest = std::max(-range.low, range.high);
  const auto overflows = [dtype](float x) {
    return std::isinf(dtype == DType::kF16 ? f16_to_f32(f32_to_f16(x))
                                           : bf16_to_f32(f32_to_bf16(x)));
  };
  if (!overflows(largest)) return 0;
  return static_cast<std::size_t>(std::ranges::count_if(values, overflows));
}

void require_writable(GgmlType type) {
  if (ggml_is_writable(type)) return;
  std::string names;
  for (const auto& [writable, name] : kGgmlTypeNames)
    if (ggml_is_writable(writable)) names += fmt::format("{}{}", names.empty() ? "" : ", ", name);
  fail<UserError>(
      "{} encoding: can be read but not written; use one of {}", to_string(type), names);
}

// Beyond, products of importance and squares of weights overflow.
constexpr float kLargestImportance = 1e15f;

void check_importance(std::span<const float> importance, const WeightSource& weight) {
  if (importance.empty()) return;
  require(importance.size() == weight.cols,
          "weight [{}, {}]: expected importance for {} columns, found it for {}",
          weight.rows,
          weight.cols,
          weight.cols,
          importance.size());
  for (std::size_t c = 0; c < importance.size(); ++c)
    require(importance[c] >= 0 && importance[c] <= kLargestImportance,
            "weight [{}, {}]: expected importance from 0 to 1e15, found {:.6g} for column {}",
            weight.rows,
            weight.cols,
            importance[c],
            c);
}

// Returns how many blocks are beyond f16. With importance a row at a time: its statistics count.
std::size_t quantize_chunk(GgmlType type,
                           const WeightChunk& chunk,
                           std::span<const float> importance,
                           std::byte* out) {
  const std::size_t parts = importance.empty() ? 1 : chunk.count;
  const std::size_t size = chunk.values.size() / parts;
  const std::size_t blocks = size / ggml_block_elements(type);
  std::size_t overflows = 0;
  for (std::size_t p = 0; p < parts; ++p)
    overflows += vector_ops().quantize_ggml(type,
                                            chunk.values.data() + p * size,
                                            blocks,
                                            importance,
                                            out + p * blocks * ggml_block_bytes(type));
  return overflows;
}

}  // namespace

WeightSource source_of(MatrixView<const float> weight) {
  const auto read_rows = [weight](std::size_t first, std::size_t count, std::span<float> out) {
    for (std::size_t r = 0; r < count; ++r)
      std::memcpy(
          out.data() + r * weight.cols, weight.row(first + r).data(), weight.cols * sizeof(float));
  };
  return {weight.rows, weight.cols, read_rows};
}

WeightSource source_of(const PackedMatrix& weight) {
  const auto shared = std::make_shared<const PackedMatrix>(weight);
  const auto read_rows = [shared](std::size_t first, std::size_t count, std::span<float> out) {
    shared->dequantize_rows(first, count, out);
  };
  return {weight.rows(), weight.cols(), read_rows};
}

PackedMatrix pack_dense(const WeightSource& weight, DType dtype) {
  const DenseEncoding encoding{dtype};
  std::vector<OwnedBuffer> buffers = allocate_buffers(encoding, weight);
  WeightProblems problems(weight);
  std::atomic<std::size_t> overflows = 0;
  const std::size_t row_bytes = weight.cols * size_of(dtype);
  for_each_chunk(weight, [&](const WeightChunk& chunk) {
    if (vector_ops().range(chunk.values.data(), chunk.values.size()).finite)
      overflows += count_overflows(chunk.values, dtype);
    else
      problems.add_nonfinite(count_nonfinite(chunk.values));
    from_f32(dtype,
             chunk.values,
             buffers[0].writable.subspan(chunk.first * row_bytes, chunk.count * row_bytes));
  });
  problems.throw_if_any(dtype, "");
  require(overflows == 0,
          "weight [{}, {}]: {} values overflow {}; {}",
          weight.rows,
          weight.cols,
          overflows.load(),
          to_string(dtype),
          dtype == DType::kF16 ? "use bf16 or f32" : "use f32");
  return finish(encoding, weight, std::move(buffers));
}

PackedMatrix quantize_ggml(const WeightSource& weight,
                           const GgmlEncoding& encoding,
                           std::span<const float> importance) {
  require_writable(encoding.type);
  check_importance(importance, weight);
  std::vector<OwnedBuffer> buffers = allocate_buffers(encoding, weight);
  WeightProblems problems(weight);
  std::atomic<std::size_t> overflows = 0;
  const std::size_t row_bytes =
      weight.cols / ggml_block_elements(encoding.type) * ggml_block_bytes(encoding.type);
  for_each_chunk(weight, [&](const WeightChunk& chunk) {
    if (!vector_ops().range(chunk.values.data(), chunk.values.size()).finite)
      return problems.add_nonfinite(count_nonfinite(chunk.values));
    std::byte* out = buffers[0].writable.data() + chunk.first * row_bytes;
    overflows += quantize_chunk(encoding.type, chunk, importance, out);
  });
  problems.throw_if_any(DType::kF16, "");
  require(overflows == 0,
          "weight [{}, {}]: {} blocks need a scale or minimum beyond the largest f16, 65504, which "
          "{} stores; use an int "
          "encoding with f32 scales",
          weight.rows,
          weight.cols,
          overflows.load(),
          to_string(encoding.type));
  return finish(encoding, weight, std::move(buffers));
}

PackedMatrix encode(const WeightSource& weight,
                    const Encoding& encoding,
                    const RoundOptions& options,
                    std::span<const float> importance) {
  return std::visit(Encode{weight, options, importance}, encoding);
}

double relative_error(const WeightSource& weight, const PackedMatrix& packed) {
  require(weight.rows == packed.rows() && weight.cols == packed.cols(),
          "relative error: expected a weight [{}, {}], found [{}, {}]",
          weight.rows,
          weight.cols,
          packed.rows(),
          packed.cols());
  std::vector<SquareSums> parts(num_chunks(weight));
  for_each_chunk(weight, [&](const WeightChunk& chunk) {
    std::vector<float> decoded(chunk.values.size());
    packed.dequantize_rows(chunk.first, chunk.count, decoded);
    parts[chunk.index] =
        vector_ops().square_sums(chunk.values.data(), decoded.data(), decoded.size());
  });
  SquareSums sum;
  for (const SquareSums& part : parts) {  // in the order of rows, whatever thread made them
    sum.error += part.error;
    sum.total += part.total;
  }
  return sum.error == 0 ? 0 : std::sqrt(sum.error / sum.total);
}

}  // namespace pith

#include "pith/codec/weight_chunks.h"

#include <algorithm>
#include <bit>
#include <memory>

#include "pith/base/error.h"
#include "pith/base/threads.h"

namespace pith {
namespace {

// 64 KiB of f32: with its codes well inside a second-level cache, and below malloc's threshold for
// fresh pages.
constexpr std::size_t kChunkElements = (std::size_t{1} << 14) - 64;

}  // namespace

std::size_t chunk_rows(const WeightSource& weight) {
  return std::max<std::size_t>(1, kChunkElements / std::max<std::size_t>(1, weight.cols));
}

std::size_t num_chunks(const WeightSource& weight) {
  const std::size_t step = chunk_rows(weight);
  return (weight.rows + step - 1) / step;
}

void for_each_chunk(const WeightSource& weight,
                    const std::function<void(const WeightChunk&)>& body) {
  const std::size_t step = chunk_rows(weight);
  parallel_for(weight.rows, step, [&](std::size_t first, std::size_t last) {
    const auto values =
        std::make_unique_for_overwrite<float[]>(std::min(step, last - first) * weight.cols);
    for (std::size_t r = first; r < last; r += step) {
      const std::size_t count = std::min(step, last - r);
      const std::span<float> rows(values.get(), count * weight.cols);
      weight.read_rows(r, count, rows);
      body({r / step, r, count, rows});
    }
  });
}

std::size_t count_nonfinite(std::span<const float> values) {
  return static_cast<std::size_t>(std::ranges::count_if(values, [](float x) {
    return (std::bit_cast<std::uint32_t>(x) & 0x7f800000u) == 0x7f800000u;
  }));
}

void WeightProblems::add_overflow(std::size_t unit, double scale) {
  ++overflows_;
  const std::lock_guard lock(mutex_);
  if (!first_overflow_ || unit < first_overflow_->unit) first_overflow_ = {unit, scale};
}

void WeightProblems::throw_if_any(DType scale_dtype, const std::string& remedy) const {
  require(nonfinite_ == 0,
          "weight [{}, {}]: expected finite values, found {} that are NaN or infinite; repair the "
          "checkpoint or leave "
          "this weight out",
          rows_,
          cols_,
          nonfinite_.load());
  if (!first_overflow_) return;
  fail<UserError>(
      "weight [{}, {}]: {} scales overflow {} (the first, of unit {}, would be {:.6g}); {}",
      rows_,
      cols_,
      overflows_.load(),
      to_string(scale_dtype),
      first_overflow_->unit,
      first_overflow_->scale,
      remedy);
}

std::vector<OwnedBuffer> allocate_buffers(const Encoding& encoding, const WeightSource& weight) {
  std::vector<OwnedBuffer> buffers;
  for (BufferSpec& spec : buffer_specs(encoding, weight.rows, weight.cols))
    buffers.push_back(allocate_buffer(std::move(spec)));
  return buffers;
}

PackedMatrix finish(const Encoding& encoding,
                    const WeightSource& weight,
                    std::vector<OwnedBuffer> buffers) {
  std::vector<Buffer> readable;
  for (OwnedBuffer& b : buffers) readable.push_back(std::move(b.buffer));
  return {encoding, weight.rows, weight.cols, std::move(readable)};
}

}  // namespace pith

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <numeric>
#include <vector>

#include "pith/base/threads.h"
#include "pith/codec/quantize.h"
#include "pith/codec/vector_ops.h"
#include "pith/codec/weight_chunks.h"

namespace pith {
namespace {

constexpr std::size_t kAbsmaxBlock = 256;  // absmax values a second-level scale serves
constexpr float kSmallestAbsmax = 1e-38f;  // keeps the inverse finite; quantization card 11
constexpr std::size_t kTaskElements = 1 << 15;

std::size_t round_up(std::size_t a, std::size_t step) { return (a + step - 1) / step * step; }

// Codes the blocks that begin in rows [first, last): whole blocks, so it may read into the rows
// after.
class BlockEncoder {
 public:
  BlockEncoder(const WeightSource& weight,
               const CodebookEncoding& encoding,
               std::span<std::byte> codes,
               std::span<float> absmax,
               WeightProblems& problems)
      : weight_(weight), encoding_(encoding), codes_(codes), absmax_(absmax), problems_(problems) {}

  void encode_rows(std::size_t first, std::size_t last) const {
    const std::size_t total = weight_.rows * weight_.cols;
    const std::size_t begin = round_up(first * weight_.cols, encoding_.block_size);
    const std::size_t end = std::min(total, round_up(last * weight_.cols, encoding_.block_size));
    if (begin >= end) return;
    const std::size_t first_row = begin / weight_.cols;
    const std::size_t num_rows = (end + weight_.cols - 1) / weight_.cols - first_row;
    const auto values = std::make_unique_for_overwrite<float[]>(num_rows * weight_.cols);
    weight_.read_rows(first_row, num_rows, {values.get(), num_rows * weight_.cols});
    const float* x = values.get() + (begin - first_row * weight_.cols);
    std::vector<std::uint8_t> codes(encoding_.block_size);
    for (std::size_t i = begin; i < end; i += encoding_.block_size)
      encode_block(i, {x + (i - begin), std::min(encoding_.block_size, end - i)}, codes);
  }

 private:
  void encode_block(std::size_t begin,
                    std::span<const float> x,
                    std::span<std::uint8_t> codes) const {
    const ValueRange range = vector_ops().range(x.data(), x.size());
    if (!range.finite) return problems_.add_nonfinite(count_nonfinite(x));
    const float largest = std::max(-range.low, range.high);
    absmax_[begin / encoding_.block_size] = largest;
    vector_ops().encode_codebook(encoding_.table,
                                 x.data(),
                                 x.size(),
                                 1.0f / std::max(largest, kSmallestAbsmax),
                                 codes.data());
    vector_ops().pack_high_first(codes.data(), x.size(), codes_.data() + begin / 2);
  }

  const WeightSource& weight_;
  const CodebookEncoding& encoding_;
  std::span<std::byte> codes_;
  std::span<float> absmax_;
  WeightProblems& problems_;
};

std::vector<float> encode_blocks(const WeightSource& weight,
                                 const CodebookEncoding& encoding,
                                 std::size_t blocks,
                                 std::span<std::byte> codes) {
  std::vector<float> absmax(blocks);
  WeightProblems problems(weight);
  const BlockEncoder encoder(weight, encoding, codes, absmax, problems);
  // Tasks several rows high, so that rows read twice, where a block crosses into the next task, are
  // few.
  const std::size_t step = std::max<std::size_t>(weight.cols % encoding.block_size == 0 ? 1 : 4,
                                                 kTaskElements / weight.cols);
  parallel_for(weight.rows, step, [&](std::size_t first, std::size_t last) {
    for (std::size_t r = first; r < last; r += step)
      encoder.encode_rows(r, std::min(last, r + step));
  });
  problems.throw_if_any(DType::kF32, "");
  return absmax;
}

// The nearest value of the dynamic map; the lower one of two as near.
std::uint8_t nearest_dynamic(float x) {
  const std::span<const float, 256> map = dynamic_map();
  const std::size_t upper =
      static_cast<std::size_t>(std::ranges::lower_bound(map, x) - map.begin());
  if (upper == 0) return 0;
  if (upper == map.size()) return 255;
  const bool up = std::fabs(map[upper] - x) < std::fabs(x - map[upper - 1]);
  return static_cast<std::uint8_t>(up ? upper : upper - 1);
}

// Codes of the differences from the mean; returns their scale.
float quantize_absmax(std::span<const float> absmax, float mean, std::span<std::byte> codes) {
  float scale = 0;
  for (const float a : absmax) scale = std::max(scale, std::fabs(a - mean));
  const float inverse = 1.0f / std::max(scale, kSmallestAbsmax);
  for (std::size_t i = 0; i < absmax.size(); ++i)
    codes[i] = std::byte{nearest_dynamic((absmax[i] - mean) * inverse)};
  return scale;
}

// buffers: codes, absmax U8, absmax_scales F32, absmax_mean F32.
void double_quantize(std::span<const float> absmax, std::span<OwnedBuffer> buffers) {
  const double sum = std::accumulate(absmax.begin(), absmax.end(), 0.0);
  const float mean = static_cast<float>(sum / static_cast<double>(absmax.size()));
  std::memcpy(buffers[3].writable.data(), &mean, sizeof mean);
  parallel_for(absmax.size(), kAbsmaxBlock, [&](std::size_t first, std::size_t last) {
    for (std::size_t b = first; b < last; b += kAbsmaxBlock) {
      const std::span<const float> block = absmax.subspan(b, std::min(kAbsmaxBlock, last - b));
      const float scale =
          quantize_absmax(block, mean, buffers[1].writable.subspan(b, block.size()));
      std::memcpy(
          buffers[2].writable.data() + b / kAbsmaxBlock * sizeof scale, &scale, sizeof scale);
    }
  });
}

}  // namespace

PackedMatrix quantize_codebook(const WeightSource& weight, const CodebookEncoding& encoding) {
  std::vector<OwnedBuffer> buffers = allocate_buffers(encoding, weight);
  const std::size_t blocks = static_cast<std::size_t>(buffers[1].buffer.spec.shape.front());
  const std::vector<float> absmax = encode_blocks(weight, encoding, blocks, buffers[0].writable);
  if (encoding.double_quantized)
    double_quantize(absmax, buffers);
  else
    std::memcpy(buffers[1].writable.data(), absmax.data(), absmax.size() * sizeof(float));
  return finish(encoding, weight, std::move(buffers));
}

}  // namespace pith

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "pith/base/error.h"
#include "pith/codec/bit_pack.h"
#include "pith/codec/float_convert.h"
#include "pith/codec/quantize.h"
#include "pith/codec/unit_fit.h"
#include "pith/codec/vector_ops.h"
#include "pith/codec/weight_chunks.h"

namespace pith {
namespace {

// The arrays being filled. Rows are whole bytes, so threads never share one.
class GroupIntWriter {
 public:
  GroupIntWriter(const GroupIntEncoding& encoding, const WeightSource& weight)
      : encoding_(encoding),
        cols_(weight.cols),
        groups_(groups_in_row(encoding, weight.cols)),
        buffers_(allocate_buffers(encoding, weight)) {}

  std::size_t groups() const { return groups_; }
  std::size_t group_cols() const {
    return encoding_.granularity == Granularity::kGroup ? encoding_.group_size : cols_;
  }

  void write_codes(std::size_t row, std::span<const std::uint8_t> codes) {
    const std::size_t bytes = packed_bytes(cols_, encoding_.bits);
    pack_bits(codes, encoding_.bits, buffers_[0].writable.subspan(row * bytes, bytes));
  }

  void write_units(std::size_t scale_row, std::span<const UnitFit> units) {
    std::vector<float> scales(groups_);
    for (std::size_t g = 0; g < groups_; ++g) scales[g] = units[g].scale;
    const std::size_t scale_bytes = groups_ * size_of(encoding_.scale_dtype);
    from_f32(encoding_.scale_dtype,
             scales,
             buffers_[1].writable.subspan(scale_row * scale_bytes, scale_bytes));
    if (encoding_.zero_points == ZeroPoints::kInt32) {
      for (std::size_t g = 0; g < groups_; ++g)
        std::memcpy(buffers_[2].writable.data() + (scale_row * groups_ + g) * 4, &units[g].zero, 4);
    }
    if (encoding_.zero_points == ZeroPoints::kPacked) {
      std::vector<std::uint8_t> zeros(groups_);
      for (std::size_t g = 0; g < groups_; ++g) zeros[g] = static_cast<std::uint8_t>(units[g].zero);
      const std::size_t bytes = packed_bytes(groups_, encoding_.bits);
      pack_bits(zeros, encoding_.bits, buffers_[2].writable.subspan(scale_row * bytes, bytes));
    }
  }

  std::vector<OwnedBuffer> take_buffers() { return std::move(buffers_); }

 private:
  GroupIntEncoding encoding_;
  std::size_t cols_, groups_;
  std::vector<OwnedBuffer> buffers_;
};

// Tells `problems` about the values of a unit and gives a range that is safe to fit.
ValueRange checked_range(std::span<const float> x, WeightProblems& problems) {
  const ValueRange range = vector_ops().range(x.data(), x.size());
  if (range.finite) return range;
  problems.add_nonfinite(count_nonfinite(x));
  return {};
}

void check_scale(UnitFit& fit, std::size_t unit, WeightProblems& problems) {
  if (std::isfinite(fit.scale)) return;
  problems.add_overflow(unit, fit.exact_scale);
  fit = {};
}

void quantize_rows(const WeightSource& weight,
                   const UnitRules& rules,
                   GroupIntWriter& writer,
                   WeightProblems& problems) {
  for_each_chunk(weight, [&](const WeightChunk& chunk) {
    std::vector<std::uint8_t> codes(weight.cols);
    std::vector<UnitFit> units(writer.groups());
    for (std::size_t r = 0; r < chunk.count; ++r) {
      const std::span<const float> row = chunk.values.subspan(r * weight.cols, weight.cols);
      for (std::size_t g = 0; g < units.size(); ++g) {
        const std::size_t begin = g * writer.group_cols();
        const auto x = row.subspan(begin, std::min(writer.group_cols(), weight.cols - begin));
        units[g] = rules.fit_values(x, checked_range(x, problems));
        check_scale(units[g], (chunk.first + r) * units.size() + g, problems);
        rules.round(x, units[g], codes.data() + begin);
      }
      writer.write_codes(chunk.first + r, codes);
      writer.write_units(chunk.first + r, units);
    }
  });
}

ValueRange tensor_range(const WeightSource& weight, WeightProblems& problems) {
  std::vector<ValueRange> parts(num_chunks(weight));
  for_each_chunk(weight, [&](const WeightChunk& chunk) {
    parts[chunk.index] = checked_range(chunk.values, problems);
  });
  ValueRange whole = parts.front();
  for (const ValueRange& part : parts) {
    whole.low = std::min(whole.low, part.low);
    whole.high = std::max(whole.high, part.high);
  }
  return whole;
}

UnitFit fit_tensor(const WeightSource& weight, const UnitRules& rules, const ValueRange& range) {
  if (!rules.searches()) return rules.fit(range);
  const UnitRules::Candidates fits = rules.candidates(range);
  std::vector<UnitRules::Errors> parts(num_chunks(weight));
  for_each_chunk(weight, [&](const WeightChunk& chunk) {
    rules.add_errors(chunk.values, range, fits, parts[chunk.index]);
  });
  UnitRules::Errors sum{};
  for (const UnitRules::Errors& part : parts)  // in the order of rows, whatever thread made them
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += part[i];
  return rules.best(fits, sum);
}

void quantize_tensor(const WeightSource& weight,
                     const UnitRules& rules,
                     GroupIntWriter& writer,
                     WeightProblems& problems) {
  const ValueRange range = tensor_range(weight, problems);
  UnitFit unit = fit_tensor(weight, rules, range);
  check_scale(unit, 0, problems);
  writer.write_units(0, std::span(&unit, 1));
  for_each_chunk(weight, [&](const WeightChunk& chunk) {
    std::vector<std::uint8_t> codes(weight.cols);
    for (std::size_t r = 0; r < chunk.count; ++r) {
      rules.round(chunk.values.subspan(r * weight.cols, weight.cols), unit, codes.data());
      writer.write_codes(chunk.first + r, codes);
    }
  });
}

}  // namespace

PackedMatrix quantize_group_int(const WeightSource& weight,
                                const GroupIntEncoding& encoding,
                                const RoundOptions& options) {
  require(!encoding.column_groups,
          "rounding to {}: expected groups that run along the columns; leave out act-order",
          to_string(Encoding(encoding)));
  GroupIntWriter writer(encoding, weight);  // checks the encoding
  const UnitRules rules(encoding, options);
  WeightProblems problems(weight);
  const bool tensor = encoding.granularity == Granularity::kTensor;
  (tensor ? quantize_tensor : quantize_rows)(weight, rules, writer, problems);
  const bool widest = encoding.scale_dtype == DType::kF32;
  problems.throw_if_any(encoding.scale_dtype,
                        widest ? "use more bits" : "store scales as f32 or bf16");
  return finish(encoding, weight, writer.take_buffers());
}

}  // namespace pith

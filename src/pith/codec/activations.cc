#include "pith/codec/activations.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "pith/base/error.h"
#include "pith/codec/float_convert.h"
#include "pith/codec/vector_ops.h"

namespace pith {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kLargestE4M3 = 448;

// The largest |value|; NaN if any is not finite.
float largest_of(std::span<const float> row) {
  if (row.empty()) return 0;
  const ValueRange range = vector_ops().range(row.data(), row.size());
  return range.finite ? std::max(-range.low, range.high) : kNaN;
}

void quantize_static(std::span<const float> row,
                     const ActivationQuantization& activation,
                     std::span<std::int8_t> codes,
                     float& scale) {
  scale = std::isnan(largest_of(row)) ? kNaN : activation.scale;
  if (std::isnan(scale)) {
    std::ranges::fill(codes, std::int8_t{0});
    return;
  }
  // The zero point comes before the rounding: ties go to the even code.
  std::vector<float> shifted(row.size());
  const auto zero = static_cast<float>(activation.zero_point);
  for (std::size_t i = 0; i < row.size(); ++i) shifted[i] = row[i] / scale + zero;
  std::vector<std::uint8_t> offset_codes(row.size());
  vector_ops().round_codes(
      shifted.data(), row.size(), UnitRound{1, 128, 0, 255}, offset_codes.data());
  for (std::size_t i = 0; i < row.size(); ++i)
    codes[i] = static_cast<std::int8_t>(offset_codes[i] - 128);
}

// x as LLM.int8() reads it.
void to_half_and_back(std::span<const float> row, std::span<float> out) {
  std::vector<std::byte> half(row.size() * size_of(DType::kF16));
  from_f32(DType::kF16, row, half);
  to_f32(DType::kF16, half, out);
}

void quantize_llm(std::span<const float> row,
                  float threshold,
                  std::span<const std::uint32_t> outliers,
                  std::span<std::int8_t> codes,
                  float& scale) {
  std::vector<float> x(row.size());
  to_half_and_back(row, x);
  for (float& value : x) value = std::abs(value) >= threshold ? 0.0f : value;
  const float largest = largest_of(x);
  scale = largest / 127.0f;
  if (!(largest > 0)) {
    std::ranges::fill(codes, std::int8_t{0});
    return;
  }
  const float inverse = 127.0f / largest;
  for (float& value : x) value *= inverse;
  vector_ops().round_int8(x.data(), x.size(), 1, codes.data());
  for (const std::uint32_t column : outliers) codes[column] = 0;
}

void round_float8(std::span<const float> row,
                  const ActivationQuantization& activation,
                  std::span<float> out) {
  const float largest = largest_of(row);
  float scale = activation.scheme == ActivationScheme::kStaticFp8Tensor ? activation.scale
                                                                        : largest / kLargestE4M3;
  if (std::isnan(largest)) scale = kNaN;
  if (scale == 0) {
    std::ranges::fill(out, 0.0f);
    return;
  }
  for (std::size_t i = 0; i < row.size(); ++i) out[i] = row[i] / scale;
  std::vector<std::byte> codes(row.size());
  from_f32(DType::kF8E4M3, out, codes);
  to_f32(DType::kF8E4M3, codes, out);
  for (float& value : out) value *= scale;
}

void round_int8(MatrixView<const float> x,
                const ActivationQuantization& activation,
                std::span<const std::uint32_t> outliers,
                std::span<float> out) {
  std::vector<std::int8_t> codes(x.rows * x.cols);
  std::vector<float> scales(x.rows);
  quantize_activations(x, activation, outliers, codes, scales);
  for (std::size_t t = 0; t < x.rows; ++t) {
    for (std::size_t i = t * x.cols; i < (t + 1) * x.cols; ++i)
      out[i] = scales[t] * static_cast<float>(codes[i] - activation.zero_point);
    for (const std::uint32_t column : outliers) out[t * x.cols + column] = x(t, column);
  }
}

}  // namespace

void quantize_tokens_int8(MatrixView<const float> x,
                          std::span<std::int8_t> codes,
                          std::span<float> scales) {
  PITH_CHECK(codes.size() == x.rows * x.cols && scales.size() == x.rows);
  for (std::size_t t = 0; t < x.rows; ++t) {
    const std::span<const float> row = x.row(t);
    const std::span<std::int8_t> out = codes.subspan(t * x.cols, x.cols);
    scales[t] = largest_of(row) / 127.0f;
    if (scales[t] > 0)
      vector_ops().round_int8(row.data(), row.size(), scales[t], out.data());
    else
      std::ranges::fill(out, std::int8_t{0});
  }
}

std::vector<std::uint32_t> outlier_columns(MatrixView<const float> x, float threshold) {
  std::vector<std::uint8_t> beyond(x.cols);
  std::vector<float> half(x.cols);
  for (std::size_t t = 0; t < x.rows; ++t) {
    to_half_and_back(x.row(t), half);
    for (std::size_t i = 0; i < x.cols; ++i) beyond[i] |= std::abs(half[i]) >= threshold;
  }
  std::vector<std::uint32_t> columns;
  for (std::size_t i = 0; i < x.cols; ++i)
    if (beyond[i] != 0) columns.push_back(static_cast<std::uint32_t>(i));
  return columns;
}

void quantize_activations(MatrixView<const float> x,
                          const ActivationQuantization& activation,
                          std::span<const std::uint32_t> outliers,
                          std::span<std::int8_t> codes,
                          std::span<float> scales) {
  PITH_CHECK(codes.size() == x.rows * x.cols && scales.size() == x.rows);
  if (activation.scheme == ActivationScheme::kDynamicInt8Token)
    return quantize_tokens_int8(x, codes, scales);
  const bool fixed = activation.scheme == ActivationScheme::kStaticInt8Tensor;
  PITH_CHECK(fixed || activation.scheme == ActivationScheme::kLlmInt8);
  for (std::size_t t = 0; t < x.rows; ++t) {
    const std::span<std::int8_t> row_codes = codes.subspan(t * x.cols, x.cols);
    if (fixed)
      quantize_static(x.row(t), activation, row_codes, scales[t]);
    else
      quantize_llm(x.row(t), activation.threshold, outliers, row_codes, scales[t]);
  }
}

void round_activations(MatrixView<const float> x,
                       const ActivationQuantization& activation,
                       std::span<const std::uint32_t> outliers,
                       std::span<float> out) {
  PITH_CHECK(out.size() == x.rows * x.cols);
  switch (activation.scheme) {
    case ActivationScheme::kDynamicInt8Token:
    case ActivationScheme::kStaticInt8Tensor:
    case ActivationScheme::kLlmInt8:
      return round_int8(x, activation, outliers, out);
    case ActivationScheme::kNone:
    case ActivationScheme::kDynamicFp8Token:
    case ActivationScheme::kStaticFp8Tensor:
      break;
  }
  for (std::size_t t = 0; t < x.rows; ++t) {
    const std::span<float> row = out.subspan(t * x.cols, x.cols);
    if (activation.scheme == ActivationScheme::kNone)
      std::ranges::copy(x.row(t), row.begin());
    else
      round_float8(x.row(t), activation, row);
  }
}

}  // namespace pith

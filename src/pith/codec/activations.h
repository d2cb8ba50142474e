// Activations as the schemes of packed_matrix.h round them. x is [tokens, features], a row a token.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "pith/base/matrix_view.h"
#include "pith/codec/packed_matrix.h"

namespace pith {

// All functions are serial and safe to call from several threads, each on its own tokens. A token
// with NaN or Inf has scale NaN and codes 0, so that the rounding does not hide it.

// Card 6: scales[t] = max|x| / 127 of row t, codes = rint(x / scale). A row of zeros has scale 0.
void quantize_tokens_int8(MatrixView<const float> x,
                          std::span<std::int8_t> codes,
                          std::span<float> scales);

// The columns that LLM.int8() keeps as floats: those with a |value| >= threshold in any row, in f16
// as bitsandbytes compares them. Ascending. x is all tokens that meet the weight together.
// Departs from card 10 as bitsandbytes does: see quantize_activations().
std::vector<std::uint32_t> outlier_columns(MatrixView<const float> x, float threshold);

// One of the three int8 schemes: x ~ scales[t] * (codes - zero_point). kStaticInt8Tensor: codes =
// clamp(rint(x / scale + zero_point)), as compressed-tensors. kLlmInt8: x in f16, scales[t] = max
// of the |x| below the threshold / 127 (rule b of card 10: those in outlier columns count), codes
// of the `outliers` 0, codes = rint(x * (127 / max)), as bitsandbytes. `outliers` is for kLlmInt8.
void quantize_activations(MatrixView<const float> x,
                          const ActivationQuantization& activation,
                          std::span<const std::uint32_t> outliers,
                          std::span<std::int8_t> codes,
                          std::span<float> scales);

// What the product sees, as floats in out [tokens * features]; for kNone x itself. fp8: E4M3 of x /
// scale, saturated at 448, times scale; the scale of a token is max|x| / 448. Outlier columns stay
// as they are.
void round_activations(MatrixView<const float> x,
                       const ActivationQuantization& activation,
                       std::span<const std::uint32_t> outliers,
                       std::span<float> out);

}  // namespace pith

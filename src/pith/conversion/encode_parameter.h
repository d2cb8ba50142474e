// One parameter from source to its new encoding, with every reason to refuse it.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "pith/codec/quantize.h"
#include "pith/formats/checkpoint.h"

namespace pith {

struct EncodedParameter {
  PackedMatrix weight;
  double relative_error = 0;  // as codec/quantize.h defines it
};

// `name` opens each error; `importance` as quantize_ggml has it. FormatError for NaN or Inf in the
// weight, with their counts; UserError for what the encoding cannot hold (see quantize.h).
EncodedParameter encode_parameter(const WeightSource& weight,
                                  const Encoding& encoding,
                                  const RoundOptions& round,
                                  const std::string& name,
                                  std::span<const float> importance = {});

struct NonfiniteCount {
  std::size_t nan = 0, infinite = 0;
};
NonfiniteCount count_nonfinite(const WeightSource& weight);
// The check of a weight that is copied as it is. Throws FormatError as encode_parameter does.
void require_finite(const WeightSource& weight, const std::string& name);

// The same for every weight of a model, named as its file does.
void require_finite_weights(const Checkpoint& model);

}  // namespace pith

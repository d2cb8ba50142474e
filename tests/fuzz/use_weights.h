// What a model whose weights came from made-up files is used for.
#pragma once

#include <vector>

#include "fuzz.h"
#include "pith/formats/checkpoint.h"

namespace pith::fuzz {

inline void dequantize(const PackedMatrix& weight) {
  for (const Buffer& buffer : weight.buffers()) touch(buffer.bytes);
  std::vector<float> row(weight.cols());
  for (std::size_t i = 0; i < weight.rows(); ++i) weight.dequantize_rows(i, 1, row);
}

// Each parameter by itself, so that one with bad contents does not keep the others from a try.
inline void load_weights(const Checkpoint& checkpoint) {
  for (const Parameter& parameter : checkpoint.parameters())
    may_refuse([&] {
      const PackedMatrix weight = checkpoint.load(parameter.name);
      PITH_CHECK(weight.rows() == parameter.rows && weight.cols() == parameter.cols);
      PITH_CHECK(weight.encoding() == checkpoint.encoding(parameter.name));
      dequantize(weight);
    });
}

}  // namespace pith::fuzz

// The same function with its units in another order: hidden units, FFN neurons, and value
// dimensions inside heads.
//
// SmolLM2 from its package lies on a 4-bit grid (Q4_1, groups of 32): int4 with groups of 32 and an
// offset loses nothing on it. Permuting the columns of every matrix puts natural weights off the
// grid without changing the function. Source: design 7.
#pragma once

#include <cstdint>
#include <vector>

#include "pith/codec/quantize.h"
#include "pith/formats/spec.h"

namespace pith {

// Row and column orders by axis: new index i takes the old index order[i].
class ModelPermutation {
 public:
  ModelPermutation(const DecoderSpec& spec, std::uint64_t seed);
  // The parameter with its rows and columns in the new order, read lazily from the old one.
  WeightSource apply(const Parameter& parameter, const WeightSource& weight) const;

 private:
  DecoderSpec spec_;
  std::vector<std::uint32_t> hidden_;                // [hidden]
  std::vector<std::vector<std::uint32_t>> neurons_;  // [layer][ffn]
  std::vector<std::vector<std::uint32_t>> values_;   // [layer][kv_heads * v_dim], within heads
};

}  // namespace pith

// A forward pass over a few tokens that takes the weights one after the other, as a conversion
// makes them or as a reader finds them. Made for comparing the two, not for speed.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "pith/codec/packed_matrix.h"
#include "pith/formats/spec.h"

namespace pith {

// Legend: T tokens, D hidden, V vocabulary. Weights count as the floats that they decode to; how
// activations are quantized is left out. Same weights, same spec: same bits, for any number of
// threads.
class ForwardProbe {
 public:
  explicit ForwardProbe(DecoderSpec spec);

  // All of parameters_of(spec), in that order (InternalError otherwise).
  void take(const Parameter& parameter, const PackedMatrix& weight);

  // After the last weight: the logits [T, V], or with a tied head the normed states [T, D], since
  // the embedding has gone by.
  std::span<const float> result() const;

  static constexpr std::size_t kTokens = 3;

 private:
  void take_of_attention(std::string_view part, const PackedMatrix& weight);
  void take_of_mlp(std::string_view part, const PackedMatrix& weight);
  void embed(const PackedMatrix& weight);
  void add_positions(const PackedMatrix& weight);
  void normalize(const PackedMatrix& weight);
  void normalize_heads(const PackedMatrix& weight, std::vector<float>& heads);
  void split_qkv();
  void rotate(std::vector<float>& heads) const;
  void attend();
  void activate();

  const LayerSpec& layer() const;

  DecoderSpec spec_;
  std::vector<Parameter> expected_;
  std::size_t next_ = 0;
  std::size_t layer_ = 0;
  // [T, width] each: residual stream, normed states, projections, and what the next matrix meets.
  std::vector<float> x_, h_, q_, k_, v_, gate_, up_, mixed_, logits_;
};

}  // namespace pith

// What the tests of group_int weights share.
#pragma once

#include <vector>

#include "pith/codec/test_support.h"

namespace pith {

inline GroupIntEncoding ints(int bits,
                             ZeroPoints zeros = ZeroPoints::kNone,
                             std::size_t group = 0,
                             DType scale = DType::kF32) {
  return {bits, group == 0 ? Granularity::kRow : Granularity::kGroup, group, zeros, scale};
}

inline std::vector<float> scales_of(const PackedMatrix& m) {
  std::vector<float> scales(m.buffer("scales").bytes.size() /
                            size_of(m.buffer("scales").spec.dtype));
  const GroupIntEncoding e = std::get<GroupIntEncoding>(m.encoding());
  if (e.scale_dtype == DType::kF32) return array_of<float>(m.buffer("scales").bytes);
  ADD_FAILURE() << "scales are not f32";
  return scales;
}

// Codes less the zero point, as the cards print symmetric ones.
inline std::vector<int> centred(std::vector<int> codes, int zero) {
  for (int& code : codes) code -= zero;
  return codes;
}

}  // namespace pith

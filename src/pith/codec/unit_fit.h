// Scale and zero point of one unit (tensor, row or group) of integer codes. Internal to codec.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "pith/codec/quantize.h"
#include "pith/codec/vector_ops.h"

namespace pith {

struct UnitFit {
  float scale = 1;         // as stored: a value of scale_dtype
  std::int32_t zero = 0;   // of unsigned codes
  double exact_scale = 1;  // before rounding; for the message if `scale` is infinite
};

// `value` rounded to F32, F16 or BF16. In the subnormal range it is rounded away from zero: to
// nearest could halve the scale, and codes would clip.
float round_scale(double value, DType dtype);

class UnitRules {
 public:
  static constexpr std::size_t kShrinkSteps = 80;
  using Candidates = std::array<UnitFit, kShrinkSteps>;
  using Errors = std::array<double, kShrinkSteps>;

  // Throws UserError for options that contradict each other or the encoding.
  UnitRules(const GroupIntEncoding& encoding, const RoundOptions& options);

  bool searches() const { return options_.search_range; }
  UnitFit fit(const ValueRange& range) const;
  // With the range search: fits of the range shrunk in steps, and the error of each on some of the
  // unit's values.
  Candidates candidates(const ValueRange& range) const;
  void add_errors(std::span<const float> x,
                  const ValueRange& range,
                  const Candidates& fits,
                  Errors& errors) const;
  UnitFit best(const Candidates& fits, const Errors& errors) const;
  // fit(), or the best candidate if searching.
  UnitFit fit_values(std::span<const float> x, const ValueRange& range) const;

  void round(std::span<const float> x, const UnitFit& fit, std::uint8_t* codes) const;

 private:
  UnitFit fit_symmetric(const ValueRange& range) const;
  UnitFit fit_with_zero(const ValueRange& range) const;
  UnitFit fit_free(const ValueRange& range) const;
  UnitRound rounding(const UnitFit& fit) const;

  GroupIntEncoding encoding_;
  RoundOptions options_;
  int middle_;  // 2^(bits - 1)
  int lowest_;  // unsigned codes in use
  int highest_;
};

}  // namespace pith

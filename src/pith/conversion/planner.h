// What becomes of each parameter of a model.
#pragma once

#include <functional>
#include <span>

#include "pith/codec/quantize.h"
#include "pith/formats/spec.h"

namespace pith {

struct ParameterPlan {
  Encoding encoding;
  RoundOptions round;
  ActivationQuantization activation{};
  std::span<const float> importance{};  // of GGUF blocks; kept alive by the planner
};
using Planner = std::function<ParameterPlan(const Parameter& parameter, const Encoding& stored)>;

}  // namespace pith

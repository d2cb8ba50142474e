// What becomes of each parameter of a model.
#pragma once

#include <functional>

#include "pith/codec/quantize.h"
#include "pith/formats/spec.h"

namespace pith {

struct ParameterPlan {
  Encoding encoding;
  RoundOptions round;
  ActivationQuantization activation{};
};
using Planner = std::function<ParameterPlan(const Parameter& parameter, const Encoding& stored)>;

}  // namespace pith

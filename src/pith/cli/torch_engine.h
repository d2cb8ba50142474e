// What --engine and --activations mean while torch is the only engine.
#pragma once

#include <utility>
#include <vector>

#include "pith/cli/commands.h"
#include "pith/conversion/encode_parameter.h"
#include "pith/evaluation/scorer.h"
#include "pith/model/load.h"

namespace pith {

// Sets torch's threads. UserError for activations that only the native engine has; says on stderr
// when the native engine was asked for, which is not built yet.
void prepare_engine(const EngineOptions& options);

// Runs `body`. A NonfiniteError that leaves it becomes one that names the weight at fault and how
// many of its numbers are bad, if a weight is.
template <class Body>
decltype(auto) explain_nonfinite(const std::vector<const Checkpoint*>& models, Body&& body) {
  try {
    return std::forward<Body>(body)();
  } catch (const NonfiniteError&) {
    for (const Checkpoint* model : models) require_finite_weights(*model);
    throw;
  }
}

}  // namespace pith

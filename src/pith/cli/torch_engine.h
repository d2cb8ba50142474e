// What --engine and --activations mean while torch is the only engine.
#pragma once

#include "pith/cli/commands.h"
#include "pith/model/load.h"

namespace pith {

// Sets torch's threads. UserError for activations that only the native engine has; says on stderr
// when the native engine was asked for, which is not built yet.
void prepare_engine(const EngineOptions& options);

}  // namespace pith

#include "pith/cli/torch_engine.h"

#include "pith/base/error.h"
#include "pith/base/log.h"

namespace pith {

void prepare_engine(const EngineOptions& options) {
  require(options.activations == ActivationKind::kF32,
          "--activations {} needs the native engine, which is not built yet",
          to_string(options.activations));
  if (options.engine == EngineKind::kNative)
    log_warning("the native engine is not built yet; torch runs the model");
  set_torch_threads();
}

}  // namespace pith

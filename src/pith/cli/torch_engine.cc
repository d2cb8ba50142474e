#include "pith/cli/torch_engine.h"

#include <c10/util/Exception.h>

#include "pith/base/error.h"
#include "pith/base/log.h"
#include "pith/cli/torch_bodies.h"

namespace pith {

void prepare_engine(const EngineOptions& options) {
  require(options.activations == ActivationKind::kF32,
          "--activations {} needs the native engine, which is not built yet",
          to_string(options.activations));
  if (options.engine == EngineKind::kNative)
    log_warning("the native engine is not built yet; torch runs the model");
  set_torch_threads();
}

std::string message_of_torch(const std::exception& error) {
  const auto* torch = dynamic_cast<const c10::Error*>(&error);
  if (torch == nullptr) return error.what();
  const std::string message = torch->what_without_backtrace();
  if (message.find("not enough memory") != std::string::npos) return "not enough memory";
  return message.substr(0, message.find('\n'));
}

}  // namespace pith

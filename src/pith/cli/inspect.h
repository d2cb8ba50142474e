// What `pith inspect` shows, one function a part; each prints its result.
#pragma once

#include "pith/base/json.h"
#include "pith/cli/commands.h"
#include "pith/formats/checkpoint.h"

namespace pith {

void inspect_model(const Checkpoint& model, const GlobalOptions& global);
void inspect_tensor(const Checkpoint& model, std::string_view name, const GlobalOptions& global);
// A lone .safetensors file has no config: its tensors are all there is to say.
void inspect_safetensors(const InspectOptions& options, const GlobalOptions& global);
void inspect_diff(const Checkpoint& a, const Checkpoint& b, const GlobalOptions& global);

// Names out of files need not be UTF-8: what is not is replaced. NaN and Inf become null.
void print_json(const Json& json);

}  // namespace pith

// The modules that vLLM runs as one, which must therefore be quantized alike.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pith {

struct FusedModule {
  std::string name;                  // "model.layers.0.self_attn.qkv_proj"
  std::vector<std::string> members;  // "model.layers.0.self_attn.q_proj", ...
};
// Of a module's name in a dense folder; nullopt if it runs alone.
std::optional<FusedModule> fused_module_of(std::string_view module);

// Adds to names of modules those of the fused ones all of whose members are among them.
void add_fused_names(std::vector<std::string>& modules);

}  // namespace pith

#include "pith/formats/layouts/fused_modules.h"

#include <algorithm>

namespace pith {
namespace {

struct Fusion {
  std::string_view name;
  std::vector<std::string_view> members;
};

}  // namespace

std::optional<FusedModule> fused_module_of(std::string_view module) {
  static const Fusion kFusions[] = {{"qkv_proj", {"q_proj", "k_proj", "v_proj"}},
                                    {"gate_up_proj", {"gate_proj", "up_proj"}}};
  const std::size_t dot = module.rfind('.');
  if (dot == std::string_view::npos) return std::nullopt;
  const std::string parent(module.substr(0, dot + 1));
  const std::string_view leaf = module.substr(dot + 1);
  for (const Fusion& fusion : kFusions) {
    if (std::ranges::find(fusion.members, leaf) == fusion.members.end()) continue;
    FusedModule fused{parent + std::string(fusion.name), {}};
    for (const std::string_view member : fusion.members)
      fused.members.push_back(parent + std::string(member));
    return fused;
  }
  return std::nullopt;
}

}  // namespace pith

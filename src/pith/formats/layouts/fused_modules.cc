#include "pith/formats/layouts/fused_modules.h"

#include <algorithm>
#include <set>

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

void add_fused_names(std::vector<std::string>& modules) {
  const std::set<std::string> known(modules.begin(), modules.end());
  for (const std::string& module : known) {
    const std::optional<FusedModule> fused = fused_module_of(module);
    if (!fused || fused->members.front() != module) continue;
    if (std::ranges::all_of(fused->members, [&](const auto& each) { return known.contains(each); }))
      modules.push_back(fused->name);
  }
}

}  // namespace pith

#include "pith/pipeline/stage.h"

#include <algorithm>

#include "pith/pipeline/quantize_stage.h"

namespace pith {
namespace {

struct StageKind {
  std::string_view name;
  std::unique_ptr<Stage> (*make)(const YamlNode& node);
};

constexpr StageKind kStages[] = {
    {"quantize",
     [](const YamlNode& node) -> std::unique_ptr<Stage> {
       return std::make_unique<QuantizeStage>(node);
     }},
};
constexpr std::string_view kLaterStages[] = {"prune", "distill", "train"};

}  // namespace

std::unique_ptr<Stage> make_stage(const YamlNode& entry) {
  if (entry.kind() != YamlNode::Kind::kMap) entry.fail("a map with one key, the stage's name");
  const auto members = entry.members();
  if (members.size() != 1)
    entry.fail("one key, the stage's name", std::to_string(members.size()) + " keys");
  const auto& [name, node] = members.front();
  if (std::find(std::begin(kLaterStages), std::end(kLaterStages), name) != std::end(kLaterStages))
    node.fail("the stage quantize", "'" + name + "', which is not built yet");
  std::vector<std::string_view> names;
  for (const StageKind& kind : kStages) names.push_back(kind.name);
  entry.allow_keys(names);
  for (const StageKind& kind : kStages)
    if (kind.name == name) return kind.make(node);
  return nullptr;  // allow_keys has thrown
}

}  // namespace pith

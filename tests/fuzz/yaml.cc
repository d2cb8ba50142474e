// The YAML of recipes.
#include "pith/base/yaml.h"
#include "fuzz.h"

namespace pith {
namespace {

void walk(const YamlNode& node) {
  fuzz::may_refuse([&] { node.integer(INT64_MIN, INT64_MAX); });
  fuzz::may_refuse([&] { node.number(); });
  fuzz::may_refuse([&] { node.boolean(); });
  if (node.kind() == YamlNode::Kind::kList)
    for (const YamlNode& item : node.items()) walk(item);
  if (node.kind() == YamlNode::Kind::kMap)
    for (const auto& [key, member] : node.members()) walk(member);
  fuzz::may_refuse([&] { node.fail("something else"); });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return fuzz::run([&] { walk(parse_yaml(fuzz::text_of(data, size), "recipe.yaml")); });
}

}  // namespace pith

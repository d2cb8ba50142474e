// From a map of a recipe to an options struct, by its `visit`.
#pragma once

#include <algorithm>
#include <string>
#include <type_traits>
#include <vector>

#include "pith/base/options.h"
#include "pith/base/yaml.h"

namespace pith {

template <class T>
void read_yaml_value(const YamlNode& node, T& field) {
  if constexpr (std::is_same_v<T, bool>) {
    field = node.boolean();
  } else if constexpr (NamedEnum<T>) {
    const std::string text = node.string();
    const auto names = enum_names<T>();
    if (std::find(names.begin(), names.end(), text) == names.end())
      node.fail("one of " + join_names(names), "'" + text + "'");
    field = parse_enum<T>(text, node.place());
  } else if constexpr (std::is_integral_v<T>) {
    field = static_cast<T>(node.integer(std::is_unsigned_v<T> ? 0 : INT32_MIN, INT32_MAX));
  } else if constexpr (std::is_floating_point_v<T>) {
    field = node.number();
  } else if constexpr (requires {
                         typename T::value_type;
                         field.emplace();
                       }) {
    read_yaml_value(node, field.emplace());
  } else {
    field = node.string();
  }
}

// Recipe keys are the option names with underscores. Keys of `apart` belong to the caller.
template <class Options>
void read_yaml_options(const YamlNode& map, Options& options, std::vector<std::string> apart = {}) {
  std::vector<std::string> keys = std::move(apart);
  const auto key_of = [](std::string_view name) {
    std::string key(name);
    std::replace(key.begin(), key.end(), '-', '_');
    return key;
  };
  visit(options,
        [&](std::string_view name, auto&, std::string_view) { keys.push_back(key_of(name)); });
  map.allow_keys(std::vector<std::string_view>(keys.begin(), keys.end()));
  visit(options, [&](std::string_view name, auto& field, std::string_view) {
    if (const auto node = map.find(key_of(name))) read_yaml_value(*node, field);
  });
}

}  // namespace pith

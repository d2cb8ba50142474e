// Options structs: plain aggregates with one `visit` that lists each field once, with its help
// text. Command line, JSON record, recipe keys and printout all come from it.
//
//   struct QuantizeOptions { int bits = 4; std::optional<std::string> layers; };
//   void visit(QuantizeOptions& o, auto&& v) { v("bits", o.bits, "bits a weight, 1 to 8");
//   v("layers", o.layers, "..."); }
//
// Field types: bool, integers, double, std::string, std::filesystem::path, enums with an
// enum_table, ByteSize, std::optional and std::vector of these.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "pith/base/enum_table.h"
#include "pith/base/json.h"
#include "pith/base/size.h"

namespace pith {

struct ByteSize {
  std::uint64_t bytes = 0;
};

template <class T>
Json option_to_json(const T& value) {
  if constexpr (NamedEnum<T>) {
    return std::string(to_string(value));
  } else if constexpr (std::is_same_v<T, std::filesystem::path>) {
    return value.string();
  } else if constexpr (std::is_same_v<T, ByteSize>) {
    return value.bytes;
  } else if constexpr (requires { value.has_value(); }) {
    return value ? option_to_json(*value) : Json(nullptr);
  } else if constexpr (!std::is_same_v<T, std::string> && requires { value.front(); }) {
    Json list = Json::array();
    for (const auto& item : value) list.push_back(option_to_json<typename T::value_type>(item));
    return list;
  } else {
    return value;
  }
}

// {"bits": 4, "layers": null}: every field, defaults included.
template <class Options>
Json options_to_json(const Options& options) {
  Json record = Json::object();
  Options copy = options;  // `visit` serves reading and writing alike
  visit(copy, [&record](std::string_view name, const auto& field, std::string_view) {
    record[std::string(name)] = option_to_json(field);
  });
  return record;
}

}  // namespace pith

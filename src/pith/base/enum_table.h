// Names of enum values: one constexpr table an enum serves printing, parsing and help texts.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pith/base/error.h"

namespace pith {

template <class E>
struct EnumName {
  E value;
  std::string_view name;
};

// An enum takes part by declaring beside it, found by argument-dependent lookup:
//   constexpr EnumName<Mode> kModeNames[] = {...};
//   constexpr std::span<const EnumName<Mode>> enum_table(Mode) { return kModeNames; }
template <class E>
concept NamedEnum = requires(E e) { enum_table(e); };

// The candidate nearest to `word` by edit distance, or "" if none is near enough to be meant.
std::string nearest_name(std::string_view word, std::span<const std::string_view> candidates);

// "a, b, c".
std::string join_names(std::span<const std::string_view> names);

// The text of an error for an unknown name: lists the choices and offers the nearest.
[[noreturn]] void fail_unknown_name(std::string_view place,
                                    std::string_view found,
                                    std::span<const std::string_view> choices);

template <NamedEnum E>
std::vector<std::string_view> enum_names() {
  std::vector<std::string_view> names;
  for (const auto& row : enum_table(E{})) names.push_back(row.name);
  return names;
}

template <NamedEnum E>
std::string_view to_string(E value) {
  for (const auto& row : enum_table(value))
    if (row.value == value) return row.name;
  throw InternalError("enum value without a name");
}

template <NamedEnum E>
std::optional<E> find_enum(std::string_view name) {
  for (const auto& row : enum_table(E{}))
    if (row.name == name) return row.value;
  return std::nullopt;
}

// Throws UserError that names `place`, lists the choices and offers the nearest one.
template <NamedEnum E>
E parse_enum(std::string_view text, std::string_view place) {
  if (const std::optional<E> value = find_enum<E>(text)) return *value;
  fail_unknown_name(place, text, enum_names<E>());
}

}  // namespace pith

// From an options struct and its `visit` to CLI11 options.
#pragma once

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <filesystem>
#include <initializer_list>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "pith/base/options.h"

namespace pith {

// Which fields are not plain `--name` options.
struct CommandShape {
  std::initializer_list<std::string_view> positional =
      {};  // in order, required unless std::optional or a vector
  std::initializer_list<std::string_view> required = {};  // options that must be given
};

template <class T>
void parse_number(std::string_view text, const std::string& place, T& field) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), field);
  if (error == std::errc{} && end == text.data() + text.size()) return;
  std::string expected = std::is_integral_v<T> ? "a whole number" : "a number";
  if (error == std::errc::result_out_of_range)
    expected += fmt::format(
        " from {} to {}", std::numeric_limits<T>::lowest(), std::numeric_limits<T>::max());
  throw UserError(ErrorParts{place, expected, fmt::format("'{}'", text), {}});
}

// Sets one field from its text. Throws UserError naming `place`.
template <class T>
void parse_option(std::string_view text, const std::string& place, T& field) {
  if constexpr (NamedEnum<T>) {
    field = parse_enum<T>(text, place);
  } else if constexpr (std::is_same_v<T, ByteSize>) {
    field.bytes = parse_size(text, place);
  } else if constexpr (requires {
                         typename T::value_type;
                         field.emplace();
                       }) {
    parse_option(text, place, field.emplace());
  } else if constexpr (std::is_assignable_v<T&, std::string> && !std::is_arithmetic_v<T>) {
    field = std::string(text);
  } else {
    parse_number(text, place, field);
  }
}

// What --help shows for a value of this type.
template <class T>
std::string type_label() {
  if constexpr (NamedEnum<T>) return join_names(enum_names<T>());
  if constexpr (std::is_same_v<T, ByteSize>) return "SIZE";
  if constexpr (std::is_same_v<T, std::filesystem::path>) return "PATH";
  if constexpr (std::is_integral_v<T>) return "N";
  if constexpr (std::is_floating_point_v<T>) return "X";
  if constexpr (std::is_same_v<T, std::string>)
    return "TEXT";
  else if constexpr (requires(T field) { field.emplace(); })
    return type_label<typename T::value_type>();
  return "TEXT";
}

template <class T>
std::string default_text(const T& field) {
  const Json value = option_to_json(field);
  if (value.is_null() || (value.is_string() && value.get<std::string>().empty())) return "";
  return value.is_string() ? value.get<std::string>() : value.dump();
}

template <class T>
CLI::Option* bind_field(CLI::App& app, const std::string& flag, T& field, const std::string& help) {
  if constexpr (std::is_same_v<T, bool>) {
    return app.add_flag(flag, field, help);
  } else if constexpr (requires {
                         field.push_back({});
                         field.clear();
                       } && !std::is_same_v<T, std::string>) {
    return app.add_option(flag, field, help);
  } else {
    const auto set = [&field, flag](const std::string& text) { parse_option(text, flag, field); };
    CLI::Option* option = app.add_option_function<std::string>(flag, set, help);
    option->type_name(type_label<T>());
    const std::string shown = default_text(field);
    if (!shown.empty()) option->default_str(shown);
    return option;
  }
}

template <class Options>
void bind_options(CLI::App& app, Options& options, const CommandShape& shape) {
  const auto holds = [](std::initializer_list<std::string_view> names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  visit(options, [&](std::string_view name, auto& field, std::string_view help) {
    const bool positional = holds(shape.positional, name);
    std::string flag = positional ? std::string(name) : "--" + std::string(name);
    if (name == "output") flag = "-o,--output";
    CLI::Option* option = bind_field(app, flag, field, std::string(help));
    constexpr bool kMayBeAbsent = requires { field.has_value(); };
    if ((positional && !kMayBeAbsent) || holds(shape.required, name)) option->required();
  });
}

}  // namespace pith

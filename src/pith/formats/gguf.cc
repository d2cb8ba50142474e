#include "pith/formats/gguf.h"

#include <cmath>
#include <limits>
#include <type_traits>

#include "pith/base/error.h"
#include "pith/formats/gguf_parse.h"

namespace pith {
namespace {

struct TypeName {
  std::string_view operator()(std::uint64_t) const { return "an integer"; }
  std::string_view operator()(std::int64_t) const { return "an integer"; }
  std::string_view operator()(double) const { return "a float"; }
  std::string_view operator()(bool) const { return "a boolean"; }
  std::string_view operator()(const std::string&) const { return "a string"; }
  std::string_view operator()(const std::vector<std::int64_t>&) const {
    return "an array of integers";
  }
  std::string_view operator()(const std::vector<double>&) const { return "an array of floats"; }
  std::string_view operator()(const std::vector<bool>&) const { return "an array of booleans"; }
  std::string_view operator()(const std::vector<std::string>&) const {
    return "an array of strings";
  }
};

[[noreturn]] void fail_value(const std::string& place,
                             std::string_view key,
                             std::string expected,
                             std::string_view found) {
  throw FormatError(ErrorParts{fmt::format("{}: metadata key '{}'", place, key),
                               std::move(expected),
                               std::string(found),
                               {}});
}

[[noreturn]] void fail_missing(const std::string& place, std::string_view key) {
  fail<FormatError>("{}: metadata key '{}' is missing", place, key);
}

template <class T>
const T& get_as(const GgufValue& value,
                const std::string& place,
                std::string_view key,
                std::string expected) {
  if (const T* held = std::get_if<T>(&value)) return *held;
  fail_value(place, key, std::move(expected), std::visit(TypeName{}, value));
}

template <class T>
T required(std::optional<T> value, const std::string& place, std::string_view key) {
  if (!value) fail_missing(place, key);
  return *std::move(value);
}

}  // namespace

GgufFile::GgufFile(const std::filesystem::path& path)
    : place_(path.string()), file_(std::make_shared<const MappedFile>(path)) {
  GgufContents contents = parse_gguf(file_->bytes(), place_);
  version_ = contents.version;
  metadata_ = std::move(contents.metadata);
  keys_ = std::move(contents.keys);
  tensors_ = std::move(contents.tensors);
  names_ = std::move(contents.names);
}

const GgufTensor* GgufFile::find(std::string_view name) const {
  const auto row = names_.find(std::string(name));
  return row == names_.end() ? nullptr : &tensors_[row->second];
}

const GgufValue* GgufFile::value(std::string_view key) const {
  const auto row = keys_.find(std::string(key));
  return row == keys_.end() ? nullptr : &metadata_[row->second].second;
}

bool GgufFile::has(std::string_view key) const { return value(key) != nullptr; }

std::optional<std::string> GgufFile::find_string(std::string_view key) const {
  const GgufValue* held = value(key);
  if (held == nullptr) return std::nullopt;
  return get_as<std::string>(*held, place_, key, "a string");
}

std::optional<std::int64_t> GgufFile::find_integer(std::string_view key,
                                                   std::int64_t low,
                                                   std::int64_t high) const {
  const GgufValue* held = value(key);
  if (held == nullptr) return std::nullopt;
  const std::string expected = fmt::format("an integer from {} to {}", low, high);
  std::int64_t found = 0;
  if (const auto* number = std::get_if<std::uint64_t>(held)) {
    if (*number > std::uint64_t{std::numeric_limits<std::int64_t>::max()})
      fail_value(place_, key, expected, fmt::format("{}", *number));
    found = static_cast<std::int64_t>(*number);
  } else {
    found = get_as<std::int64_t>(*held, place_, key, expected);
  }
  if (found < low || found > high) fail_value(place_, key, expected, fmt::format("{}", found));
  return found;
}

std::optional<std::int64_t> GgufFile::find_token_id(std::string_view key, std::int64_t last) const {
  constexpr std::int64_t kUnsetId = 0xffffffff;
  const std::optional<std::int64_t> id = find_integer(key, -1, kUnsetId);
  if (!id || *id == -1 || *id == kUnsetId) return std::nullopt;
  return find_integer(key, 0, last);
}

std::optional<double> GgufFile::find_number(std::string_view key) const {
  const GgufValue* held = value(key);
  if (held == nullptr) return std::nullopt;
  if (const auto* number = std::get_if<std::uint64_t>(held)) return static_cast<double>(*number);
  if (const auto* number = std::get_if<std::int64_t>(held)) return static_cast<double>(*number);
  const double found = get_as<double>(*held, place_, key, "a number");
  if (!std::isfinite(found)) fail_value(place_, key, "a finite number", fmt::format("{}", found));
  return found;
}

const std::vector<std::string>* GgufFile::find_strings(std::string_view key) const {
  const GgufValue* held = value(key);
  if (held == nullptr) return nullptr;
  return &get_as<std::vector<std::string>>(*held, place_, key, "an array of strings");
}

const std::vector<std::int64_t>* GgufFile::find_integers(std::string_view key) const {
  const GgufValue* held = value(key);
  if (held == nullptr) return nullptr;
  return &get_as<std::vector<std::int64_t>>(*held, place_, key, "an array of integers");
}

const std::vector<double>* GgufFile::find_numbers(std::string_view key) const {
  const GgufValue* held = value(key);
  if (held == nullptr) return nullptr;
  return &get_as<std::vector<double>>(*held, place_, key, "an array of floats");
}

std::string GgufFile::string(std::string_view key) const {
  return required(find_string(key), place_, key);
}

std::int64_t GgufFile::integer(std::string_view key, std::int64_t low, std::int64_t high) const {
  return required(find_integer(key, low, high), place_, key);
}

double GgufFile::number(std::string_view key) const {
  return required(find_number(key), place_, key);
}

bool GgufFile::boolean_or(std::string_view key, bool otherwise) const {
  const GgufValue* held = value(key);
  return held == nullptr ? otherwise : get_as<bool>(*held, place_, key, "a boolean");
}

}  // namespace pith

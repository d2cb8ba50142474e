#include <cmath>
#include <cstdint>

#include "pith/base/error.h"
#include "pith/base/json.h"

namespace pith {
namespace {

// A value as an error shows it.
std::string shown(const Json& value) {
  constexpr std::size_t kMaxShownBytes = 40;
  if (value.is_object()) return value.empty() ? "an empty object" : "an object";
  if (value.is_array()) return fmt::format("an array of {}", value.size());
  if (!value.is_string()) return value.dump();
  std::string text = value.get_ref<const std::string&>();
  const bool is_long = text.size() > kMaxShownBytes;
  if (is_long) {
    std::size_t end = kMaxShownBytes;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80)
      --end;  // not inside a character
    text.resize(end);
  }
  return Json(text + (is_long ? "..." : "")).dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

std::optional<JsonCursor> JsonCursor::find(std::string_view key) const {
  const auto* object = value_->get_ptr<const Json::object_t*>();
  if (object == nullptr) fail("an object");
  for (const auto& [name, value] : *object)
    if (name == key && !value.is_null())
      return JsonCursor(&value, place_, pointer_ + "/" + escaped_key(key));
  return std::nullopt;
}

bool JsonCursor::has(std::string_view key) const { return find(key).has_value(); }

JsonCursor JsonCursor::at(std::string_view key) const {
  if (auto found = find(key)) return *std::move(found);
  fail(fmt::format("a value for '{}'", key), "none");
}

JsonCursor::Items JsonCursor::items() const { return Items(*this); }
JsonCursor::Members JsonCursor::members() const { return Members(*this); }

JsonCursor::Items::Items(JsonCursor array)
    : array_(std::move(array)), values_(array_.value_->get_ptr<const Json::array_t*>()) {
  if (values_ == nullptr) array_.fail("an array");
}

JsonCursor JsonCursor::Items::operator[](std::size_t index) const {
  PITH_CHECK(index < size());
  return {&(*values_)[index], array_.place_, fmt::format("{}/{}", array_.pointer_, index)};
}

JsonCursor::Members::Members(JsonCursor object)
    : object_(std::move(object)), values_(object_.value_->get_ptr<const Json::object_t*>()) {
  if (values_ == nullptr) object_.fail("an object");
}

std::pair<std::string, JsonCursor> JsonCursor::Members::operator[](std::size_t index) const {
  PITH_CHECK(index < size());
  // The vector's elements: ordered_map's own operator[] looks for a key.
  const auto& [key, value] = *(values_->begin() + static_cast<std::ptrdiff_t>(index));
  return {key, JsonCursor(&value, object_.place_, object_.pointer_ + "/" + escaped_key(key))};
}

std::string JsonCursor::string() const {
  if (!value_->is_string()) fail("a string");
  return value_->get<std::string>();
}

bool JsonCursor::boolean() const {
  if (!value_->is_boolean()) fail("true or false");
  return value_->get<bool>();
}

double JsonCursor::number() const {
  if (!value_->is_number() || !std::isfinite(value_->get<double>())) fail("a number");
  return value_->get<double>();
}

std::int64_t JsonCursor::integer(std::int64_t low, std::int64_t high) const {
  const std::string expected = low == INT64_MIN || high == INT64_MAX
                                   ? fmt::format("an integer, at least {}", low)
                                   : fmt::format("an integer from {} to {}", low, high);
  std::int64_t value = 0;
  if (value_->is_number_unsigned()) {
    if (value_->get<std::uint64_t>() > static_cast<std::uint64_t>(INT64_MAX)) fail(expected);
    value = value_->get<std::int64_t>();
  } else if (value_->is_number_integer()) {
    value = value_->get<std::int64_t>();
  } else {
    // Python writes 1e6 where it computed an integer as a float; beyond 2^53 such a number is not
    // exact.
    const double real = value_->is_number_float() ? value_->get<double>() : NAN;
    if (!(std::abs(real) <= 0x1p53) || real != std::trunc(real)) fail(expected);
    value = static_cast<std::int64_t>(real);
  }
  if (value < low || value > high) fail(expected);
  return value;
}

std::string JsonCursor::string_or(std::string_view key, std::string otherwise) const {
  const auto found = find(key);
  return found ? found->string() : std::move(otherwise);
}

bool JsonCursor::boolean_or(std::string_view key, bool otherwise) const {
  const auto found = find(key);
  return found ? found->boolean() : otherwise;
}

double JsonCursor::number_or(std::string_view key, double otherwise) const {
  const auto found = find(key);
  return found ? found->number() : otherwise;
}

std::int64_t JsonCursor::integer_or(std::string_view key,
                                    std::int64_t otherwise,
                                    std::int64_t low,
                                    std::int64_t high) const {
  const auto found = find(key);
  return found ? found->integer(low, high) : otherwise;
}

void JsonCursor::fail(std::string_view expected) const { fail(expected, shown(*value_)); }

void JsonCursor::fail(std::string_view expected,
                      std::string_view found,
                      std::string_view remedy) const {
  throw FormatError(
      ErrorParts{.place = pointer_.empty() ? place() : fmt::format("{}: at {}", place(), pointer_),
                 .expected = std::string(expected),
                 .found = std::string(found),
                 .remedy = std::string(remedy)});
}

}  // namespace pith

// JSON documents: reading with limits and with the path of the offending value in each error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "pith/base/enum_table.h"

namespace pith {

using Json = nlohmann::ordered_json;  // keeps the order in which keys were written

// The largest tokenizer.json of a published model, Gemma 3's, has 33 MB and takes 190 MB by this
// count.
struct JsonLimits {
  std::size_t max_bytes = std::size_t{128} << 20;
  std::size_t max_depth = 64;
  std::size_t max_memory_bytes = std::size_t{256} << 20;  // of text and document together
};

// Parses one document. Rejects what breaks the limits, duplicate keys, invalid UTF-8 and trailing
// text; accepts the literals NaN and Infinity that Python writes (as null). `place` names the
// source in errors, which give line and column. Throws FormatError.
Json parse_json(std::string_view text, const std::string& place, const JsonLimits& limits = {});
Json read_json_file(const std::filesystem::path& path, const JsonLimits& limits = {});

// A key as it stands in a JSON pointer (RFC 6901).
std::string escaped_key(std::string_view key);

// A value and where it stands; every error says "config.json: at /rope_scaling/factor: expected
// ..., found ...". A null value counts as absent. Borrows the document.
class JsonCursor {
 public:
  class Items;
  class Members;

  JsonCursor(const Json& root, std::string place)
      : JsonCursor(&root, std::make_shared<const std::string>(std::move(place)), "") {}

  bool has(std::string_view key) const;       // present and not null
  JsonCursor at(std::string_view key) const;  // throws FormatError if absent
  std::optional<JsonCursor> find(std::string_view key) const;
  Items items() const;      // of an array
  Members members() const;  // of an object

  std::string string() const;
  bool boolean() const;
  double number() const;  // finite
  std::int64_t integer(std::int64_t low,
                       std::int64_t high) const;  // integral value within [low, high]

  template <NamedEnum E>
  E one_of() const {  // the value of a name in E's table
    const std::string name = string();
    if (const std::optional<E> value = find_enum<E>(name)) return *value;
    fail("one of " + join_names(enum_names<E>()), "'" + name + "'");
  }

  // The value under `key`, or `otherwise` when absent or null.
  std::string string_or(std::string_view key, std::string otherwise) const;
  bool boolean_or(std::string_view key, bool otherwise) const;
  double number_or(std::string_view key, double otherwise) const;
  std::int64_t integer_or(std::string_view key,
                          std::int64_t otherwise,
                          std::int64_t low,
                          std::int64_t high) const;

  const Json& json() const { return *value_; }
  const std::string& place() const { return *place_; }
  const std::string& pointer() const { return pointer_; }   // "/rope_scaling/factor"
  [[noreturn]] void fail(std::string_view expected) const;  // found: this value, shortened
  [[noreturn]] void fail(std::string_view expected,
                         std::string_view found,
                         std::string_view remedy = {}) const;

 private:
  JsonCursor(const Json* value, std::shared_ptr<const std::string> place, std::string pointer)
      : value_(value), place_(std::move(place)), pointer_(std::move(pointer)) {}
  const Json* value_;
  std::shared_ptr<const std::string> place_;
  std::string pointer_;
};

// Goes over what has size() and operator[].
template <class Range>
class IndexIterator {
 public:
  IndexIterator(const Range* range, std::size_t index) : range_(range), index_(index) {}
  auto operator*() const { return (*range_)[index_]; }
  IndexIterator& operator++() {
    ++index_;
    return *this;
  }
  bool operator==(const IndexIterator&) const = default;

 private:
  const Range* range_;
  std::size_t index_;
};

// Cursors of an array's items. Each is made when it is asked for, since it takes ten times the
// memory of the value: a file of zeros and commas must not make millions at once.
class JsonCursor::Items {
 public:
  explicit Items(JsonCursor array);
  std::size_t size() const { return values_->size(); }
  bool empty() const { return values_->empty(); }
  JsonCursor operator[](std::size_t index) const;
  JsonCursor front() const { return (*this)[0]; }
  IndexIterator<Items> begin() const { return {this, 0}; }
  IndexIterator<Items> end() const { return {this, size()}; }

 private:
  JsonCursor array_;
  const Json::array_t* values_;
};

// The same of an object's keys and values, in the order written.
class JsonCursor::Members {
 public:
  explicit Members(JsonCursor object);
  std::size_t size() const { return values_->size(); }
  bool empty() const { return values_->empty(); }
  std::pair<std::string, JsonCursor> operator[](std::size_t index) const;
  IndexIterator<Members> begin() const { return {this, 0}; }
  IndexIterator<Members> end() const { return {this, size()}; }

 private:
  JsonCursor object_;
  const Json::object_t* values_;
};

}  // namespace pith

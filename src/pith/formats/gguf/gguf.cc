#include "pith/formats/gguf/gguf.h"

#include <cmath>
#include <limits>
#include <type_traits>

#include "pith/base/error.h"
#include "pith/base/log.h"
#include "pith/formats/gguf/gguf_parse.h"
#include "pith/formats/gguf/gguf_split.h"

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

std::int64_t integer_of(const GgufValue& held,
                        const std::string& place,
                        std::string_view key,
                        std::int64_t low,
                        std::int64_t high) {
  const std::string expected = fmt::format("an integer from {} to {}", low, high);
  std::int64_t found = 0;
  if (const auto* number = std::get_if<std::uint64_t>(&held)) {
    if (*number > std::uint64_t{std::numeric_limits<std::int64_t>::max()})
      fail_value(place, key, expected, fmt::format("{}", *number));
    found = static_cast<std::int64_t>(*number);
  } else {
    found = get_as<std::int64_t>(held, place, key, expected);
  }
  if (found < low || found > high) fail_value(place, key, expected, fmt::format("{}", found));
  return found;
}

}  // namespace

struct GgufFile::Shard {
  explicit Shard(const std::filesystem::path& where)
      : path(where),
        file(std::make_shared<const MappedFile>(where)),
        contents(parse_gguf(file->bytes(), where.string())) {}

  std::optional<std::int64_t> integer(std::string_view key,
                                      std::int64_t low,
                                      std::int64_t high) const {
    const auto row = contents.keys.find(std::string(key));
    if (row == contents.keys.end()) return std::nullopt;
    return integer_of(contents.metadata[row->second].second, path.string(), key, low, high);
  }
  // The number of files of the model.
  std::size_t count() const {
    return static_cast<std::size_t>(integer(kSplitCountKey, 0, kMaxShards).value_or(1));
  }
  std::size_t index() const {
    const auto last = static_cast<std::int64_t>(count()) - 1;
    const auto found = integer(kSplitNumberKey, 0, last);
    return static_cast<std::size_t>(required(found, path.string(), kSplitNumberKey));
  }
  void expect(std::string_view key, std::size_t expected, std::size_t found) const {
    if (expected != found)
      fail_value(path.string(), key, fmt::format("{}", expected), fmt::format("{}", found));
  }

  std::filesystem::path path;
  std::shared_ptr<const MappedFile> file;
  GgufContents contents;
};

GgufFile::GgufFile(const std::filesystem::path& path) {
  Shard opened(path);
  const std::size_t count = opened.count();
  if (count > 1)
    open_split(std::move(opened), count);
  else
    take(std::move(opened));
}

void GgufFile::open_split(Shard opened, std::size_t count) {
  const std::size_t index = opened.index();
  const auto tensors = opened.integer(kSplitTensorsKey, 0, INT32_MAX);
  const std::filesystem::path asked = opened.path;
  const auto paths = find_gguf_shards(opened.path, index, count);
  for (std::size_t i = 0; i < count; ++i) {
    // NOLINTNEXTLINE(bugprone-use-after-move): moved for one i only
    Shard shard = i == index ? std::move(opened) : Shard(paths[i]);
    shard.expect(kSplitCountKey, count, shard.count());
    shard.expect(kSplitNumberKey, i, shard.index());
    take(std::move(shard));
  }
  const auto found = static_cast<std::int64_t>(tensors_.size());
  if (tensors.value_or(found) != found)
    throw FormatError(ErrorParts{asked.string(),
                                 fmt::format("{} tensors in all {} files", *tensors, count),
                                 fmt::format("{}", found),
                                 {}});
}

void GgufFile::take(Shard shard) {
  const bool first = paths_.empty();
  paths_.push_back(shard.path);
  if (tensors_.size() + shard.contents.tensors.size() > kMaxGgufTensors)
    fail<FormatError>("{}: expected at most {} tensors in all files of a split model, found more",
                      shard.path.string(),
                      kMaxGgufTensors);
  for (GgufTensor& tensor : shard.contents.tensors) {
    if (!names_.emplace(tensor.name, tensors_.size()).second)
      fail<FormatError>("{}: tensor '{}' is also in another file of this split model",
                        shard.path.string(),
                        tensor.name);
    tensor.file = shard.file;
    tensors_.push_back(std::move(tensor));
  }
  if (!first) return;  // the other files repeat metadata at most
  place_ = shard.path.string();
  version_ = shard.contents.version;
  metadata_ = std::move(shard.contents.metadata);
  values_ = std::move(shard.contents.values);
  keys_ = std::move(shard.contents.keys);
  file_ = std::move(shard.file);
}

const GgufTensor* GgufFile::find(std::string_view name) const {
  const auto row = names_.find(name);
  return row == names_.end() ? nullptr : &tensors_[row->second];
}

const GgufValue* GgufFile::value(std::string_view key) const {
  const auto row = keys_.find(key);
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
  return integer_of(*held, place_, key, low, high);
}

std::optional<std::int64_t> GgufFile::find_token_id(std::string_view key, std::int64_t last) const {
  constexpr std::int64_t kUnsetId = 0xffffffff;
  const std::optional<std::int64_t> id = find_integer(key, -1, kUnsetId);
  if (!id || *id == -1 || *id == kUnsetId) return std::nullopt;
  if (*id >= 0 && *id <= last) return id;
  log_warning(
      "{}: metadata key '{}': there is no token {}, as if it were absent", place_, key, *id);
  return std::nullopt;
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

#include "pith/formats/gguf/gguf_metadata.h"

#include <bit>
#include <type_traits>

#include "pith/base/error.h"
#include "pith/formats/gguf/gguf_values.h"

namespace pith {
namespace {

static_assert(std::endian::native == std::endian::little, "numbers are copied as they lie");

std::string typed(GgufValueType type) {
  std::string value;
  append_gguf_number(value, static_cast<std::uint32_t>(type));
  return value;
}

template <class T>
std::string number_value(GgufValueType type, T number) {
  std::string value = typed(type);
  append_gguf_number(value, number);
  return value;
}

std::string array_start(GgufValueType element, std::size_t count) {
  std::string value = typed(GgufValueType::kArray) + typed(element);
  append_gguf_number(value, std::uint64_t{count});
  return value;
}

template <class T>
std::string numbers_value(GgufValueType element, std::span<const T> numbers) {
  std::string value = array_start(element, numbers.size());
  value.append(reinterpret_cast<const char*>(numbers.data()), numbers.size_bytes());
  return value;
}

}  // namespace

void append_gguf_text(std::string& file, std::string_view text) {
  append_gguf_number(file, std::uint64_t{text.size()});
  file += text;
}

void GgufMetadata::set(std::string key, std::string value) {
  PITH_CHECK(!key.empty());
  if (!keys_.insert(key).second) fail<InternalError>("metadata key '{}' was set twice", key);
  entries_.push_back({std::move(key), std::move(value)});
}

void GgufMetadata::set_u16(std::string key, std::uint16_t value) {
  set(std::move(key), number_value(GgufValueType::kU16, value));
}
void GgufMetadata::set_u32(std::string key, std::uint32_t value) {
  set(std::move(key), number_value(GgufValueType::kU32, value));
}
void GgufMetadata::set_i32(std::string key, std::int32_t value) {
  set(std::move(key), number_value(GgufValueType::kI32, value));
}
void GgufMetadata::set_f32(std::string key, float value) {
  set(std::move(key), number_value(GgufValueType::kF32, value));
}
void GgufMetadata::set_bool(std::string key, bool value) {
  set(std::move(key), number_value(GgufValueType::kBool, std::uint8_t{value}));
}
void GgufMetadata::set_text(std::string key, std::string_view value) {
  std::string bytes = typed(GgufValueType::kString);
  append_gguf_text(bytes, value);
  set(std::move(key), std::move(bytes));
}
void GgufMetadata::set_u32s(std::string key, std::span<const std::uint32_t> values) {
  set(std::move(key), numbers_value(GgufValueType::kU32, values));
}
void GgufMetadata::set_i32s(std::string key, std::span<const std::int32_t> values) {
  set(std::move(key), numbers_value(GgufValueType::kI32, values));
}
void GgufMetadata::set_f32s(std::string key, std::span<const float> values) {
  set(std::move(key), numbers_value(GgufValueType::kF32, values));
}
void GgufMetadata::set_texts(std::string key, std::span<const std::string> values) {
  std::string bytes = array_start(GgufValueType::kString, values.size());
  for (const std::string& value : values) append_gguf_text(bytes, value);
  set(std::move(key), std::move(bytes));
}

void GgufMetadata::copy(const GgufFile& file, std::string_view prefix) {
  for (std::size_t i = 0; i < file.metadata().size(); ++i) {
    const std::string& key = file.metadata()[i].first;
    const std::span<const std::byte> value = file.raw_value(i);
    if (key.starts_with(prefix))
      set(key, {reinterpret_cast<const char*>(value.data()), value.size()});
  }
}

void GgufMetadata::append(const GgufMetadata& other) {
  for (const Entry& entry : other.entries_) set(entry.key, entry.value);
}

bool GgufMetadata::has(std::string_view key) const { return keys_.contains(key); }

void GgufMetadata::write_to(std::string& file) const {
  for (const Entry& entry : entries_) {
    append_gguf_text(file, entry.key);
    file += entry.value;
  }
}

}  // namespace pith

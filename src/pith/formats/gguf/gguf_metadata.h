// Metadata of a GGUF file that is to be written. Source: formats.md 4.1.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pith/formats/gguf/gguf.h"

namespace pith {

// Keys in the order in which they were set, each with its typed value. A key set twice is an
// InternalError.
class GgufMetadata {
 public:
  void set_u16(std::string key, std::uint16_t value);
  void set_u32(std::string key, std::uint32_t value);
  void set_i32(std::string key, std::int32_t value);
  void set_f32(std::string key, float value);
  void set_bool(std::string key, bool value);
  void set_text(std::string key, std::string_view value);
  void set_u32s(std::string key, std::span<const std::uint32_t> values);
  void set_i32s(std::string key, std::span<const std::int32_t> values);
  void set_f32s(std::string key, std::span<const float> values);
  void set_texts(std::string key, std::span<const std::string> values);  // any bytes

  // The entries of `file` whose keys begin with `prefix`, byte for byte.
  void copy(const GgufFile& file, std::string_view prefix);
  void append(const GgufMetadata& other);  // all its entries

  bool has(std::string_view key) const;
  std::size_t size() const { return entries_.size(); }
  void write_to(std::string& file) const;

 private:
  struct Entry {
    std::string key;
    std::string value;  // type and value as in the file
  };
  void set(std::string key, std::string value);
  std::vector<Entry> entries_;
  std::set<std::string, std::less<>> keys_;
};

// Little-endian numbers and strings as GGUF has them, appended to the text of a file.
template <class T>
  requires std::is_arithmetic_v<T>
void append_gguf_number(std::string& file, T value) {
  file.append(reinterpret_cast<const char*>(&value), sizeof(value));
}
void append_gguf_text(std::string& file, std::string_view text);

}  // namespace pith

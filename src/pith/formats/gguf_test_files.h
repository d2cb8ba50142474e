// GGUF files for tests, made byte by byte.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <string_view>
#include <unistd.h>
#include <vector>

namespace pith {

// Bytes that grow by little-endian numbers and GGUF strings.
class GgufBytes {
 public:
  template <class T>
  GgufBytes& number(T value) {
    const auto* data = reinterpret_cast<const std::byte*>(&value);
    bytes_.insert(bytes_.end(), data, data + sizeof(T));
    return *this;
  }
  GgufBytes& text(std::string_view value) {
    number(std::uint64_t{value.size()});
    const auto* data = reinterpret_cast<const std::byte*>(value.data());
    bytes_.insert(bytes_.end(), data, data + value.size());
    return *this;
  }
  GgufBytes& raw(std::span<const std::byte> bytes) {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    return *this;
  }
  GgufBytes& pad(std::size_t alignment) {
    while (bytes_.size() % alignment != 0) bytes_.push_back(std::byte{0});
    return *this;
  }
  const std::vector<std::byte>& bytes() const { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

// A whole file. Tensors hold zeros unless bytes are given; a second set of a key replaces the first.
class GgufBuilder {
 public:
  std::uint32_t version = 3;
  std::uint64_t alignment = 32;  // of the layout; the key is up to the test

  GgufBuilder& entry(std::string key, std::uint32_t type, GgufBytes value) {
    remove(key);
    entries_.push_back({std::move(key), type, std::move(value)});
    return *this;
  }
  GgufBuilder& remove(std::string_view key) {
    std::erase_if(entries_, [&](const Entry& e) { return e.key == key; });
    return *this;
  }
  GgufBuilder& u32(std::string key, std::uint32_t value) {
    return entry(std::move(key), 4, GgufBytes().number(value));
  }
  GgufBuilder& f32(std::string key, float value) {
    return entry(std::move(key), 6, GgufBytes().number(value));
  }
  GgufBuilder& boolean(std::string key, bool value) {
    return entry(std::move(key), 7, GgufBytes().number(static_cast<std::uint8_t>(value)));
  }
  GgufBuilder& text(std::string key, std::string_view value) {
    return entry(std::move(key), 8, GgufBytes().text(value));
  }
  GgufBuilder& texts(std::string key, const std::vector<std::string>& values) {
    GgufBytes array;
    array.number(std::uint32_t{8}).number(std::uint64_t{values.size()});
    for (const std::string& value : values) array.text(value);
    return entry(std::move(key), 9, std::move(array));
  }
  GgufBuilder& u32s(std::string key, const std::vector<std::uint32_t>& values) {
    GgufBytes array;
    array.number(std::uint32_t{4}).number(std::uint64_t{values.size()});
    for (const std::uint32_t value : values) array.number(value);
    return entry(std::move(key), 9, std::move(array));
  }
  // `dims` innermost first, as in the file.
  GgufBuilder& tensor(std::string name,
                      std::vector<std::uint64_t> dims,
                      std::uint32_t type,
                      std::vector<std::byte> data) {
    tensors_.push_back({std::move(name), std::move(dims), type, std::move(data)});
    return *this;
  }
  GgufBuilder& f32_tensor(std::string name, std::vector<std::uint64_t> dims) {
    std::size_t elements = 1;
    for (const std::uint64_t dim : dims) elements *= dim;
    return tensor(std::move(name), std::move(dims), 0, std::vector<std::byte>(elements * 4));
  }
  GgufBuilder& remove_tensor(std::string_view name) {
    std::erase_if(tensors_, [&](const Tensor& t) { return t.name == name; });
    return *this;
  }

  std::vector<std::byte> bytes() const {
    GgufBytes file;
    file.number(std::uint32_t{0x46554747}).number(version);
    file.number(std::uint64_t{tensors_.size()}).number(std::uint64_t{entries_.size()});
    for (const Entry& e : entries_) file.text(e.key).number(e.type).raw(e.value.bytes());
    std::uint64_t offset = 0;
    for (const Tensor& t : tensors_) {
      file.text(t.name).number(static_cast<std::uint32_t>(t.dims.size()));
      for (const std::uint64_t dim : t.dims) file.number(dim);
      file.number(t.type).number(offset);
      offset += (t.data.size() + alignment - 1) / alignment * alignment;
    }
    for (const Tensor& t : tensors_) file.pad(alignment).raw(t.data);
    file.pad(alignment);
    return file.bytes();
  }

 private:
  struct Entry {
    std::string key;
    std::uint32_t type;
    GgufBytes value;
  };
  struct Tensor {
    std::string name;
    std::vector<std::uint64_t> dims;
    std::uint32_t type;
    std::vector<std::byte> data;
  };
  std::vector<Entry> entries_;
  std::vector<Tensor> tensors_;
};

// A file of the running test with these bytes; removed with the object.
class TemporaryGguf {
 public:
  explicit TemporaryGguf(std::span<const std::byte> bytes)
      : path_(std::filesystem::temp_directory_path() / ("pith_" + std::to_string(getpid()) + ".gguf")) {
    std::ofstream out(path_, std::ios::binary);
    out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  }
  ~TemporaryGguf() { std::filesystem::remove(path_); }
  TemporaryGguf(const TemporaryGguf&) = delete;
  TemporaryGguf& operator=(const TemporaryGguf&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline std::filesystem::path golden_gguf(std::string_view name) {
  return std::filesystem::path(PITH_SOURCE_DIR) / "tests" / "golden" / "gguf" / name;
}

inline std::vector<std::byte> read_bytes(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  EXPECT_FALSE(text.empty()) << path;
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

// what() of the Error that `body` throws.
template <class E, class Body>
std::string message_of(Body&& body) {
  try {
    body();
  } catch (const E& error) {
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return {};
}

}  // namespace pith

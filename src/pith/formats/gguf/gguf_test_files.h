// GGUF files for tests, made byte by byte.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <unistd.h>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pith/base/error.h"
#include "pith/formats/gguf/gguf.h"
#include "pith/formats/gguf/gguf_parse.h"

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

// A whole file. Tensors hold zeros unless bytes are given; a second set of a key replaces the
// first.
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

// A file of its own with these bytes; removed with the object.
class TemporaryGguf {
 public:
  explicit TemporaryGguf(std::span<const std::byte> bytes) {
    std::string name = (std::filesystem::temp_directory_path() / "pith_XXXXXX").string();
    const int descriptor = mkstemp(name.data());
    EXPECT_GE(descriptor, 0) << name;
    close(descriptor);
    path_ = name;
    std::ofstream out(path_, std::ios::binary);
    out.write(reinterpret_cast<const char*>(bytes.data()),
              static_cast<std::streamsize>(bytes.size()));
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

inline nlohmann::json golden_json(std::string_view name) {
  std::ifstream in(golden_gguf(name));
  return nlohmann::json::parse(in);
}

// Two layers, hidden 8, 2 heads over 1 key head, feed-forward 12, 6 tokens, all in F32.
inline GgufBuilder small_llama() {
  GgufBuilder b;
  b.text("general.architecture", "llama").u32("llama.context_length", 32);
  b.u32("llama.embedding_length", 8).u32("llama.block_count", 2);
  b.u32("llama.feed_forward_length", 12).u32("llama.attention.head_count", 2);
  b.u32("llama.attention.head_count_kv", 1).f32("llama.attention.layer_norm_rms_epsilon", 0.25f);
  b.f32_tensor("token_embd.weight", {8, 6}).f32_tensor("output_norm.weight", {8});
  for (const std::string layer : {"blk.0.", "blk.1."}) {
    b.f32_tensor(layer + "attn_norm.weight", {8}).f32_tensor(layer + "attn_q.weight", {8, 8});
    b.f32_tensor(layer + "attn_k.weight", {8, 4}).f32_tensor(layer + "attn_v.weight", {8, 4});
    b.f32_tensor(layer + "attn_output.weight", {8, 8}).f32_tensor(layer + "ffn_norm.weight", {8});
    b.f32_tensor(layer + "ffn_gate.weight", {8, 12}).f32_tensor(layer + "ffn_up.weight", {8, 12});
    b.f32_tensor(layer + "ffn_down.weight", {12, 8});
  }
  return b;
}

inline DecoderSpec small_llama_spec() {
  DecoderSpec spec;
  spec.family = Family::kLlama;
  spec.vocab = 6;
  spec.hidden = 8;
  spec.context = 32;
  spec.layers.assign(2, {.heads = 2, .kv_heads = 1, .qk_dim = 4, .v_dim = 4, .ffn = 12});
  spec.norm_epsilon = 0.25;
  spec.tied_head = true;
  return spec;
}

inline DecoderSpec spec_of(const GgufBuilder& builder) {
  const TemporaryGguf file(builder.bytes());
  return spec_from_gguf(GgufFile(file.path()));
}

inline std::string spec_error(const GgufBuilder& builder) {
  return message_of<FormatError>([&] { spec_of(builder); });
}

// formats.md 4.1, byte for byte.
constexpr std::string_view kWorkedFile =
    "47475546030000000100000000000000"
    "03000000000000001400000000000000"
    "67656e6572616c2e6172636869746563"
    "74757265080000000500000000000000"
    "6c6c616d6111000000000000006c6c61"
    "6d612e626c6f636b5f636f756e740400"
    "0000020000000800000000000000742e"
    "6d657267657309000000080000000200"
    "00000000000003000000000000006120"
    "620400000000000000616220630800000000000000772e776569676874020000"
    "00200000000000000001000000000000"
    "00080000000000000000000000000000"
    "00000000000000000000000000000000"
    "d0238189919aa2aab2bac3cbd3dbe3ec"
    "f4fc040c141d252d353d464e565e666f"
    "777f0000000000000000000000000000"
    "00000000000000000000000000000000";

inline std::vector<std::byte> from_hex(std::string_view hex) {
  std::vector<std::byte> bytes;
  for (std::size_t i = 0; i < hex.size(); i += 2)
    bytes.push_back(static_cast<std::byte>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
  return bytes;
}

inline std::string parse_error(std::span<const std::byte> bytes) {
  return message_of<FormatError>([&] { parse_gguf(bytes, "m.gguf"); });
}

inline GgufBuilder all_values() {
  GgufBuilder b;
  b.entry("u8", 0, GgufBytes().number(std::uint8_t{200}));
  b.entry("i8", 1, GgufBytes().number(std::int8_t{-5}));
  b.entry("u16", 2, GgufBytes().number(std::uint16_t{60000}));
  b.entry("i16", 3, GgufBytes().number(std::int16_t{-300}));
  b.u32("u32", 4000000000u);
  b.entry("i32", 5, GgufBytes().number(std::int32_t{-70000}));
  b.f32("f32", 0.5f);
  b.boolean("yes", true);
  b.text("text", "gr\xc3\xbc\xc3\x9f");
  b.entry("u64", 10, GgufBytes().number(std::uint64_t{1} << 63));
  b.entry("i64", 11, GgufBytes().number(std::int64_t{-1} << 40));
  b.entry("f64", 12, GgufBytes().number(1e300));
  b.texts("texts", {"", "a b", "\xff"});
  b.u32s("u32s", {1, 4000000000u});
  b.entry("f32s",
          9,
          GgufBytes().number(std::uint32_t{6}).number(std::uint64_t{2}).number(1.5f).number(-2.0f));
  b.entry("bools",
          9,
          GgufBytes().number(std::uint32_t{7}).number(std::uint64_t{2}).number(std::uint16_t{1}));
  b.entry(
      "i8s",
      9,
      GgufBytes().number(std::uint32_t{1}).number(std::uint64_t{2}).number(std::uint16_t{0xff02}));
  b.entry("u64s",
          9,
          GgufBytes().number(std::uint32_t{10}).number(std::uint64_t{1}).number(std::uint64_t{7}));
  b.entry("empty", 9, GgufBytes().number(std::uint32_t{12}).number(std::uint64_t{0}));
  b.f32_tensor("a", {3, 2}).f32_tensor("b", {5}).f32_tensor("scalar", {});
  return b;
}

inline GgufFile open(const GgufBuilder& builder) {
  const TemporaryGguf file(builder.bytes());
  return GgufFile(file.path());  // the mapping outlives the name
}

}  // namespace pith

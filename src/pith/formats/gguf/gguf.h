// GGUF files, versions 2 and 3. Source: formats.md 4.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "pith/base/mapped_file.h"
#include "pith/codec/encoding.h"
#include "pith/formats/spec.h"

namespace pith {

// Arrays keep their element type: numbers as int64 or double, else strings or booleans.
using GgufValue = std::variant<std::uint64_t,
                               std::int64_t,
                               double,
                               bool,
                               std::string,
                               std::vector<std::int64_t>,
                               std::vector<double>,
                               std::vector<bool>,
                               std::vector<std::string>>;

struct GgufTensor {
  std::string name;
  std::vector<std::int64_t>
      shape;                  // outermost first (turned round from the file), as everywhere in Pith
  std::uint32_t type_id = 0;  // as in the file
  std::optional<Encoding>
      encoding;  // nullopt: a type that this version does not decode (`type_name` says which)
  std::string type_name;
  std::span<const std::byte> bytes;
  std::shared_ptr<const MappedFile> file;  // keeps `bytes` alive
};

// Opens and checks a file by every rule of formats.md 4.1; of a split model, all of its files,
// whichever of them `path` is. Throws FormatError.
class GgufFile {
 public:
  explicit GgufFile(const std::filesystem::path& path);

  const std::string& place() const { return place_; }  // the first file of a split model
  const std::vector<std::filesystem::path>& paths() const { return paths_; }
  std::uint32_t version() const { return version_; }
  const std::vector<std::pair<std::string, GgufValue>>& metadata() const { return metadata_; }
  const std::vector<GgufTensor>& tensors() const { return tensors_; }
  const GgufTensor* find(std::string_view name) const;
  // Type and value of metadata()[index] as they lie in the file.
  std::span<const std::byte> raw_value(std::size_t index) const { return values_[index]; }

  bool has(std::string_view key) const;
  // Values by key; a FormatError names the key when it is missing or of another type.
  std::string string(std::string_view key) const;
  std::int64_t integer(std::string_view key, std::int64_t low, std::int64_t high) const;
  double number(std::string_view key) const;
  bool boolean_or(std::string_view key, bool otherwise) const;
  std::optional<std::string> find_string(std::string_view key) const;
  std::optional<std::int64_t> find_integer(std::string_view key,
                                           std::int64_t low,
                                           std::int64_t high) const;
  std::optional<double> find_number(std::string_view key) const;
  // An id from 0 to `last`; nullopt also for -1 and 2^32 - 1, by which writers say "none".
  std::optional<std::int64_t> find_token_id(std::string_view key, std::int64_t last) const;
  const std::vector<std::string>* find_strings(std::string_view key) const;
  const std::vector<std::int64_t>* find_integers(std::string_view key) const;
  const std::vector<double>* find_numbers(std::string_view key) const;

 private:
  const GgufValue* value(std::string_view key) const;
  struct Shard;
  void open_split(Shard opened, std::size_t count);
  void take(Shard shard);
  std::string place_;
  std::vector<std::filesystem::path> paths_;
  std::uint32_t version_ = 3;
  std::vector<std::pair<std::string, GgufValue>> metadata_;
  std::map<std::string, std::size_t, std::less<>> keys_, names_;
  std::vector<std::span<const std::byte>> values_;
  std::vector<GgufTensor> tensors_;
  std::shared_ptr<const MappedFile> file_;  // of the metadata
};

// The network that the metadata describe. `general.architecture` llama, gpt2, qwen2, qwen3 (mistral
// files say llama); llama3 RoPE scaling is recovered from rope_freqs.weight as explicit factors
// when the parameters fit, else refused.
DecoderSpec spec_from_gguf(const GgufFile& gguf);

}  // namespace pith

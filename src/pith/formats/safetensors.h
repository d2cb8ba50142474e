// safetensors: lazy memory-mapped reader, streaming writer. Source: formats.md 1.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pith/base/atomic_file.h"
#include "pith/base/mapped_file.h"
#include "pith/codec/dtype.h"

namespace pith {

struct TensorSpec {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<std::int64_t> shape;
  std::uint64_t bytes() const;  // of a valid spec
  bool operator==(const TensorSpec&) const = default;
};

struct StoredTensor {
  TensorSpec spec;
  std::span<const std::byte> bytes;        // no alignment promised
  std::shared_ptr<const MappedFile> file;  // keeps `bytes` alive
};

// One file, or all shards that an index names. Every rule of formats.md 1.4 and 1.7 is checked on
// opening.
class SafetensorsReader {
 public:
  static SafetensorsReader open_file(const std::filesystem::path& path);
  // model.safetensors of the folder, else model.safetensors.index.json with its shards. FormatError
  // names a missing shard.
  static SafetensorsReader open_folder(const std::filesystem::path& folder);

  const std::map<std::string, StoredTensor, std::less<>>& tensors() const { return tensors_; }
  const StoredTensor* find(std::string_view name) const;
  const StoredTensor& at(
      std::string_view name) const;  // FormatError "folder: tensor 'x' is missing"
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  const std::vector<std::filesystem::path>& files() const { return files_; }

 private:
  void add_file(const std::filesystem::path& path);
  std::filesystem::path place_;
  std::map<std::string, StoredTensor, std::less<>> tensors_;
  std::map<std::string, std::string> metadata_;
  std::vector<std::filesystem::path> files_;
};

// Whether a file of a folder lies in it, or is a link to where download caches keep their files:
// beside snapshots/REVISION, which is the folder, in blobs. FormatError if the link leads nowhere.
bool stays_in_folder(const std::filesystem::path& folder, const std::string& name);

// Writes model.safetensors, or shards and their index when the tensors exceed `shard_bytes`. All
// tensors are declared first, so headers are exact and the disk space is reserved before any work;
// then they are written in any order, whole or in pieces, and nothing is held. Tensors keep the
// given order over the shards; inside a shard they lie by alignment, then name.
class SafetensorsWriter {
 public:
  SafetensorsWriter(std::filesystem::path folder,
                    std::vector<TensorSpec> tensors,
                    std::uint64_t shard_bytes);
  ~SafetensorsWriter();
  void write(std::string_view name, std::span<const std::byte> bytes);  // whole
  void write_part(std::string_view name,
                  std::uint64_t offset,
                  std::span<const std::byte> bytes);  // a piece
  void finish();  // InternalError if bytes are missing; syncs the files and writes the index
  std::uint64_t file_bytes() const;  // of all shards with headers, index included

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace pith

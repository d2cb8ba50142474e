// Writes GGUF files, version 3. Source: formats.md 4.1, 4.3.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pith/codec/encoding.h"
#include "pith/formats/gguf/gguf_metadata.h"

namespace pith {

struct GgufTensorSpec {
  std::string name;                 // at most 63 bytes
  std::vector<std::int64_t> shape;  // outermost first; 1 to 4 dimensions
  Encoding encoding;                // dense or ggml; UserError for others
  std::uint64_t bytes() const;      // UserError if rows are not whole blocks
};

// Writes `path`, or, when the tensors exceed `shard_bytes`, NAME-00001-of-0000N.gguf and so on
// beside each other for a path NAME.gguf. All tensors are declared first, so the disk is reserved
// before any work; then they are written in any order, whole or in pieces, and nothing is held.
// They lie in the order given, 32 bytes aligned; the metadata are in the first shard. Existing
// files are replaced by finish(); without it nothing stays.
class GgufFileWriter {
 public:
  GgufFileWriter(const std::filesystem::path& path,
                 const GgufMetadata& metadata,
                 const std::vector<GgufTensorSpec>& tensors,
                 std::optional<std::uint64_t> shard_bytes = std::nullopt);
  ~GgufFileWriter();
  void write(std::string_view name, std::span<const std::byte> bytes);  // whole
  void write_part(std::string_view name,
                  std::uint64_t offset,
                  std::span<const std::byte> bytes);  // a piece
  void finish();                                      // InternalError if bytes are missing
  std::uint64_t file_bytes() const;                   // of all shards
  const std::vector<std::filesystem::path>& files() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace pith

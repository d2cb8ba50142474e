#include "pith/formats/gguf/gguf_writer.h"

#include <unordered_map>
#include <unordered_set>

#include "pith/base/atomic_file.h"
#include "pith/base/error.h"
#include "pith/base/size.h"
#include "pith/formats/gguf/gguf_split.h"
#include "pith/formats/gguf/gguf_types.h"

namespace pith {
namespace fs = std::filesystem;
namespace {

constexpr std::uint64_t kAlignment = 32;  // the format's default, so that no key need say it
constexpr std::uint32_t kVersion = 3;
constexpr std::size_t kMaxNameBytes = 63;  // ggml keeps tensor names in char[64]
constexpr std::size_t kMaxDimensions = 4;

std::uint64_t padded(std::uint64_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

struct PlacedTensor {
  const GgufTensorSpec* spec = nullptr;
  std::uint64_t bytes = 0;
  std::uint64_t offset = 0;  // from the start of the shard's tensor data
};

struct Shard {
  std::vector<PlacedTensor> tensors;
  std::uint64_t data_bytes = 0;
  fs::path path;
  std::string prologue;  // all before the tensor data
  std::uint64_t file_bytes() const { return prologue.size() + data_bytes; }
};

void check(const std::vector<GgufTensorSpec>& tensors) {
  std::unordered_set<std::string_view> names;
  for (const GgufTensorSpec& tensor : tensors) {
    PITH_CHECK(!tensor.name.empty() && tensor.name.size() <= kMaxNameBytes);
    PITH_CHECK(!tensor.shape.empty() && tensor.shape.size() <= kMaxDimensions);
    if (!names.insert(tensor.name).second)
      fail<InternalError>("tensor '{}' was declared twice to the writer", tensor.name);
  }
}

// Fills shards in the given order, a new one whenever the next tensor would exceed the limit.
std::vector<Shard> divide(const std::vector<GgufTensorSpec>& tensors,
                          std::optional<std::uint64_t> shard_bytes) {
  std::vector<Shard> shards(1);
  for (const GgufTensorSpec& tensor : tensors) {
    const std::uint64_t bytes = tensor.bytes();
    const bool full = shard_bytes && shards.back().data_bytes + padded(bytes) > *shard_bytes;
    if (full && !shards.back().tensors.empty()) shards.emplace_back();
    Shard& shard = shards.back();
    shard.tensors.push_back({&tensor, bytes, shard.data_bytes});
    shard.data_bytes += padded(bytes);
  }
  require(shards.size() <= kMaxShards,
          "shards of {}: expected at most {} of them, found {}; choose a larger size",
          format_size(shard_bytes.value_or(0)),
          kMaxShards,
          shards.size());
  return shards;
}

// Header, metadata, tensor infos and the padding after them.
std::string prologue_of(const Shard& shard, const GgufMetadata& metadata) {
  std::string text = "GGUF";
  append_gguf_number(text, kVersion);
  append_gguf_number(text, std::uint64_t{shard.tensors.size()});
  append_gguf_number(text, std::uint64_t{metadata.size()});
  metadata.write_to(text);
  for (const PlacedTensor& tensor : shard.tensors) {
    const std::vector<std::int64_t>& shape = tensor.spec->shape;
    append_gguf_text(text, tensor.spec->name);
    append_gguf_number(text, static_cast<std::uint32_t>(shape.size()));
    for (auto size = shape.rbegin(); size != shape.rend(); ++size)
      append_gguf_number(text, static_cast<std::uint64_t>(*size));
    append_gguf_number(text, gguf_type_of(tensor.spec->encoding).id);
    append_gguf_number(text, tensor.offset);
  }
  text.resize(padded(text.size()), '\0');
  return text;
}

void lay_out(std::vector<Shard>& shards,
             const fs::path& path,
             const GgufMetadata& metadata,
             std::size_t tensor_count) {
  for (std::size_t i = 0; i < shards.size(); ++i) {
    GgufMetadata own;
    if (i == 0) own = metadata;
    const bool split = shards.size() > 1;
    if (split) {
      own.set_u16(std::string(kSplitNumberKey), static_cast<std::uint16_t>(i));
      own.set_u16(std::string(kSplitCountKey), static_cast<std::uint16_t>(shards.size()));
      own.set_i32(std::string(kSplitTensorsKey), static_cast<std::int32_t>(tensor_count));
    }
    shards[i].path = split ? gguf_shard_path(path, i, shards.size()) : path;
    shards[i].prologue = prologue_of(shards[i], own);
  }
}

}  // namespace

std::uint64_t GgufTensorSpec::bytes() const {
  const GgufType& type = gguf_type_of(encoding);
  const auto row = static_cast<std::uint64_t>(shape.back());
  require(row % type.block_elements == 0,
          "tensor '{}': rows of {} are not whole {} blocks of {}",
          name,
          row,
          type.name,
          type.block_elements);
  std::uint64_t blocks = row / type.block_elements;
  for (std::size_t i = 0; i + 1 < shape.size(); ++i) blocks *= static_cast<std::uint64_t>(shape[i]);
  return blocks * type.block_bytes;
}

struct GgufFileWriter::State {
  struct Target {
    AtomicFile* file = nullptr;
    std::uint64_t start = 0, bytes = 0, written = 0;
  };
  Target& target(std::string_view name) {
    const auto found = targets.find(std::string(name));
    if (found == targets.end())
      fail<InternalError>("tensor '{}' was not declared to the writer", name);
    return found->second;
  }
  void open(const Shard& shard) {
    AtomicFile& file = *files.emplace_back(std::make_unique<AtomicFile>(shard.path));
    file.reserve(shard.file_bytes());
    file.write(shard.prologue);
    // The padding of the last tensor ends the file; all other gaps are holes, which read as zeros.
    if (shard.data_bytes > 0)
      file.write_at(shard.file_bytes() - 1, std::as_bytes(std::span("", 1)));
    for (const PlacedTensor& tensor : shard.tensors)
      targets[tensor.spec->name] = {&file, shard.prologue.size() + tensor.offset, tensor.bytes, 0};
    paths.push_back(shard.path);
    file_bytes += shard.file_bytes();
  }

  std::vector<std::unique_ptr<AtomicFile>> files;
  std::vector<fs::path> paths;
  std::unordered_map<std::string, Target> targets;
  std::uint64_t file_bytes = 0;
};

GgufFileWriter::GgufFileWriter(const fs::path& path,
                               const GgufMetadata& metadata,
                               const std::vector<GgufTensorSpec>& tensors,
                               std::optional<std::uint64_t> shard_bytes)
    : state_(std::make_unique<State>()) {
  check(tensors);
  std::vector<Shard> shards = divide(tensors, shard_bytes);
  lay_out(shards, path, metadata, tensors.size());
  for (const Shard& shard : shards) state_->open(shard);
}

GgufFileWriter::~GgufFileWriter() = default;

void GgufFileWriter::write(std::string_view name, std::span<const std::byte> bytes) {
  const std::uint64_t expected = state_->target(name).bytes;
  if (bytes.size() != expected)
    fail<InternalError>(
        "tensor '{}' was declared with {} bytes and written with {}", name, expected, bytes.size());
  write_part(name, 0, bytes);
}

void GgufFileWriter::write_part(std::string_view name,
                                std::uint64_t offset,
                                std::span<const std::byte> bytes) {
  State::Target& target = state_->target(name);
  if (offset > target.bytes || bytes.size() > target.bytes - offset)
    fail<InternalError>("a piece of tensor '{}' of {} bytes at {} leaves its {} bytes",
                        name,
                        bytes.size(),
                        offset,
                        target.bytes);
  target.file->write_at(target.start + offset, bytes);
  target.written += bytes.size();
}

void GgufFileWriter::finish() {
  for (const auto& [name, target] : state_->targets)
    if (target.written != target.bytes)
      fail<InternalError>(
          "{} of {} bytes of tensor '{}' were written", target.written, target.bytes, name);
  for (const auto& file : state_->files) file->commit();
}

std::uint64_t GgufFileWriter::file_bytes() const { return state_->file_bytes; }
const std::vector<fs::path>& GgufFileWriter::files() const { return state_->paths; }

}  // namespace pith

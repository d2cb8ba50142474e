#include <algorithm>
#include <cstddef>
#include <numeric>
#include <unordered_map>

#include "pith/base/json.h"
#include "pith/base/size.h"
#include "pith/formats/safetensors.h"
#include "pith/formats/safetensors_header.h"

namespace pith {
namespace fs = std::filesystem;
namespace {

// The reference writer's order of types: wider first, so that every tensor is naturally aligned.
// Source: formats.md 1.2.
constexpr DType kAlignmentOrder[] = {DType::kBool,
                                     DType::kU8,
                                     DType::kI8,
                                     DType::kF8E5M2,
                                     DType::kF8E4M3,
                                     DType::kI16,
                                     DType::kU16,
                                     DType::kF16,
                                     DType::kBF16,
                                     DType::kI32,
                                     DType::kU32,
                                     DType::kF32,
                                     DType::kF64,
                                     DType::kI64,
                                     DType::kU64};

std::size_t alignment_rank(DType dtype) {
  return static_cast<std::size_t>(
      std::find(std::begin(kAlignmentOrder), std::end(kAlignmentOrder), dtype) -
      std::begin(kAlignmentOrder));
}

struct Shard {
  std::string name;
  std::vector<HeaderTensor> tensors;
  std::uint64_t tensor_bytes = 0;
  std::string prologue;
  std::uint64_t file_bytes() const { return prologue.size() + tensor_bytes; }
};

// Fills shards in the given order, a new one whenever the next tensor would exceed the limit.
std::vector<Shard> divide(std::vector<TensorSpec> tensors, std::uint64_t shard_bytes) {
  std::vector<Shard> shards(1);
  for (TensorSpec& tensor : tensors) {
    const std::uint64_t bytes = tensor.bytes();
    Shard* shard = &shards.back();
    const bool full = shard->tensor_bytes + bytes > shard_bytes;
    if (full && !shard->tensors.empty()) shard = &shards.emplace_back();
    shard->tensor_bytes += bytes;
    shard->tensors.push_back({std::move(tensor), 0, 0});
  }
  return shards;
}

void lay_out(Shard& shard, const fs::path& folder) {
  std::sort(
      shard.tensors.begin(), shard.tensors.end(), [](const HeaderTensor& a, const HeaderTensor& b) {
        const std::size_t rank_a = alignment_rank(a.spec.dtype),
                          rank_b = alignment_rank(b.spec.dtype);
        return rank_a != rank_b ? rank_a > rank_b : a.spec.name < b.spec.name;
      });
  std::uint64_t offset = 0;
  for (HeaderTensor& tensor : shard.tensors) {
    tensor.begin = offset;
    tensor.end = offset += tensor.spec.bytes();
  }
  shard.prologue = safetensors_prologue(shard.tensors, (folder / shard.name).string());
}

// The text of the index file as transformers writes it; empty for a single file.
std::string index_text(const std::vector<Shard>& shards) {
  if (shards.size() == 1) return {};
  std::uint64_t total = 0;
  std::map<std::string, std::string> shard_of;
  for (const Shard& shard : shards) {
    total += shard.tensor_bytes;
    for (const HeaderTensor& tensor : shard.tensors) shard_of[tensor.spec.name] = shard.name;
  }
  std::string text = fmt::format(
      "{{\n  \"metadata\": {{\n    \"total_size\": {}\n  }},\n  \"weight_map\": {{", total);
  const char* separator = "\n";
  for (const auto& [tensor, shard] : shard_of) {
    text += fmt::format("{}    {}: \"{}\"", separator, Json(tensor).dump(), shard);
    separator = ",\n";
  }
  return text + "\n  }\n}\n";
}

void check_free_disk(const fs::path& folder, std::uint64_t needed) {
  std::error_code error;
  const fs::space_info space = fs::space(folder, error);
  if (error)
    fail<FormatError>("{}: cannot tell the free disk space: {}", folder.string(), error.message());
  if (space.available >= needed) return;
  throw FormatError(ErrorParts{folder.string(),
                               format_size(needed) + " of free disk for the weights",
                               format_size(space.available),
                               "free some space or choose another disk"});
}

}  // namespace

struct SafetensorsWriter::State {
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

  fs::path folder;
  std::vector<std::unique_ptr<AtomicFile>> files;
  std::unordered_map<std::string, Target> targets;
  std::string index;
  std::uint64_t file_bytes = 0;
};

SafetensorsWriter::SafetensorsWriter(fs::path folder,
                                     std::vector<TensorSpec> tensors,
                                     std::uint64_t shard_bytes)
    : state_(std::make_unique<State>()) {
  std::vector<Shard> shards = divide(std::move(tensors), shard_bytes);
  for (std::size_t i = 0; i < shards.size(); ++i) {
    shards[i].name = shards.size() == 1
                         ? "model.safetensors"
                         : fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, shards.size());
    lay_out(shards[i], folder);
    state_->file_bytes += shards[i].file_bytes();
  }
  state_->index = index_text(shards);
  state_->file_bytes += state_->index.size();
  check_free_disk(folder, state_->file_bytes);
  for (const Shard& shard : shards) {
    AtomicFile& file =
        *state_->files.emplace_back(std::make_unique<AtomicFile>(folder / shard.name));
    file.reserve(shard.file_bytes());
    file.write(shard.prologue);
    for (const HeaderTensor& tensor : shard.tensors) {
      const State::Target target{
          &file, shard.prologue.size() + tensor.begin, tensor.end - tensor.begin, 0};
      if (!state_->targets.emplace(tensor.spec.name, target).second)
        fail<InternalError>("tensor '{}' was declared twice to the writer", tensor.spec.name);
    }
  }
  state_->folder = std::move(folder);
}

SafetensorsWriter::~SafetensorsWriter() = default;

void SafetensorsWriter::write(std::string_view name, std::span<const std::byte> bytes) {
  const std::uint64_t expected = state_->target(name).bytes;
  if (bytes.size() != expected)
    fail<InternalError>(
        "tensor '{}' was declared with {} bytes and written with {}", name, expected, bytes.size());
  write_part(name, 0, bytes);
}

void SafetensorsWriter::write_part(std::string_view name,
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

void SafetensorsWriter::finish() {
  for (const auto& [name, target] : state_->targets)
    if (target.written != target.bytes)
      fail<InternalError>(
          "{} of {} bytes of tensor '{}' were written", target.written, target.bytes, name);
  for (const auto& file : state_->files) file->commit();
  if (!state_->index.empty())
    write_file_atomically(state_->folder / "model.safetensors.index.json", state_->index);
}

std::uint64_t SafetensorsWriter::file_bytes() const { return state_->file_bytes; }

}  // namespace pith

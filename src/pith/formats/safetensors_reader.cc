#include <algorithm>
#include <map>
#include <set>

#include "pith/base/json.h"
#include "pith/formats/safetensors.h"
#include "pith/formats/safetensors_header.h"

namespace pith {
namespace fs = std::filesystem;
namespace {

constexpr const char* kSingleName = "model.safetensors";
constexpr const char* kIndexName = "model.safetensors.index.json";

std::uint64_t load_le64(std::span<const std::byte> bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < 8; ++i) value |= std::to_integer<std::uint64_t>(bytes[i]) << (8 * i);
  return value;
}

// The header text of a file, its length checked before anything else is done with it.
std::string_view header_text(std::span<const std::byte> file, const std::string& place) {
  if (file.size() < kHeaderLengthBytes)
    throw FormatError(ErrorParts{
        place, "at least 8 bytes", fmt::format("{}", file.size()), "not a safetensors file"});
  const std::uint64_t length = load_le64(file);
  const std::uint64_t limit =
      std::min<std::uint64_t>(file.size() - kHeaderLengthBytes, kMaxHeaderBytes);
  if (length > limit)
    throw FormatError(ErrorParts{place,
                                 fmt::format("a header of at most {} bytes", limit),
                                 fmt::format("a length of {}", length),
                                 "cut off, or not a safetensors file"});
  return {reinterpret_cast<const char*>(file.data() + kHeaderLengthBytes), length};
}

// Only a plain base name: the index must not lead out of its folder.
std::string shard_name(const JsonCursor& value) {
  const std::string name = value.string();
  const bool plain = !name.empty() && name.front() != '.' && name.find('/') == std::string::npos &&
                     name.find('\\') == std::string::npos && name.find('\0') == std::string::npos;
  if (!plain) value.fail("the name of a file in the same folder", Json(name).dump());
  return name;
}

void check_link(const fs::path& folder, const std::string& shard) {
  if (stays_in_folder(folder, shard)) return;
  throw FormatError(ErrorParts{(folder / shard).string(),
                               "a file in the folder itself or in a download cache",
                               "a link to " + fs::canonical(folder / shard).string(),
                               "put the file in its place if you trust it"});
}

// The index of the largest published models has some 10 MB.
constexpr JsonLimits kIndexLimits{.max_bytes = std::size_t{64} << 20,
                                  .max_memory_bytes = std::size_t{160} << 20};

// Shard -> its tensors.
using ShardMap = std::map<std::string, std::set<std::string>>;

ShardMap read_shard_map(const JsonCursor& weight_map) {
  if (!weight_map.json().is_object() || weight_map.json().empty())
    weight_map.fail("an object with a file for each tensor");
  if (weight_map.json().size() > kMaxTensors)
    weight_map.fail(fmt::format("at most {} tensors", kMaxTensors),
                    fmt::format("{}", weight_map.json().size()));
  ShardMap shards;
  for (const auto& [name, value] : weight_map.members()) shards[shard_name(value)].insert(name);
  return shards;
}

void check_shard_exists(const fs::path& folder, const std::string& shard) {
  std::error_code ignored;
  if (!fs::exists(folder / shard, ignored))
    throw FormatError(ErrorParts{folder.string(),
                                 fmt::format("the shard {} that {} names", shard, kIndexName),
                                 "no such file",
                                 "the download may be incomplete"});
  check_link(folder, shard);
}

// A shard holds what the index says it does, and nothing else.
void check_shard(const SafetensorsReader& part,
                 const ShardMap::value_type& expected,
                 const fs::path& folder) {
  const auto& [shard, names] = expected;
  for (const std::string& name : names)
    if (!part.find(name))
      throw FormatError(
          ErrorParts{fmt::format("{}: at /weight_map/{}", (folder / kIndexName).string(), name),
                     fmt::format("the tensor in {}", shard),
                     "no such tensor there",
                     ""});
  for (const auto& [name, tensor] : part.tensors())
    if (!names.contains(name))
      throw FormatError(ErrorParts{fmt::format("{}: tensor '{}'", (folder / shard).string(), name),
                                   fmt::format("{} to name this file for it", kIndexName),
                                   "nothing or another file",
                                   "shard and index are not of the same model"});
}

[[noreturn]] void fail_without_weights(const fs::path& folder) {
  std::error_code ignored;
  const bool pickled = fs::exists(folder / "pytorch_model.bin", ignored) ||
                       fs::exists(folder / "pytorch_model.bin.index.json", ignored);
  throw FormatError(ErrorParts{folder.string(),
                               fmt::format("{} or {}", kSingleName, kIndexName),
                               pickled ? "pytorch_model.bin" : "neither",
                               pickled ? "Pith does not open pickle files, since loading them runs "
                                         "code; save the model as safetensors"
                                       : ""});
}

}  // namespace

bool stays_in_folder(const fs::path& folder, const std::string& name) {
  std::error_code error;
  if (!fs::is_symlink(fs::symlink_status(folder / name, error))) return true;
  const fs::path target = fs::canonical(folder / name, error), home = fs::canonical(folder);
  if (error)
    fail<FormatError>("{}: cannot follow this link: {}", (folder / name).string(), error.message());
  return target.parent_path() == home ||
         target.parent_path() == home.parent_path().parent_path() / "blobs";
}

std::uint64_t TensorSpec::bytes() const {
  std::uint64_t bytes = size_of(dtype);
  for (const std::int64_t dimension : shape) bytes *= static_cast<std::uint64_t>(dimension);
  return bytes;
}

void SafetensorsReader::add_file(const fs::path& path) {
  const auto file = std::make_shared<const MappedFile>(path);
  const std::string place = path.string();
  const std::string_view text = header_text(file->bytes(), place);
  const auto buffer = file->bytes().subspan(kHeaderLengthBytes + text.size());
  SafetensorsHeader header = parse_safetensors_header(text, buffer.size(), place);
  for (HeaderTensor& tensor : header.tensors) {
    const auto bytes = buffer.subspan(tensor.begin, tensor.end - tensor.begin);
    std::string name = tensor.spec.name;
    tensors_.insert_or_assign(std::move(name), StoredTensor{std::move(tensor.spec), bytes, file});
  }
  metadata_.merge(header.metadata);
  files_.push_back(path);
}

SafetensorsReader SafetensorsReader::open_file(const fs::path& path) {
  SafetensorsReader reader;
  reader.place_ = path;
  reader.add_file(path);
  return reader;
}

SafetensorsReader SafetensorsReader::open_folder(const fs::path& folder) {
  std::error_code ignored;
  if (fs::exists(fs::symlink_status(folder / kSingleName, ignored)))
    return open_file(folder / kSingleName);
  const fs::path index_path = folder / kIndexName;
  if (!fs::exists(fs::symlink_status(index_path, ignored))) fail_without_weights(folder);
  const Json index = read_json_file(index_path, kIndexLimits);
  const ShardMap shards = read_shard_map(JsonCursor(index, index_path.string()).at("weight_map"));
  SafetensorsReader reader;
  reader.place_ = folder;
  for (const ShardMap::value_type& shard : shards) {
    check_shard_exists(folder, shard.first);
    SafetensorsReader part = open_file(folder / shard.first);
    check_shard(part, shard, folder);
    reader.tensors_.merge(part.tensors_);
    reader.metadata_.merge(part.metadata_);
    reader.files_.push_back(folder / shard.first);
  }
  reader.files_.push_back(index_path);
  return reader;
}

const StoredTensor* SafetensorsReader::find(std::string_view name) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? nullptr : &found->second;
}

const StoredTensor& SafetensorsReader::at(std::string_view name) const {
  if (const StoredTensor* tensor = find(name)) return *tensor;
  fail<FormatError>("{}: tensor '{}' is missing", place_.string(), name);
}

}  // namespace pith

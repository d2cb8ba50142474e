#include "pith/formats/gguf/gguf_parse.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "pith/base/error.h"
#include "pith/formats/gguf/gguf_reader.h"
#include "pith/formats/gguf/gguf_types.h"
#include "pith/formats/gguf/gguf_values.h"

namespace pith {
namespace {

constexpr std::string_view kMagic = "GGUF";
constexpr std::uint64_t kMinMetadataBytes = 14;  // a key of one byte, a type, a value of one byte
constexpr std::uint64_t kMinTensorBytes = 24;    // an empty name, no dimensions, a type, an offset
// Ten times what any model has, and little enough that the lists of a hostile file stay below
// 300 MB.
constexpr std::uint64_t kMaxKeys = std::uint64_t{1} << 16;
constexpr std::size_t kMaxNameBytes = 63;  // ggml keeps tensor names in char[64]
constexpr std::uint32_t kMaxDimensions = 4;
constexpr std::string_view kAlignmentKey = "general.alignment";
constexpr std::uint64_t kDefaultAlignment = 32;

// A tensor whose info has been read and whose bytes have not been placed yet.
struct PlannedTensor {
  GgufTensor tensor;
  std::uint64_t offset = 0;  // from the start of the tensor data, as the file says
  std::uint64_t bytes = 0;
};

// With its name in two lists, its shape, and a node of the index.
constexpr std::uint64_t kKeptTensorBytes = 2 * sizeof(PlannedTensor) + 256;

struct Header {
  std::uint32_t version = 0;
  std::uint64_t tensors = 0;
  std::uint64_t keys = 0;
};

Header read_header(GgufReader& reader) {
  const auto word = reader.number<std::uint32_t>("the magic 'GGUF'");
  const std::string_view magic(reinterpret_cast<const char*>(&word), sizeof(word));
  if (magic != kMagic) reader.fail("the magic 'GGUF' at the start of the file", printable(magic));
  Header header;
  header.version = reader.number<std::uint32_t>("a version");
  // The byte order is not stored; a small version number with its bytes swapped ends in 16 zero
  // bits.
  if (header.version != 0 && (header.version & 0xffff) == 0)
    reader.fail("a little-endian file",
                "a big-endian one",
                "convert it with gguf-convert-endian of the Python package gguf");
  if (header.version != 2 && header.version != 3)
    reader.fail("GGUF version 2 or 3",
                fmt::format("version {}", header.version),
                "write the file anew with a current llama.cpp");
  header.tensors = reader.number<std::uint64_t>("a tensor count");
  header.keys = reader.number<std::uint64_t>("a metadata count");
  reader.expect(header.keys, kMinMetadataBytes, "metadata entries");
  reader.expect(header.tensors, kMinTensorBytes, "tensor infos");
  if (header.keys > kMaxKeys)
    reader.fail(fmt::format("at most {} metadata entries", kMaxKeys),
                fmt::format("{}", header.keys));
  if (header.tensors > kMaxGgufTensors)
    reader.fail(fmt::format("at most {} tensors", kMaxGgufTensors),
                fmt::format("{}", header.tensors));
  return header;
}

void read_metadata(GgufReader& reader,
                   std::span<const std::byte> file,
                   std::uint64_t count,
                   GgufContents& contents) {
  contents.metadata.reserve(count);
  contents.values.reserve(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    reader.set_context(fmt::format("metadata entry {}", i));
    std::string key(reader.utf8_text("a key"));
    reader.keep(1, sizeof(std::string) + key.size() + 1);
    if (key.empty()) reader.fail("a key", "an empty one");
    reader.set_context("key " + printable(key));
    if (!contents.keys.emplace(key, contents.metadata.size()).second)
      reader.fail("every key once", "it a second time");
    const std::uint64_t start = reader.position();
    const GgufValueType type = read_gguf_value_type(reader);
    if (key == kAlignmentKey && type != GgufValueType::kU32)
      reader.fail("a value of type 4 (u32)", fmt::format("type {}", static_cast<int>(type)));
    contents.metadata.emplace_back(std::move(key), read_gguf_value(reader, type));
    contents.values.push_back(file.subspan(start, reader.position() - start));
  }
}

std::uint64_t alignment_of(const GgufReader& reader, const GgufContents& contents) {
  const auto row = contents.keys.find(kAlignmentKey);
  if (row == contents.keys.end()) return kDefaultAlignment;
  const auto alignment = std::get<std::uint64_t>(contents.metadata[row->second].second);
  if (!std::has_single_bit(alignment))
    reader.fail(fmt::format("{} to be a power of two", kAlignmentKey),
                fmt::format("{}", alignment));
  return alignment;
}

// Innermost first, as in the file.
std::vector<std::int64_t> read_dimensions(GgufReader& reader) {
  const auto count = reader.number<std::uint32_t>("a number of dimensions");
  if (count > kMaxDimensions)
    reader.fail(fmt::format("at most {} dimensions", kMaxDimensions), fmt::format("{}", count));
  std::vector<std::int64_t> dimensions;
  std::int64_t elements = 1;
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto size = reader.number<std::uint64_t>("a dimension");
    if (size > std::uint64_t{std::numeric_limits<std::int64_t>::max()} ||
        __builtin_mul_overflow(elements, static_cast<std::int64_t>(size), &elements))
      reader.fail("fewer than 2^63 elements", fmt::format("dimension {} of {}", i, size));
    dimensions.push_back(static_cast<std::int64_t>(size));
  }
  return dimensions;
}

GgufType read_tensor_type(GgufReader& reader) {
  const auto id = reader.number<std::uint32_t>("a tensor type");
  if (const GgufType* type = find_gguf_type(id)) return *type;
  const std::string_view removed = removed_gguf_type(id);
  if (removed.empty())
    reader.fail("a known tensor type", fmt::format("type {}", id), "this Pith is older than it");
  reader.fail("a tensor type in use",
              fmt::format("type {} ({}), which was removed from GGUF", id, removed),
              "quantize the model anew with a current llama.cpp");
}

std::uint64_t bytes_of(const GgufReader& reader,
                       const GgufType& type,
                       std::span<const std::int64_t> dimensions) {
  const std::uint64_t row = dimensions.empty() ? 1 : static_cast<std::uint64_t>(dimensions[0]);
  if (row % type.block_elements != 0)
    reader.fail(
        fmt::format("rows of whole {} blocks ({} elements)", type.name, type.block_elements),
        fmt::format("rows of {}", row));
  std::uint64_t blocks = row / type.block_elements;
  for (std::size_t i = 1; i < dimensions.size(); ++i)
    blocks *= static_cast<std::uint64_t>(dimensions[i]);  // at most the elements: below 2^63
  std::uint64_t bytes = 0;
  if (__builtin_mul_overflow(blocks, std::uint64_t{type.block_bytes}, &bytes))
    reader.fail("fewer than 2^64 bytes", fmt::format("{} {} blocks", blocks, type.name));
  return bytes;
}

PlannedTensor read_tensor_info(GgufReader& reader) {
  PlannedTensor planned;
  GgufTensor& tensor = planned.tensor;
  tensor.name = reader.utf8_text("a tensor name");
  reader.set_context("tensor " + printable(tensor.name));
  if (tensor.name.size() > kMaxNameBytes)
    reader.fail(fmt::format("a name of at most {} bytes", kMaxNameBytes),
                fmt::format("{}", tensor.name.size()));
  const std::vector<std::int64_t> dimensions = read_dimensions(reader);
  const GgufType type = read_tensor_type(reader);
  planned.bytes = bytes_of(reader, type, dimensions);
  planned.offset = reader.number<std::uint64_t>("an offset");
  tensor.shape.assign(dimensions.rbegin(), dimensions.rend());
  tensor.type_id = type.id;
  tensor.type_name = type.name;
  tensor.encoding = encoding_of_gguf_type(type.id);
  return planned;
}

std::vector<PlannedTensor> read_tensor_infos(GgufReader& reader,
                                             std::uint64_t count,
                                             GgufContents& contents) {
  std::vector<PlannedTensor> planned;
  planned.reserve(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    reader.set_context(fmt::format("tensor info {}", i));
    reader.keep(1, kKeptTensorBytes);
    planned.push_back(read_tensor_info(reader));
    if (!contents.names.emplace(planned.back().tensor.name, i).second)
      reader.fail("every tensor name once", "it a second time");
  }
  reader.set_context("");
  return planned;
}

std::uint64_t round_up(std::uint64_t value, std::uint64_t alignment) {
  return (value + alignment - 1) / alignment * alignment;
}

// Gives every tensor its bytes: they follow each other in the order of the infos, each padded.
void place_tensors(const GgufReader& reader,
                   std::span<const std::byte> file,
                   std::uint64_t alignment,
                   std::vector<PlannedTensor> planned,
                   GgufContents& contents) {
  const std::uint64_t data_start = round_up(reader.position(), alignment);
  if (!planned.empty() && data_start > file.size())
    reader.fail(fmt::format("tensor data from byte {} on", data_start),
                fmt::format("the end of the file at byte {}", file.size()),
                "the file is truncated or damaged");
  std::uint64_t offset = 0;
  contents.tensors.reserve(planned.size());
  for (PlannedTensor& each : planned) {
    const std::string name = printable(each.tensor.name);
    if (each.offset != offset)
      reader.fail(fmt::format("tensor {} at offset {}, after the one before it", name, offset),
                  fmt::format("offset {}", each.offset));
    const std::uint64_t left = file.size() - data_start - offset;
    // In this order, since rounding up a size near 2^64 would overflow. Some writers leave out the
    // padding of the last tensor, and llama.cpp reads that.
    const bool is_last = &each == &planned.back();
    if (each.bytes > left || (!is_last && round_up(each.bytes, alignment) > left))
      reader.fail(fmt::format("{} bytes of tensor {} and its padding", each.bytes, name),
                  fmt::format("{} bytes before the end of the file", left),
                  "the file is truncated or damaged");
    each.tensor.bytes = file.subspan(data_start + offset, each.bytes);
    offset += round_up(each.bytes, alignment);
    contents.tensors.push_back(std::move(each.tensor));
  }
}

}  // namespace

GgufContents parse_gguf(std::span<const std::byte> file, const std::string& place) {
  GgufReader reader(file, place);
  const Header header = read_header(reader);
  GgufContents contents;
  contents.version = header.version;
  read_metadata(reader, file, header.keys, contents);
  reader.set_context("");
  const std::uint64_t alignment = alignment_of(reader, contents);
  std::vector<PlannedTensor> planned = read_tensor_infos(reader, header.tensors, contents);
  place_tensors(reader, file, alignment, std::move(planned), contents);
  return contents;
}

}  // namespace pith

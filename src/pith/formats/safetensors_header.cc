#include "pith/formats/safetensors_header.h"

#include <algorithm>
#include <limits>
#include <optional>

#include "pith/base/json.h"

namespace pith {
namespace {

constexpr const char* kMetadataKey = "__metadata__";

// a * b, or nullopt if that exceeds what the format's own reader can count.
std::optional<std::uint64_t> checked_product(std::uint64_t a, std::uint64_t b) {
  std::uint64_t result = 0;
  return __builtin_mul_overflow(a, b, &result) ? std::nullopt : std::optional(result);
}

// Only a plain non-negative integer will do: not 1.0, 1e3 or -1.
std::uint64_t plain_integer(const JsonCursor& value) {
  if (!value.json().is_number_unsigned()) value.fail("a plain non-negative integer");
  return value.json().get<std::uint64_t>();
}

// Names go into messages, reports and file formats of others.
void check_name(const std::string& name, const std::string& place) {
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  if (name.empty() || std::any_of(name.begin(), name.end(), is_control))
    throw FormatError(ErrorParts{
        place, "tensor names without control characters, not empty", Json(name).dump(), ""});
}

std::vector<std::int64_t> read_shape(const JsonCursor& value) {
  std::vector<std::int64_t> shape;
  for (const JsonCursor& item : value.items()) {
    const std::uint64_t dimension = plain_integer(item);
    if (dimension > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
      item.fail("a dimension");
    shape.push_back(static_cast<std::int64_t>(dimension));
  }
  return shape;
}

// product(shape) * size_of(dtype), left to right with checks, so that a zero does not hide an
// overflow before it.
std::uint64_t checked_bytes(const TensorSpec& spec, const JsonCursor& shape) {
  std::optional<std::uint64_t> bytes = 1;
  for (const std::int64_t dimension : spec.shape)
    if (bytes) bytes = checked_product(*bytes, static_cast<std::uint64_t>(dimension));
  if (bytes) bytes = checked_product(*bytes, size_of(spec.dtype));
  if (!bytes) shape.fail("a shape whose size in bytes fits 64 bits");
  return *bytes;
}

HeaderTensor read_tensor(const std::string& name, const JsonCursor& entry) {
  if (!entry.json().is_object()) entry.fail("an object");
  HeaderTensor tensor;
  tensor.spec.name = name;
  tensor.spec.dtype = entry.at("dtype").one_of<DType>();
  tensor.spec.shape = read_shape(entry.at("shape"));
  const JsonCursor offsets_at = entry.at("data_offsets");
  const JsonCursor::Items offsets = offsets_at.items();
  if (offsets.size() != 2) offsets_at.fail("two integers");
  tensor.begin = plain_integer(offsets[0]);
  tensor.end = plain_integer(offsets[1]);
  if (tensor.end < tensor.begin) offsets_at.fail("an end that is not before the begin");
  const std::uint64_t bytes = checked_bytes(tensor.spec, entry.at("shape"));
  if (tensor.end - tensor.begin != bytes)
    offsets_at.fail(fmt::format("{} bytes for this dtype and shape", bytes),
                    fmt::format("{}", tensor.end - tensor.begin));
  return tensor;
}

void read_metadata(const JsonCursor& metadata, SafetensorsHeader& header) {
  if (!metadata.json().is_object()) metadata.fail("an object");
  for (const auto& [key, value] : metadata.members()) header.metadata[key] = value.string();
}

// The tensors must lie one behind the other from 0 to the end: no holes, no overlaps, nothing
// behind.
void check_buffer(const std::vector<HeaderTensor>& tensors,
                  std::uint64_t buffer_bytes,
                  const std::string& place) {
  std::uint64_t start = 0;
  for (const HeaderTensor& tensor : tensors) {
    if (tensor.begin != start)
      throw FormatError(ErrorParts{fmt::format("{}: tensor '{}'", place, tensor.spec.name),
                                   fmt::format("its bytes to begin at {}", start),
                                   fmt::format("{}", tensor.begin),
                                   "tensors must fill the file without holes or overlaps"});
    start = tensor.end;
  }
  if (start != buffer_bytes)
    throw FormatError(
        ErrorParts{place,
                   fmt::format("{} bytes of tensors after the header", start),
                   fmt::format("{}", buffer_bytes),
                   start > buffer_bytes ? "the file is cut off" : "the file has bytes too many"});
}

}  // namespace

SafetensorsHeader parse_safetensors_header(std::string_view json,
                                           std::uint64_t buffer_bytes,
                                           const std::string& place) {
  if (!json.starts_with('{'))
    throw FormatError(ErrorParts{
        place, "a header that begins with '{'", "something else", "not a safetensors file"});
  const Json document = parse_json(json, place, {.max_bytes = kMaxHeaderBytes, .max_depth = 64});
  const JsonCursor root(document, place);
  const std::size_t tensors = document.size() - (document.contains(kMetadataKey) ? 1 : 0);
  if (tensors > kMaxTensors)
    root.fail(fmt::format("at most {} tensors", kMaxTensors), fmt::format("{}", tensors));
  SafetensorsHeader header;
  header.tensors.reserve(document.size());
  for (const auto& [name, entry] : root.members()) {
    if (name == kMetadataKey) {
      read_metadata(entry, header);
      continue;
    }
    check_name(name, place);
    header.tensors.push_back(read_tensor(name, entry));
  }
  std::sort(header.tensors.begin(),
            header.tensors.end(),
            [](const HeaderTensor& a, const HeaderTensor& b) {
              return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;
            });
  check_buffer(header.tensors, buffer_bytes, place);
  return header;
}

std::string safetensors_prologue(std::span<const HeaderTensor> tensors, const std::string& place) {
  std::string json = R"({"__metadata__":{"format":"pt"})";
  for (const HeaderTensor& tensor : tensors)
    json += fmt::format(R"(,{}:{{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}})",
                        Json(tensor.spec.name).dump(),
                        to_string(tensor.spec.dtype),
                        fmt::join(tensor.spec.shape, ","),
                        tensor.begin,
                        tensor.end);
  json += '}';
  json.append((8 - json.size() % 8) % 8, ' ');
  if (json.size() > kMaxHeaderBytes)
    throw FormatError(ErrorParts{place,
                                 fmt::format("a header of at most {} bytes", kMaxHeaderBytes),
                                 fmt::format("{}", json.size()),
                                 "smaller shards have shorter headers"});
  std::string prologue;
  for (std::size_t i = 0; i < kHeaderLengthBytes; ++i)
    prologue += static_cast<char>(json.size() >> (8 * i) & 0xff);
  return prologue + json;
}

}  // namespace pith

#include "pith/formats/gguf/gguf_values.h"

#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include "pith/base/error.h"

namespace pith {
namespace {

constexpr std::uint64_t kMaxArrayCount = std::uint64_t{1} << 30;  // as ggml
constexpr std::uint32_t kLastValueType = 12;

bool read_bool(GgufReader& reader) {
  const auto byte = reader.number<std::uint8_t>("a boolean");
  if (byte > 1) reader.fail("a boolean of 0 or 1", fmt::format("{}", byte));
  return byte == 1;
}

template <class Stored, class Kept>
std::vector<Kept> read_numbers(GgufReader& reader, std::uint64_t count) {
  reader.expect(count, sizeof(Stored), "array elements");
  reader.keep(count, sizeof(Kept));
  std::vector<Kept> values(count);
  for (Kept& value : values) {
    const auto stored = reader.number<Stored>("an array element");
    if constexpr (std::is_same_v<Stored, std::uint64_t>) {
      constexpr std::uint64_t kLargest = std::numeric_limits<std::int64_t>::max();
      if (stored > kLargest) reader.fail("array elements below 2^63", fmt::format("{}", stored));
    }
    value = static_cast<Kept>(stored);  // NOLINT(bugprone-signed-char-misuse): numbers of 8 bits
  }
  return values;
}

std::vector<bool> read_bools(GgufReader& reader, std::uint64_t count) {
  reader.expect(count, 1, "array elements");
  reader.keep(count, 1);
  std::vector<bool> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = read_bool(reader);
  return values;
}

std::string kept(GgufReader& reader, std::string_view text) {
  constexpr std::size_t kInPlace = 15, kHeap = 16;  // of std::string, of a block of its allocator
  if (text.size() > kInPlace) reader.keep(1, text.size() + kHeap);
  return std::string(text);
}

std::vector<std::string> read_strings(GgufReader& reader, std::uint64_t count) {
  reader.expect(count, sizeof(std::uint64_t), "array elements");
  reader.keep(count, sizeof(std::string));
  std::vector<std::string> values(count);
  for (std::string& value : values) value = kept(reader, reader.text("a string"));
  return values;
}

GgufValue read_array(GgufReader& reader) {
  const GgufValueType type = read_gguf_value_type(reader);
  const auto count = reader.number<std::uint64_t>("the length of an array");
  if (count > kMaxArrayCount)
    reader.fail("an array of at most 2^30 elements", fmt::format("{}", count));
  switch (type) {
    case GgufValueType::kU8:
      return read_numbers<std::uint8_t, std::int64_t>(reader, count);
    case GgufValueType::kI8:
      return read_numbers<std::int8_t, std::int64_t>(reader, count);
    case GgufValueType::kU16:
      return read_numbers<std::uint16_t, std::int64_t>(reader, count);
    case GgufValueType::kI16:
      return read_numbers<std::int16_t, std::int64_t>(reader, count);
    case GgufValueType::kU32:
      return read_numbers<std::uint32_t, std::int64_t>(reader, count);
    case GgufValueType::kI32:
      return read_numbers<std::int32_t, std::int64_t>(reader, count);
    case GgufValueType::kU64:
      return read_numbers<std::uint64_t, std::int64_t>(reader, count);
    case GgufValueType::kI64:
      return read_numbers<std::int64_t, std::int64_t>(reader, count);
    case GgufValueType::kF32:
      return read_numbers<float, double>(reader, count);
    case GgufValueType::kF64:
      return read_numbers<double, double>(reader, count);
    case GgufValueType::kBool:
      return read_bools(reader, count);
    case GgufValueType::kString:
      return read_strings(reader, count);
    case GgufValueType::kArray:
      break;
  }
  reader.fail("array elements that are no arrays", "an array of arrays");
}

}  // namespace

GgufValueType read_gguf_value_type(GgufReader& reader) {
  const auto id = reader.number<std::uint32_t>("a value type");
  if (id > kLastValueType)
    reader.fail(fmt::format("a value type from 0 to {}", kLastValueType), fmt::format("{}", id));
  return static_cast<GgufValueType>(id);
}

GgufValue read_gguf_value(GgufReader& reader, GgufValueType type) {
  constexpr std::string_view kWhat = "a value";
  switch (type) {
    case GgufValueType::kU8:
      return std::uint64_t{reader.number<std::uint8_t>(kWhat)};
    case GgufValueType::kU16:
      return std::uint64_t{reader.number<std::uint16_t>(kWhat)};
    case GgufValueType::kU32:
      return std::uint64_t{reader.number<std::uint32_t>(kWhat)};
    case GgufValueType::kU64:
      return reader.number<std::uint64_t>(kWhat);
    case GgufValueType::kI8:
      return std::int64_t{reader.number<std::int8_t>(kWhat)};
    case GgufValueType::kI16:
      return std::int64_t{reader.number<std::int16_t>(kWhat)};
    case GgufValueType::kI32:
      return std::int64_t{reader.number<std::int32_t>(kWhat)};
    case GgufValueType::kI64:
      return reader.number<std::int64_t>(kWhat);
    case GgufValueType::kF32:
      return double{reader.number<float>(kWhat)};
    case GgufValueType::kF64:
      return reader.number<double>(kWhat);
    case GgufValueType::kBool:
      return read_bool(reader);
    case GgufValueType::kString:
      return kept(reader, reader.utf8_text("a string"));
    case GgufValueType::kArray:
      return read_array(reader);
  }
  throw InternalError("GGUF value type without a reader");
}

}  // namespace pith

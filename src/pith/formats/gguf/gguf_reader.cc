#include "pith/formats/gguf/gguf_reader.h"

#include <algorithm>
#include <bit>

#include "pith/base/error.h"
#include "pith/base/utf8.h"

namespace pith {
namespace {

static_assert(std::endian::native == std::endian::little, "numbers are copied as they lie");

constexpr std::uint64_t kMaxStringBytes = std::uint64_t{1} << 30;  // as ggml
constexpr std::uint64_t kMaxKeptBytes = std::uint64_t{96} << 20;
constexpr std::size_t kShownBytes = 64;

}  // namespace

std::string printable(std::string_view text) {
  std::string shown = "'";
  for (const char c : text.substr(0, kShownBytes)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f)
      shown += c;
    else
      shown += fmt::format("\\x{:02x}", byte);
  }
  return shown + (text.size() > kShownBytes ? "...'" : "'");
}

void GgufReader::expect(std::uint64_t count,
                        std::uint64_t bytes_each,
                        std::string_view what) const {
  if (count <= left() / bytes_each) return;
  const std::string expected = count == 1 ? fmt::format("{} of {} bytes", what, bytes_each)
                                          : fmt::format("{} {}", count, what);
  fail(expected,
       fmt::format("the end of the file after {} bytes", left()),
       "the file is truncated or damaged");
}

void GgufReader::keep(std::uint64_t count, std::uint64_t bytes_each) {
  if (count > (kMaxKeptBytes - kept_bytes_) / bytes_each)
    fail(fmt::format("metadata that take at most {} bytes of memory", kMaxKeptBytes), "more");
  kept_bytes_ += count * bytes_each;
}

std::string_view GgufReader::text(std::string_view what) {
  const auto length = number<std::uint64_t>("the length of a string");
  if (length > kMaxStringBytes || length > left())
    fail(fmt::format("{} of at most {} bytes", what, std::min(kMaxStringBytes, left())),
         fmt::format("a length of {}", length),
         "the file is truncated or damaged");
  const auto* data = reinterpret_cast<const char*>(file_.data() + position_);
  position_ += length;
  return {data, length};
}

std::string_view GgufReader::utf8_text(std::string_view what) {
  const std::string_view value = text(what);
  if (valid_utf8_prefix(value) != value.size())
    fail(fmt::format("{} in UTF-8", what), printable(value));
  return value;
}

void GgufReader::fail(std::string expected, std::string found, std::string remedy) const {
  std::string place = fmt::format("{}: at byte {}", place_, position_);
  if (!context_.empty()) place += ", of " + context_;
  throw FormatError(
      ErrorParts{std::move(place), std::move(expected), std::move(found), std::move(remedy)});
}

}  // namespace pith

#include "pith/text/dataset.h"

#include <algorithm>
#include <limits>

#include "pith/base/atomic_file.h"
#include "pith/base/error.h"
#include "pith/base/mapped_file.h"
#include "pith/base/utf8.h"

namespace pith {
namespace {

constexpr std::size_t kMaxLineBytes = std::size_t{64} << 20;
constexpr std::int64_t kShortVocabulary = 1 << 16;  // ids of such vocabularies fit uint16

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

bool is_blank(std::string_view line) {
  return line.find_first_not_of(" \t\r") == std::string_view::npos;
}

JsonlRecord read_record(const Json& document, const std::string& place, std::int64_t vocab) {
  const JsonCursor root(document, place);
  JsonlRecord record;
  const auto ids = root.find("ids");
  const auto text = root.find("text");
  if (ids && text) root.fail("one of the keys 'ids' and 'text'", "both");
  if (!ids && !text) root.fail("one of the keys 'ids' and 'text'", "neither");
  if (text) record.text = text->string();
  if (ids) {
    record.ids.emplace();
    for (const JsonCursor& id : ids->items())
      record.ids->push_back(static_cast<std::int32_t>(id.integer(0, vocab - 1)));
  }
  record.top = root.integer_or("top", 0, 0, vocab);
  return record;
}

template <class Number>
void append_little_endian(std::string& bytes, Number number) {
  for (std::size_t i = 0; i < sizeof(Number); ++i)
    bytes += static_cast<char>(static_cast<std::uint32_t>(number) >> (8 * i) & 0xFF);
}

template <class Number>
std::vector<std::int32_t> little_endian_ids(std::span<const std::byte> bytes) {
  std::vector<std::int32_t> ids;
  ids.reserve(bytes.size() / sizeof(Number));
  for (std::size_t at = 0; at < bytes.size(); at += sizeof(Number)) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < sizeof(Number); ++i)
      value |= std::to_integer<std::uint32_t>(bytes[at + i]) << (8 * i);
    ids.push_back(static_cast<std::int32_t>(value));
  }
  return ids;
}

}  // namespace

void read_jsonl(const std::filesystem::path& path,
                std::int64_t vocab,
                const std::function<void(const JsonlRecord&)>& use) {
  PITH_CHECK(vocab > 0 && vocab <= std::numeric_limits<std::int32_t>::max());
  const MappedFile file(path);
  const std::string_view text = as_text(file.bytes());
  std::size_t begin = 0;
  for (std::size_t line = 0; begin < text.size(); ++line) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view content = text.substr(begin, end - begin);
    begin = end + 1;
    const std::string place = fmt::format("{}: line {}", path.string(), line + 1);
    if (content.size() > kMaxLineBytes)
      fail<FormatError>(
          "{}: expected at most {} bytes, found {}", place, kMaxLineBytes, content.size());
    if (is_blank(content)) continue;
    JsonlRecord record = read_record(parse_json(content, place), place, vocab);
    record.line = line;
    use(record);
  }
}

TokenStream read_token_stream(const std::filesystem::path& text,
                              const LazyTokenizer& tokenizer,
                              std::int64_t vocab) {
  TokenStream stream;
  if (text.extension() == ".jsonl") {
    read_jsonl(text, vocab, [&](const JsonlRecord& record) {
      const std::vector<std::int32_t> ids =
          record.ids ? *record.ids : tokenizer.get().encode(*record.text);
      stream.ids.insert(stream.ids.end(), ids.begin(), ids.end());
      stream.document_ends.push_back(stream.ids.size());
    });
  } else {
    const MappedFile file(text);
    require_utf8(as_text(file.bytes()), text.string());
    stream.ids = tokenizer.get().encode(as_text(file.bytes()));
    stream.document_ends.push_back(stream.ids.size());
  }
  if (stream.ids.empty()) fail<FormatError>("{}: there are no tokens in it", text.string());
  return stream;
}

void write_token_file(const std::filesystem::path& path,
                      std::span<const std::int32_t> ids,
                      std::int64_t vocab) {
  const bool is_short = vocab <= kShortVocabulary;
  std::string bytes;
  bytes.reserve(ids.size() * (is_short ? 2 : 4));
  for (const std::int32_t id : ids) {
    PITH_CHECK(id >= 0 && id < vocab);
    if (is_short)
      append_little_endian(bytes, static_cast<std::uint16_t>(id));
    else
      append_little_endian(bytes, id);
  }
  write_file_atomically(path, bytes);
}

std::vector<std::int32_t> read_token_file(const std::filesystem::path& path, std::int64_t vocab) {
  const MappedFile file(path);
  const bool is_short = vocab <= kShortVocabulary;
  const std::size_t id_bytes = is_short ? 2 : 4;
  if (file.bytes().empty() || file.bytes().size() % id_bytes != 0)
    fail<FormatError>("{}: expected ids of {} bytes for a vocabulary of {}, found {} bytes",
                      path.string(),
                      id_bytes,
                      vocab,
                      file.bytes().size());
  std::vector<std::int32_t> ids = is_short ? little_endian_ids<std::uint16_t>(file.bytes())
                                           : little_endian_ids<std::int32_t>(file.bytes());
  for (std::size_t i = 0; i < ids.size(); ++i)
    if (ids[i] < 0 || ids[i] >= vocab)
      fail<FormatError>("{}: id {} of number {} is not below {}, the vocabulary of the model",
                        path.string(),
                        ids[i],
                        i,
                        vocab);
  return ids;
}

}  // namespace pith

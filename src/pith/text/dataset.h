// Texts as token ids: raw files, JSONL data sets, token files, windows.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "pith/text/lazy_tokenizer.h"

namespace pith {

// One line of a JSONL data set: {"ids": [...]} or {"text": "..."}, with the optional "top" of `pith
// score`.
struct JsonlRecord {
  std::size_t line = 0;  // from 0, counting every line of the file
  std::optional<std::vector<std::int32_t>> ids;
  std::optional<std::string> text;
  std::int64_t top = 0;
};
// Calls `use` for every record, in order, without holding the file. Empty lines are skipped but
// counted. Throws FormatError with the line number (from 1): not JSON, neither key, both keys, ids
// not integers in [0, vocab), a line over 64 MiB.
void read_jsonl(const std::filesystem::path& path,
                std::int64_t vocab,
                const std::function<void(const JsonlRecord&)>& use);

// The stream of a TEXT: a raw UTF-8 file as it is, one stream without special tokens, or a .jsonl
// file, its records in order (each its own document). FormatError for unreadable or empty ones. The
// tokenizer is opened only for text.
struct TokenStream {
  std::vector<std::int32_t> ids;
  std::vector<std::size_t> document_ends;  // offsets into ids, ascending; the last is ids.size()
};
TokenStream read_token_stream(const std::filesystem::path& text,
                              const LazyTokenizer& tokenizer,
                              std::int64_t vocab);

// Token files: little-endian uint16 where every id of `vocab` fits, else int32; no header (as
// nanoGPT's .bin).
void write_token_file(const std::filesystem::path& path,
                      std::span<const std::int32_t> ids,
                      std::int64_t vocab);
std::vector<std::int32_t> read_token_file(const std::filesystem::path& path, std::int64_t vocab);

}  // namespace pith

// pith tokenize: JSON strings to JSON id lists, a line each, and back; or a whole file.
#include <fmt/format.h>

#include <iostream>
#include <string>

#include "pith/base/error.h"
#include "pith/base/mapped_file.h"
#include "pith/base/sha256.h"
#include "pith/base/utf8.h"
#include "pith/cli/commands.h"
#include "pith/text/dataset.h"
#include "pith/text/tokenizer.h"

namespace pith {
namespace {

int tokenize_file(const TokenizeOptions& options, const Tokenizer& tokenizer, std::int64_t vocab) {
  const MappedFile file(*options.file);
  const std::string_view text(reinterpret_cast<const char*>(file.bytes().data()),
                              file.bytes().size());
  require_utf8(text, options.file->string());
  const std::vector<std::int32_t> ids = tokenizer.encode(text, {.special_ends = options.special});
  if (options.bin) write_token_file(*options.bin, ids, vocab);
  const Json result{{"count", ids.size()}, {"sha256", sha256_hex(std::as_bytes(std::span(ids)))}};
  fmt::print("{}\n", result.dump());
  return 0;
}

std::vector<std::int32_t> ids_of(const JsonCursor& list) {
  std::vector<std::int32_t> ids;
  for (const JsonCursor& item : list.items())
    ids.push_back(static_cast<std::int32_t>(item.integer(0, INT32_MAX)));
  return ids;
}

// An id that is none is the input's fault, not the command line's.
Json decoded(const Tokenizer& tokenizer, const JsonCursor& list) {
  try {
    return tokenizer.decode(ids_of(list));
  } catch (const UserError& error) {
    fail<FormatError>("{}: {}", list.place(), error.what());
  }
}

}  // namespace

int run_tokenize(const TokenizeOptions& options, const GlobalOptions&) {
  require(!options.bin || options.file, "--bin needs --file");
  require(!options.file || !options.decode, "--decode reads stdin; it does not go with --file");
  const Checkpoint checkpoint = Checkpoint::open(options.model);
  const Tokenizer tokenizer = Tokenizer::of(checkpoint);
  if (options.file) return tokenize_file(options, tokenizer, checkpoint.spec().vocab);
  std::string line;
  for (std::size_t number = 1; std::getline(std::cin, line); ++number) {
    const std::string place = fmt::format("stdin:{}", number);
    const Json document = parse_json(line, place);
    const JsonCursor cursor(document, place);
    const Json out =
        options.decode ? decoded(tokenizer, cursor)
                       : Json(tokenizer.encode(cursor.string(), {.special_ends = options.special}));
    fmt::print("{}\n", out.dump());
  }
  return 0;
}

}  // namespace pith

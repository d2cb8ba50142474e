// A tokenizer.json; an input with a zero byte is a vocab.json and, after it, a merges.txt.
#include "fuzz.h"
#include "pith/text/gpt2_files.h"
#include "use_tokenizer.h"

namespace pith {
namespace {

void load_document(std::string_view text) {
  const std::string place = "tokenizer.json";
  fuzz::use(Tokenizer::from_json(parse_json(text, place), place));
}

void load_gpt2_files(std::string_view vocab, std::string_view merges) {
  static const fuzz::MemoryFile vocab_file, merges_file;
  const Json document =
      tokenizer_json_from_gpt2_files(vocab_file.holding(vocab), merges_file.holding(merges));
  fuzz::use(Tokenizer::from_json(document, "vocab.json"));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input = fuzz::text_of(data, size);
  const std::size_t zero = input.find('\0');
  return fuzz::run([&] {
    if (zero == std::string_view::npos) return load_document(input);
    load_gpt2_files(input.substr(0, zero), input.substr(zero + 1));
  });
}

}  // namespace pith

// The tokenizer of a checkpoint.
#include "pith/base/error.h"
#include "pith/text/gpt2_files.h"
#include "pith/text/tokenizer_state.h"

namespace pith {
namespace fs = std::filesystem;

TokenizerDocument tokenizer_document(const Checkpoint& checkpoint) {
  if (checkpoint.gguf() != nullptr)
    return {tokenizer_json_from_gguf(*checkpoint.gguf()), checkpoint.gguf()->place()};
  const fs::path folder =
      fs::is_directory(checkpoint.path()) ? checkpoint.path() : checkpoint.path().parent_path();
  const fs::path whole = folder / "tokenizer.json", vocab = folder / "vocab.json",
                 merges = folder / "merges.txt";
  if (fs::exists(whole)) return {read_json_file(whole), whole.string()};
  if (!fs::exists(vocab) || !fs::exists(merges))
    fail<FormatError>(
        "{}: there is no tokenizer: neither tokenizer.json nor vocab.json with merges.txt",
        folder.string());
  if (checkpoint.spec().family != Family::kGpt2)
    fail<FormatError>(
        "{}: vocab.json and merges.txt do not say how a {} model cuts text into words; "
        "tokenizer.json is needed",
        folder.string(),
        to_string(checkpoint.spec().family));
  return {tokenizer_json_from_gpt2_files(vocab, merges), vocab.string()};
}

Tokenizer Tokenizer::of(const Checkpoint& checkpoint) {
  return of(checkpoint, tokenizer_document(checkpoint));
}

Tokenizer Tokenizer::of(const Checkpoint& checkpoint, const TokenizerDocument& document) {
  const auto state = State::from_json(document.json, document.place);
  const auto vocab = static_cast<std::size_t>(checkpoint.spec().vocab);
  if (state->size > vocab)
    fail<TokenizerMismatch>("{}: the largest token id is {}, but the model's vocabulary has {} ids",
                            document.place,
                            state->size - 1,
                            vocab);
  state->decode_limit = vocab;
  return Tokenizer(state);
}

bool has_tokenizer(const Checkpoint& checkpoint) {
  if (checkpoint.gguf()) {
    const auto model = checkpoint.gguf()->find_string("tokenizer.ggml.model");
    return model && *model != "no_vocab" && *model != "none";
  }
  for (const char* name : {"tokenizer.json", "vocab.json"})
    if (std::filesystem::exists(checkpoint.folder() / name)) return true;
  return false;
}

}  // namespace pith

#include "pith/evaluation/protocol.h"

#include <algorithm>

#include "pith/base/error.h"
#include "pith/base/mapped_file.h"
#include "pith/base/utf8.h"
#include "pith/evaluation/text_preparation.h"
#include "pith/text/dataset.h"

namespace pith {
namespace {

constexpr std::size_t kMaxTextBytes = std::size_t{4} << 30;
constexpr std::int64_t kDefaultWindow = 2048;

// The pieces of a raw text that a convention scores apart.
std::vector<PageText> pieces_of(Convention convention, std::string_view text) {
  return convention == Convention::kLmEval ? wikitext_pages(text) : text_lines(text);
}

std::vector<Document> documents_of(const std::filesystem::path& path,
                                   Convention convention,
                                   const LazyTokenizer& tokenizer,
                                   std::int64_t vocab) {
  const bool apart = convention == Convention::kLmEval || convention == Convention::kPerLine;
  std::vector<Document> documents;
  if (apart && path.extension() != ".jsonl") {
    const std::string text = read_text_file(path, kMaxTextBytes);
    require_utf8(text, path.string());
    for (const PageText& piece : pieces_of(convention, text))
      documents.push_back({tokenizer.get().encode(piece.text), piece.words, piece.bytes});
    return documents;
  }
  const TokenStream stream = read_token_stream(path, tokenizer, vocab);
  if (!apart) return {{stream.ids, 0, 0}};
  std::size_t begin = 0;
  for (const std::size_t end : stream.document_ends) {
    documents.push_back({{stream.ids.begin() + static_cast<std::ptrdiff_t>(begin),
                          stream.ids.begin() + static_cast<std::ptrdiff_t>(end)},
                         0,
                         0});
    begin = end;
  }
  return documents;
}

// lm-eval and Hugging Face's evaluate put the model's BOS in front even where its tokenizer adds
// none; the other conventions begin as the tokenizer does. A data set of ids alone is taken as it
// is.
std::optional<std::int32_t> bos_of(Convention convention,
                                   const LazyTokenizer& tokenizer,
                                   const DecoderSpec& spec) {
  const bool always = convention == Convention::kLmEval || convention == Convention::kPerLine;
  std::optional<std::int32_t> own;
  if (tokenizer.opened()) own = tokenizer.get().bos_id();
  if (own || !always || !spec.bos_id) return own;
  return static_cast<std::int32_t>(*spec.bos_id);
}

}  // namespace

PreparedText prepare_text(const std::filesystem::path& text,
                          const ProtocolOptions& protocol,
                          const Checkpoint& model,
                          std::int64_t context) {
  const LazyTokenizer tokenizer(model);
  PreparedText prepared;
  prepared.options = {.convention = protocol.convention,
                      .window = protocol.window.value_or(std::min(kDefaultWindow, context)),
                      .stride = protocol.stride,
                      .max_tokens = protocol.max_tokens};
  require(prepared.options.window <= context,
          "--window is {}, expected at most the model's context of {}",
          prepared.options.window,
          context);
  prepared.documents = documents_of(text, protocol.convention, tokenizer, model.spec().vocab);
  const auto bos = bos_of(protocol.convention, tokenizer, model.spec());
  std::optional<std::int32_t> eos;
  if (!model.spec().eos_ids.empty()) eos = static_cast<std::int32_t>(model.spec().eos_ids.front());
  prepared.windows = make_windows(prepared.documents, prepared.options, bos, eos);
  const bool has_prefix = bos || (protocol.convention == Convention::kLmEval && eos);
  prepared.bos = bos_rule(protocol.convention, has_prefix);
  return prepared;
}

}  // namespace pith

// What a Tokenizer holds; for the sources of this room.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "pith/text/added_tokens.h"
#include "pith/text/bpe.h"
#include "pith/text/decoder.h"
#include "pith/text/normalizer.h"
#include "pith/text/post_processor.h"
#include "pith/text/pre_tokenizer.h"
#include "pith/text/tokenizer.h"

namespace pith {

struct EncodeScratch {
  RegexScratch regex;
  BpeScratch bpe;
};

// Scratches that wait for the next call, so that word caches outlive calls; at most as many as
// calls ran at once.
class ScratchPool {
 public:
  std::unique_ptr<EncodeScratch> take() {
    const std::lock_guard lock(mutex_);
    if (waiting_.empty()) return std::make_unique<EncodeScratch>();
    auto scratch = std::move(waiting_.back());
    waiting_.pop_back();
    return scratch;
  }
  void give_back(std::unique_ptr<EncodeScratch> scratch) {
    if (scratch->bpe.symbols.capacity() > kMaxKeptSymbols) {
      scratch->bpe.symbols = {};
      scratch->bpe.heap = {};
    }
    const std::lock_guard lock(mutex_);
    waiting_.push_back(std::move(scratch));
  }

 private:
  static constexpr std::size_t kMaxKeptSymbols =
      std::size_t{1} << 16;  // one huge word must not cost memory for ever
  std::mutex mutex_;
  std::vector<std::unique_ptr<EncodeScratch>> waiting_;
};

struct Tokenizer::State {
  static std::shared_ptr<State> from_json(const Json& document, const std::string& place);
  void check_ids(const JsonCursor& root);

  Normalizer normalizer;
  PreTokenizer pre_tokenizer;
  Bpe bpe;
  AddedTokens added;
  SpecialEnds ends;
  Decoder decoder;
  std::size_t size = 0;  // largest id plus one, of tokens and added tokens
  std::size_t num_tokens = 0;
  std::size_t decode_limit =
      0;  // ids below it may be decoded: those of the model, which may have more
  std::shared_ptr<ScratchPool> pool = std::make_shared<ScratchPool>();

  // nullopt for gaps.
  std::optional<std::string_view> token(std::int32_t id) const;
  std::vector<std::string> tokens(std::span<const std::int32_t> ids, bool skip_special) const;
  void encode(std::string_view text,
              bool parse_special,
              EncodeScratch& scratch,
              std::vector<std::int32_t>& ids) const;
};

}  // namespace pith

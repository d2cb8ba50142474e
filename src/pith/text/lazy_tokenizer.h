// The tokenizer of a checkpoint, opened when it is first needed: token ids alone need none.
#pragma once

#include <optional>

#include "pith/text/tokenizer.h"

namespace pith {

// Not for use by several threads at once.
class LazyTokenizer {
 public:
  explicit LazyTokenizer(const Checkpoint& checkpoint) : checkpoint_(checkpoint) {}
  LazyTokenizer(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}

  const Tokenizer& get() const {  // FormatError as Tokenizer::of
    if (!tokenizer_) tokenizer_.emplace(Tokenizer::of(*checkpoint_));
    return *tokenizer_;
  }
  bool opened() const { return tokenizer_.has_value(); }

 private:
  std::optional<Checkpoint> checkpoint_;
  mutable std::optional<Tokenizer> tokenizer_;
};

}  // namespace pith

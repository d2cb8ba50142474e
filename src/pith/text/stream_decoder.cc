#include "pith/base/error.h"
#include "pith/text/code_points.h"
#include "pith/text/tokenizer_state.h"

namespace pith {

// The text of the window as far as no token to come can change it.
std::string StreamDecoder::certain_text() const {
  const auto& state = *tokenizer_.state_;
  switch (state.decoder.growth()) {
    case Decoder::Growth::kAtEnd:
      return {};
    case Decoder::Growth::kBytes: {
      const std::string bytes = Decoder::decode_bytes(state.tokens(ids_, skip_special_));
      return replace_invalid_utf8(
          std::string_view(bytes).substr(0, bytes.size() - incomplete_utf8_tail(bytes)));
    }
    case Decoder::Growth::kTokens: {
      std::vector<std::string> tokens = state.tokens(ids_, skip_special_);
      while (!tokens.empty() && Decoder::fallback_byte(tokens.back())) tokens.pop_back();
      return state.decoder.decode(std::move(tokens));
    }
  }
  PITH_CHECK(!"a growth of the table");
  return {};
}

std::string StreamDecoder::push(std::int32_t id) {
  const auto& state = *tokenizer_.state_;
  if (state.tokens(std::span(&id, 1), skip_special_).empty()) return {};
  ids_.push_back(id);
  const std::string certain = certain_text();
  std::string news = certain.substr(emitted_bytes_);
  emitted_bytes_ = certain.size();
  // The window may start anew where nothing waits and the last token has a text of its own: then
  // what a decoder does at the start of a text falls on that token and not on the next.
  if (certain.empty() || certain != tokenizer_.decode(ids_, skip_special_)) return news;
  const std::string last = tokenizer_.decode(std::span(&id, 1), skip_special_);
  if (last.empty()) return news;
  ids_ = {id};
  emitted_bytes_ = last.size();
  return news;
}

std::string StreamDecoder::finish() {
  std::string rest = tokenizer_.decode(ids_, skip_special_).substr(emitted_bytes_);
  ids_.clear();
  emitted_bytes_ = 0;
  return rest;
}

}  // namespace pith

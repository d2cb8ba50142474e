#include "pith/text/tokenizer.h"

#include <algorithm>

#include "pith/base/error.h"
#include "pith/base/utf8.h"
#include "pith/text/code_points.h"
#include "pith/text/tokenizer_state.h"

namespace pith {

Tokenizer Tokenizer::from_json(const Json& document, const std::string& place) {
  const JsonCursor root(document, place);
  auto state = std::make_shared<State>();
  state->normalizer = Normalizer::from_json(root.find("normalizer"));
  state->pre_tokenizer = PreTokenizer::from_json(root.find("pre_tokenizer"));
  state->bpe = Bpe::from_json(root.at("model"), state->pre_tokenizer.ends_in_bytes());
  state->added = AddedTokens::from_json(root.find("added_tokens"), state->normalizer);
  state->decoder = Decoder::from_json(root.find("decoder"));
  state->ends = special_ends_from_json(root.find("post_processor"));

  const Vocabulary& vocabulary = state->bpe.vocabulary();
  state->size = vocabulary.size();
  state->num_tokens = vocabulary.count();
  for (const AddedToken& token : state->added.tokens()) {
    const auto known_id = vocabulary.find(token.content);
    const auto known_token = vocabulary.token(token.id);
    if ((known_id && *known_id != token.id) || (known_token && *known_token != token.content))
      root.at("added_tokens")
          .fail("the ids of the vocabulary", fmt::format("id {} for '{}', where the vocabulary has another", token.id,
                                                         token.content));
    state->size = std::max(state->size, static_cast<std::size_t>(token.id) + 1);
    if (!known_id) ++state->num_tokens;
  }
  for (const auto* ids : {&state->ends.before, &state->ends.after})
    for (const std::int32_t id : *ids)
      if (!state->token(id))
        root.at("post_processor").fail("ids of tokens", fmt::format("{}, which no token has", id));
  if (state->size == 0) root.at("model").at("vocab").fail("at least one token");
  state->decode_limit = state->size;
  return Tokenizer(std::move(state));
}

Tokenizer Tokenizer::with_model_vocabulary(std::int64_t vocab) const {
  auto state = std::make_shared<State>(std::move(*state_));
}

std::optional<std::string_view> Tokenizer::State::token(std::int32_t id) const {
  if (const AddedToken* added_token = added.find(id)) return added_token->content;
  return bpe.vocabulary().token(id);
}

void Tokenizer::State::encode_piece(const Piece& piece, EncodeScratch& scratch) const {
  pre_tokenizer.split(piece, scratch.regex,
                      [&](std::string_view word) { bpe.encode(word, scratch.bpe, scratch.ids); });
}

std::vector<std::int32_t> Tokenizer::encode(std::string_view text, const EncodeOptions& options) const {
  std::string repaired;
  if (valid_utf8_prefix(text) != text.size()) {
    repaired = replace_invalid_utf8(text);
    text = repaired;
  }
  const State& state = *state_;
  auto scratch = state.pool->take();
  std::vector<std::int32_t>& ids = scratch->ids;
  ids.clear();
  if (options.special_ends) ids = state.ends.before;
  const auto encode_normalized = [&](std::string_view part, bool at_start) {
    state.added.split(part, {AddedTokens::Pass::kNormalized, options.parse_special}, scratch->regex,
                      [&](std::string_view piece, const AddedToken* token) {
                        if (token != nullptr) ids.push_back(token->id);
                        else state.encode_piece({piece, at_start && piece.data() == part.data()}, *scratch);
                      });
  };
  std::string storage;
  state.added.split(text, {AddedTokens::Pass::kRaw, options.parse_special}, scratch->regex,
                    [&](std::string_view piece, const AddedToken* token) {
                      if (token != nullptr) return ids.push_back(token->id);
                      encode_normalized(state.normalizer.apply(piece, storage, scratch->regex),
                                        piece.data() == text.data());
                    });
  if (options.special_ends) ids.insert(ids.end(), state.ends.after.begin(), state.ends.after.end());
  std::vector<std::int32_t> result = ids;
  state.pool->give_back(std::move(scratch));
  return result;
}

std::vector<std::string> Tokenizer::State::tokens(std::span<const std::int32_t> ids, bool skip_special) const {
  std::vector<std::string> texts;
  texts.reserve(ids.size());
  for (const std::int32_t id : ids) {
    require(id >= 0 && static_cast<std::size_t>(id) < decode_limit, "cannot decode the id {}: expected 0 to {}", id,
            decode_limit - 1);
    const AddedToken* added_token = added.find(id);
    if (skip_special && added_token != nullptr && added_token->special) continue;
    if (const auto text = token(id)) texts.emplace_back(*text);
  }
  return texts;
}

std::string Tokenizer::decode(std::span<const std::int32_t> ids, bool skip_special) const {
  return state_->decoder.decode(state_->tokens(ids, skip_special));
}

std::size_t Tokenizer::size() const { return state_->size; }

std::optional<std::int32_t> Tokenizer::id_of(std::string_view token) const {
  for (const AddedToken& added_token : state_->added.tokens())
    if (added_token.content == token) return added_token.id;
  return state_->bpe.vocabulary().find(token);
}

std::optional<std::int32_t> Tokenizer::bos_id() const {
  return state_->ends.before.size() == 1 ? std::optional(state_->ends.before[0]) : std::nullopt;
}

std::string Tokenizer::description() const {
  const std::string_view kind = state_->pre_tokenizer.ends_in_bytes() ? "byte-level BPE"
                                : state_->bpe.has_byte_fallback()     ? "BPE with byte fallback"
                                                                      : "BPE";
  return fmt::format("{}, {} tokens, {} merges", kind, state_->num_tokens, state_->bpe.num_merges());
}

}  // namespace pith

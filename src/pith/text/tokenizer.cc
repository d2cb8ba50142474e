#include "pith/text/tokenizer.h"

#include <algorithm>

#include "pith/base/error.h"
#include "pith/base/utf8.h"
#include "pith/text/code_points.h"
#include "pith/text/tokenizer_state.h"

namespace pith {

std::shared_ptr<Tokenizer::State> Tokenizer::State::from_json(const Json& document,
                                                              const std::string& place) {
  const JsonCursor root(document, place);
  auto state = std::make_shared<State>();
  state->normalizer = Normalizer::from_json(root.find("normalizer"));
  state->pre_tokenizer = PreTokenizer::from_json(root.find("pre_tokenizer"));
  state->bpe = Bpe::from_json(root.at("model"), state->pre_tokenizer.ends_in_bytes());
  state->added = AddedTokens::from_json(root.find("added_tokens"), state->normalizer);
  state->decoder = Decoder::from_json(root.find("decoder"));
  state->ends = special_ends_from_json(root.find("post_processor"));
  state->check_ids(root);
  return state;
}

// Sets the sizes too.
void Tokenizer::State::check_ids(const JsonCursor& root) {
  const Vocabulary& vocabulary = bpe.vocabulary();
  size = vocabulary.size();
  num_tokens = vocabulary.count();
  for (const AddedToken& token : added.tokens()) {
    const auto known_id = vocabulary.find(token.content);
    const auto known_token = vocabulary.token(token.id);
    if ((known_id && *known_id != token.id) || (known_token && *known_token != token.content))
      root.at("added_tokens")
          .fail("the ids of model/vocab",
                fmt::format(
                    "id {} for '{}', where the vocabulary has {}",
                    token.id,
                    token.content,
                    known_id ? fmt::format("{}", *known_id) : fmt::format("'{}'", *known_token)));
    size = std::max(size, static_cast<std::size_t>(token.id) + 1);
    if (!known_id) ++num_tokens;
  }
  for (const auto* ids : {&ends.before, &ends.after})
    for (const std::int32_t id : *ids)
      if (!token(id))
        root.at("post_processor").fail("ids of tokens", fmt::format("{}, which no token has", id));
  if (size == 0) root.at("model").at("vocab").fail("at least one token");
  decode_limit = size;
}

Tokenizer Tokenizer::from_json(const Json& document, const std::string& place) {
  return Tokenizer(State::from_json(document, place));
}

std::optional<std::string_view> Tokenizer::State::token(std::int32_t id) const {
  if (const AddedToken* added_token = added.find(id)) return added_token->content;
  return bpe.vocabulary().token(id);
}

void Tokenizer::State::encode(std::string_view text,
                              bool parse_special,
                              EncodeScratch& scratch,
                              std::vector<std::int32_t>& ids) const {
  const auto encode_word = [&](std::string_view word) { bpe.encode(word, scratch.bpe, ids); };
  const auto encode_normalized = [&](std::string_view part, bool at_start) {
    added.split(part,
                {AddedTokens::Pass::kNormalized, parse_special},
                scratch.regex,
                [&](std::string_view piece, const AddedToken* token) {
                  if (token != nullptr) return ids.push_back(token->id);
                  pre_tokenizer.split(
                      {piece, at_start && piece.data() == part.data()}, scratch.regex, encode_word);
                });
  };
  std::string storage;
  added.split(text,
              {AddedTokens::Pass::kRaw, parse_special},
              scratch.regex,
              [&](std::string_view piece, const AddedToken* token) {
                if (token != nullptr) return ids.push_back(token->id);
                encode_normalized(normalizer.apply(piece, storage, scratch.regex),
                                  piece.data() == text.data());
              });
}

std::vector<std::int32_t> Tokenizer::encode(std::string_view text,
                                            const EncodeOptions& options) const {
  std::string repaired;
  if (valid_utf8_prefix(text) != text.size()) {
    repaired = replace_invalid_utf8(text);
    text = repaired;
  }
  std::vector<std::int32_t> ids;
  if (options.special_ends) ids = state_->ends.before;
  auto scratch = state_->pool->take();
  state_->encode(text, options.parse_special, *scratch, ids);
  state_->pool->give_back(std::move(scratch));
  if (options.special_ends)
    ids.insert(ids.end(), state_->ends.after.begin(), state_->ends.after.end());
  return ids;
}

std::vector<std::string> Tokenizer::State::tokens(std::span<const std::int32_t> ids,
                                                  bool skip_special) const {
  std::vector<std::string> texts;
  texts.reserve(ids.size());
  for (const std::int32_t id : ids) {
    require(id >= 0 && static_cast<std::size_t>(id) < decode_limit,
            "cannot decode the id {}: expected 0 to {}",
            id,
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
  return fmt::format(
      "{}, {} tokens, {} merges", kind, state_->num_tokens, state_->bpe.num_merges());
}

}  // namespace pith

#include <algorithm>

#include "pith/base/error.h"
#include "pith/text/bpe.h"
#include "pith/text/byte_level.h"
#include "pith/text/code_points.h"

namespace pith {
namespace {

constexpr std::size_t kMaxMerges = std::size_t{1} << 23;

struct MergeParts {
  std::string_view left, right;
};

// "a b" (exactly one space) or ["a", "b"]; nullopt for anything else.
std::optional<MergeParts> merge_parts(const Json& merge) {
  if (const auto* text = merge.get_ptr<const std::string*>()) {
    const std::size_t space = text->find(' ');
    if (space == std::string::npos || text->find(' ', space + 1) != std::string::npos)
      return std::nullopt;
    return MergeParts{std::string_view(*text).substr(0, space),
                      std::string_view(*text).substr(space + 1)};
  }
  const auto* pair = merge.get_ptr<const Json::array_t*>();
  if (pair == nullptr || pair->size() != 2) return std::nullopt;
  const auto* left = (*pair)[0].get_ptr<const std::string*>();
  const auto* right = (*pair)[1].get_ptr<const std::string*>();
  if (left == nullptr || right == nullptr) return std::nullopt;
  return MergeParts{*left, *right};
}

void refuse_affix(const JsonCursor& cursor, std::string_view key) {
  if (!cursor.string_or(key, "").empty())
    cursor.at(key).fail("null: word prefixes and suffixes are not supported");
}

}  // namespace

Bpe Bpe::from_json(const JsonCursor& cursor, bool words_are_bytes) {
  Bpe bpe;
  bpe.words_are_bytes_ = words_are_bytes;
  if (const auto type = cursor.find("type"); type && type->string() != "BPE")
    type->fail("BPE, the only model that Pith has");
  bpe.read_vocabulary(cursor.at("vocab"));
  bpe.read_flags(cursor);
  bpe.read_merges(cursor.at("merges"));
  bpe.find_separator();
  return bpe;
}

void Bpe::read_vocabulary(const JsonCursor& cursor) {
  const auto* tokens = cursor.json().get_ptr<const Json::object_t*>();
  if (tokens == nullptr) cursor.fail("an object");
  vocabulary_.reserve(tokens->size());
  for (const auto& [token, value] : *tokens) {
    // The cursor of an entry is made only for errors: it looks the key up.
    const bool is_id =
        value.is_number_integer() && value.get<std::int64_t>() >= 0 &&
        (!value.is_number_unsigned() || value.get<std::uint64_t>() < kMaxVocabulary) &&
        value.get<std::int64_t>() < kMaxVocabulary;
    if (!is_id) {
      if (value.is_null())
        cursor.fail("an id for every token", fmt::format("null for '{}'", token));
      cursor.at(token).integer(0, kMaxVocabulary - 1);
      cursor.at(token).fail("an integer");
    }
    const auto id = static_cast<std::int32_t>(value.get<std::int64_t>());
    if (vocabulary_.add(token, id) == Vocabulary::Added::kIdTaken)
      cursor.at(token).fail("an id of its own",
                            fmt::format("{}, the id of '{}'", id, *vocabulary_.token(id)));
  }
}

void Bpe::read_flags(const JsonCursor& cursor) {
  refuse_affix(cursor, "continuing_subword_prefix");
  refuse_affix(cursor, "end_of_word_suffix");
  if (cursor.number_or("dropout", 0.0) != 0.0)
    cursor.at("dropout").fail("null: dropout is not supported");
  byte_fallback_ = cursor.boolean_or("byte_fallback", false);
  if (byte_fallback_ && words_are_bytes_)
    cursor.at("byte_fallback").fail("false with a ByteLevel pre-tokenizer");
  fuse_unknown_ = cursor.boolean_or("fuse_unk", false);
  ignore_merges_ = cursor.boolean_or("ignore_merges", false);
  if (const auto unknown = cursor.find("unk_token")) {
    unknown_id_ = vocabulary_.find(unknown->string());
    if (!unknown_id_ && !unknown->string().empty()) unknown->fail("a token of the vocabulary");
  }
  for (std::size_t byte = 0; byte < byte_ids_.size(); ++byte) {
    std::string token = fmt::format("<0x{:02X}>", byte);
    if (words_are_bytes_) {
      token.clear();
      append_utf8(token, byte_to_character(static_cast<unsigned char>(byte)));
    }
    byte_ids_[byte] = vocabulary_.find(token).value_or(-1);
  }
}

void Bpe::read_merges(const JsonCursor& cursor) {
  const auto* merges = cursor.json().get_ptr<const Json::array_t*>();
  if (merges == nullptr) cursor.fail("an array");
  if (merges->size() > kMaxMerges) cursor.fail(fmt::format("at most {} merges", kMaxMerges));
  num_merges_ = merges->size();
  merges_ = MergeTable(num_merges_);
  std::string merged;
  for (std::size_t rank = 0; rank < merges->size(); ++rank) {
    const auto parts = merge_parts((*merges)[rank]);
    if (!parts) cursor.items()[rank].fail("\"a b\" with exactly one space, or [\"a\", \"b\"]");
    merged = parts->left;
    merged += parts->right;
    merges_.put(merge_part_id(cursor, rank, parts->left),
                merge_part_id(cursor, rank, parts->right),
                {static_cast<std::uint32_t>(rank), merge_part_id(cursor, rank, merged)});
  }
}

std::int32_t Bpe::merge_part_id(const JsonCursor& merges,
                                std::size_t rank,
                                std::string_view token) const {
  const auto id = vocabulary_.find(token);
  if (!id)
    merges.items()[rank].fail("tokens of the vocabulary",
                              fmt::format("'{}', which is not in it", token));
  return *id;
}

// Without a pre-tokenizer a whole text is one word, and the cache is no use. But where no token has
// U+2581 after another character, no merge crosses such a place, and the parts can be encoded one
// by one with the same result.
void Bpe::find_separator() {
  static constexpr std::string_view kSpace = "\xE2\x96\x81";
  if (words_are_bytes_ || ignore_merges_ || !vocabulary_.find(kSpace)) return;
  for (std::size_t id = 0; id < vocabulary_.size(); ++id) {
    const auto token = vocabulary_.token(static_cast<std::int32_t>(id));
    if (!token) continue;
    std::size_t start = 0;
    while (token->substr(start).starts_with(kSpace)) start += kSpace.size();
    if (token->find(kSpace, start) != std::string_view::npos) return;
  }
  separator_ = kSpace;
}

}  // namespace pith

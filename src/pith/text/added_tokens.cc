#include "pith/text/added_tokens.h"

#include <algorithm>
#include <unordered_set>

#include "pith/base/error.h"
#include "pith/text/code_points.h"
#include "pith/text/vocabulary.h"

namespace pith {
namespace {

// Looking for tokens costs their length at every place; real ones have some tens of bytes.
constexpr std::size_t kMaxContentBytes = 4096;

const Regex& word_character() {
  static const Regex kRegex("\\A\\w");
  return kRegex;
}
const Regex& space_at_start() {
  static const Regex kRegex("\\A\\s+");
  return kRegex;
}

std::size_t previous_code_point(std::string_view text, std::size_t at) {
  do --at;
  while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80);
  return at;
}

bool starts_with_word(std::string_view text, RegexScratch& scratch) {
  return word_character().find(text, 0, scratch).has_value();
}

// Where the white space before `end` begins, but not before `low`.
std::size_t space_start(std::string_view text,
                        std::size_t low,
                        std::size_t end,
                        RegexScratch& scratch) {
  while (end > low) {
    const std::size_t before = previous_code_point(text, end);
    if (before < low || !space_at_start().find(text.substr(before, end - before), 0, scratch))
      break;
    end = before;
  }
  return end;
}

}  // namespace

AddedTokens AddedTokens::from_json(const std::optional<JsonCursor>& cursor,
                                   const Normalizer& normalizer) {
  AddedTokens added;
  if (!cursor) return added;
  std::unordered_set<std::string> contents;
  for (const JsonCursor& item : cursor->items()) {
    added.add(item);
    if (!contents.insert(added.tokens_.back().content).second)
      item.at("content").fail("a content of its own",
                              fmt::format("'{}' again", added.tokens_.back().content));
  }
  added.prepare(normalizer);
  return added;
}

void AddedTokens::add(const JsonCursor& cursor) {
  const JsonCursor content = cursor.at("content");
  AddedToken token{.content = content.string(),
                   .id = static_cast<std::int32_t>(cursor.at("id").integer(0, kMaxVocabulary - 1)),
                   .single_word = cursor.boolean_or("single_word", false),
                   .lstrip = cursor.boolean_or("lstrip", false),
                   .rstrip = cursor.boolean_or("rstrip", false),
                   .normalized = cursor.boolean_or("normalized", true),
                   .special = cursor.boolean_or("special", false)};
  if (token.content.empty() || token.content.size() > kMaxContentBytes)
    content.fail(fmt::format("1 to {} bytes", kMaxContentBytes),
                 fmt::format("{}", token.content.size()));
  if (!by_id_.emplace(token.id, tokens_.size()).second)
    cursor.at("id").fail("an id of its own",
                         fmt::format("{}, the id of '{}'", token.id, find(token.id)->content));
  tokens_.push_back(std::move(token));
}

void AddedTokens::prepare(const Normalizer& normalizer) {
  RegexScratch scratch;
  for (std::size_t i = 0; i < tokens_.size(); ++i) {
    Needles& needles = tokens_[i].normalized ? normalized_ : raw_;
    std::string storage;
    std::string_view text = tokens_[i].content;
    if (tokens_[i].normalized) text = normalizer.apply(text, storage, scratch);
    if (!text.empty()) needles.sorted.push_back({std::string(text), i});
  }
  for (Needles* needles : {&raw_, &normalized_}) {
    const auto by_text = [](const Needle& a, const Needle& b) { return a.text < b.text; };
    std::stable_sort(needles->sorted.begin(), needles->sorted.end(), by_text);
    for (const Needle& needle : needles->sorted)
      needles->starts[static_cast<unsigned char>(needle.text[0])] = true;
  }
}

const AddedToken* AddedTokens::find(std::int32_t id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : &tokens_[found->second];
}

const AddedTokens::Needle* AddedTokens::Needles::longest_at(std::string_view text) const {
  auto first = sorted.begin(), last = sorted.end();  // the needles that agree with the text so far
  const Needle* longest = nullptr;
  for (std::size_t depth = 0; depth < text.size() && first != last; ++depth) {
    const auto byte = static_cast<unsigned char>(text[depth]);
    const auto byte_of = [depth](const Needle& needle) {
      return static_cast<unsigned char>(needle.text[depth]);
    };
    first = std::partition_point(
        first, last, [&](const Needle& needle) { return byte_of(needle) < byte; });
    last = std::partition_point(
        first, last, [&](const Needle& needle) { return byte_of(needle) == byte; });
    if (first == last || first->text.size() > depth + 1) continue;
    longest = &*first;
    while (first != last && first->text.size() == depth + 1) ++first;
  }
  return longest;
}

std::optional<AddedTokens::Found> AddedTokens::next(std::string_view text,
                                                    std::size_t from,
                                                    const Needles& needles) const {
  for (std::size_t at = from; at < text.size(); ++at) {
    if (!needles.starts[static_cast<unsigned char>(text[at])]) continue;
    if (const Needle* needle = needles.longest_at(text.substr(at)))
      return Found{{at, at + needle->text.size()}, &tokens_[needle->token]};
  }
  return std::nullopt;
}

bool AddedTokens::stands_alone(std::string_view text,
                               TextRange range,
                               RegexScratch& scratch) const {
  if (starts_with_word(text.substr(range.end), scratch)) return false;
  return range.begin == 0 ||
         !starts_with_word(text.substr(previous_code_point(text, range.begin)), scratch);
}

void AddedTokens::split(std::string_view text,
                        const Options& options,
                        RegexScratch& scratch,
                        const Sink& use) const {
  const Needles& needles = options.pass == Pass::kRaw ? raw_ : normalized_;
  std::size_t done = 0;  // text before it has been given out
  std::size_t from =
      0;  // the next match starts here or later; a match that is refused is passed over as a whole
  while (!needles.sorted.empty()) {
    const auto found = next(text, from, needles);
    if (!found) break;
    TextRange range = found->range;
    from = range.end;
    const AddedToken& token = *found->token;
    if (token.special && !options.parse_special) continue;
    if (token.single_word && !stands_alone(text, range, scratch)) continue;
    if (token.lstrip) range.begin = space_start(text, done, range.begin, scratch);
    if (token.rstrip)
      if (const auto space = space_at_start().find(text.substr(range.end), 0, scratch))
        range.end += space->end;
    if (range.begin > done) use(text.substr(done, range.begin - done), nullptr);
    use({}, &token);
    done = std::max(done, range.end);
  }
  if (done < text.size()) use(text.substr(done), nullptr);
}

}  // namespace pith

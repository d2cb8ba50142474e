// Merges of a SentencePiece-style vocabulary -> scores of its tokens.
#include <algorithm>
#include <tuple>
#include <unordered_map>

#include "pith/base/error.h"
#include "pith/text/gguf_export.h"

namespace pith {
namespace {

using Ids = std::unordered_map<std::string_view, std::size_t>;

// The merges that make one token lie between the first and the last of them.
struct Stretch {
  std::size_t token = 0, first = 0, last = 0;
};

// Merges of one score, [begin, end).
struct Group {
  std::size_t begin = 0, end = 0;
  bool one_token = true;
};

[[noreturn]] void fail_merge(const GgufVocabulary& vocabulary,
                             std::size_t index,
                             const TokenPair& merge) {
  throw UserError(ErrorParts{fmt::format("{}: merge {}", vocabulary.place, index),
                             "the order of a SentencePiece vocabulary, which scores of tokens give",
                             fmt::format("'{}' + '{}'", merge.left, merge.right),
                             "GGUF cannot hold this tokenizer"});
}

std::vector<Stretch> stretches_of(const GgufVocabulary& vocabulary,
                                  const std::vector<TokenPair>& merges) {
  Ids ids;
  for (std::size_t id = 0; id < vocabulary.tokens.size(); ++id)
    if (vocabulary.types[id] == GgufTokenType::kNormal) ids.emplace(vocabulary.tokens[id], id);
  std::vector<Stretch> stretches;
  std::unordered_map<std::size_t, std::size_t> index_of;  // of a token's stretch
  for (std::size_t i = 0; i < merges.size(); ++i) {
    const std::string whole = merges[i].left + merges[i].right;
    const auto token = ids.find(whole);
    if (token == ids.end()) fail_merge(vocabulary, i, merges[i]);
    const auto [row, is_new] = index_of.emplace(token->second, stretches.size());
    if (is_new) stretches.push_back({token->second, i, i});
    stretches[row->second].last = i;
  }
  return stretches;
}

void sort_by_text(std::vector<TokenPair>& merges) {
  std::sort(merges.begin(), merges.end(), [](const TokenPair& a, const TokenPair& b) {
    return std::tie(a.left, a.right) < std::tie(b.left, b.right);
  });
}

}  // namespace

std::vector<double> scores_from_merges(const GgufVocabulary& vocabulary,
                                       const std::vector<TokenPair>& merges) {
  GgufVocabulary scored = vocabulary;
  std::vector<Group> groups;
  scored.scores.assign(vocabulary.tokens.size(), 0.0);
  // Tokens whose merges are entangled have one score.
  for (const Stretch& stretch : stretches_of(vocabulary, merges)) {
    if (groups.empty() || stretch.first >= groups.back().end)
      groups.push_back({stretch.first, stretch.last + 1, true});
    else
      groups.back() = {groups.back().begin, std::max(groups.back().end, stretch.last + 1), false};
    scored.scores[stretch.token] = -static_cast<double>(groups.size());
  }
  const double lowest = -static_cast<double>(groups.size()) - 1;  // of what nothing is merged into
  for (std::size_t id = 0; id < scored.tokens.size(); ++id)
    if (scored.scores[id] == 0 && scored.types[id] == GgufTokenType::kNormal)
      scored.scores[id] = lowest;

  // The ways to make one token have no order of their own: the leftmost pair is merged first.
  const std::vector<TokenPair> given = merges_from_scores(scored);
  for (const Group& group : groups) {
    const auto begin = static_cast<std::ptrdiff_t>(group.begin);
    const auto end = static_cast<std::ptrdiff_t>(group.end);
    if (group.end > given.size()) fail_merge(vocabulary, group.begin, merges[group.begin]);
    std::vector<TokenPair> wanted(merges.begin() + begin, merges.begin() + end);
    std::vector<TokenPair> found(given.begin() + begin, given.begin() + end);
    if (group.one_token) {
      sort_by_text(wanted);
      sort_by_text(found);
    }
    if (wanted != found) fail_merge(vocabulary, group.begin, merges[group.begin]);
  }
  if (given.size() != merges.size()) fail_merge(vocabulary, merges.size(), given[merges.size()]);
  return scored.scores;
}

}  // namespace pith

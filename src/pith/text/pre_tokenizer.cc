#include "pith/text/pre_tokenizer.h"

#include <algorithm>

#include "pith/base/error.h"
#include "pith/text/byte_level.h"
#include "pith/text/code_points.h"

namespace pith {
namespace {

constexpr std::ptrdiff_t kMaxByteLevels = 2;

constexpr std::string_view kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

// Emits the matches of a pattern and what lies between them, be it empty.
template <class Matcher, class Emit>
void for_each_part(const Matcher& matcher,
                   std::string_view text,
                   RegexScratch& scratch,
                   const Emit& emit) {
  std::size_t end = 0;
  matcher.for_each(text, scratch, [&](TextRange match) {
    emit({end, match.begin});
    emit(match);
    end = match.end;
  });
  emit({end, text.size()});
}

struct Segment {
  TextRange range;
  bool is_match = false;
};

// Matches and the gaps between them, gaps that are empty left out.
template <class ForEachMatch>
std::vector<Segment> segments(std::size_t size, const ForEachMatch& for_each_match) {
  std::vector<Segment> all;
  std::size_t end = 0;
  for_each_match([&](TextRange match) {
    if (match.begin > end) all.push_back({{end, match.begin}, false});
    all.push_back({match, true});
    end = match.end;
  });
  if (end < size) all.push_back({{end, size}, false});
  return all;
}

// Joins each first match of a row of matches to the segment before it in the order of the list.
std::vector<Segment> merge_with_previous(const std::vector<Segment>& all) {
  std::vector<Segment> merged;
  bool after_match = false;
  for (const Segment& segment : all) {
    const bool joins = segment.is_match && !after_match && !merged.empty();
    if (joins) {
      TextRange& range = merged.back().range;
      range = {std::min(range.begin, segment.range.begin), std::max(range.end, segment.range.end)};
    } else {
      merged.push_back(segment);
    }
    after_match = segment.is_match;
  }
  return merged;
}

std::vector<Segment> merge_with_next(std::vector<Segment> all) {
  std::reverse(all.begin(), all.end());
  std::vector<Segment> merged = merge_with_previous(all);
  std::reverse(merged.begin(), merged.end());
  return merged;
}

std::vector<Segment> merge_alike(const std::vector<Segment>& all) {
  std::vector<Segment> merged;
  for (const Segment& segment : all) {
    if (!merged.empty() && merged.back().is_match == segment.is_match)
      merged.back().range.end = segment.range.end;
    else
      merged.push_back(segment);
  }
  return merged;
}

}  // namespace

PreTokenizer PreTokenizer::from_json(const std::optional<JsonCursor>& cursor) {
  PreTokenizer pre_tokenizer;
  if (!cursor) return pre_tokenizer;
  pre_tokenizer.add(*cursor);
  if (!pre_tokenizer.steps_.empty())
    if (auto* last = std::get_if<ByteLevel>(&pre_tokenizer.steps_.back())) {
      last->maps = false;
      pre_tokenizer.ends_in_bytes_ = true;
    }
  return pre_tokenizer;
}

void PreTokenizer::add(const JsonCursor& cursor) {
  const JsonCursor type = cursor.at("type");
  const std::string name = type.string();
  if (steps_.size() == kMaxTextSteps)  // they call each other, so this bounds the stack too
    cursor.fail(fmt::format("at most {} pre-tokenizers", kMaxTextSteps), "more");
  if (name == "Sequence") {
    for (const JsonCursor& step : cursor.at("pretokenizers").items()) add(step);
  } else if (name == "ByteLevel") {
    add_byte_level(cursor);
  } else if (name == "Split") {
    add_split(cursor);
  } else if (name == "Digits") {
    steps_.emplace_back(Digits{cursor.boolean_or("individual_digits", false)});
  } else if (name == "Metaspace") {
    add_metaspace(cursor);
  } else {
    type.fail("a pre-tokenizer that Pith has: ByteLevel, Split, Digits, Metaspace, Sequence");
  }
}

void PreTokenizer::add_byte_level(const JsonCursor& cursor) {
  const auto is_byte_level = [](const Step& step) {
    return std::holds_alternative<ByteLevel>(step);
  };
  // Each doubles the bytes of the one before it.
  if (std::ranges::count_if(steps_, is_byte_level) == kMaxByteLevels)
    cursor.fail(fmt::format("at most {} ByteLevel pre-tokenizers", kMaxByteLevels), "more");
  ByteLevel step{.add_prefix_space = cursor.boolean_or("add_prefix_space", true), .regex = {}};
  if (cursor.boolean_or("use_regex", true)) step.regex.emplace(kGpt2Pattern);
  steps_.emplace_back(std::move(step));
}

void PreTokenizer::add_split(const JsonCursor& cursor) {
  static constexpr std::pair<std::string_view, Behavior> kBehaviors[] = {
      {"Isolated", Behavior::kIsolated},
      {"Removed", Behavior::kRemoved},
      {"MergedWithPrevious", Behavior::kMergedWithPrevious},
      {"MergedWithNext", Behavior::kMergedWithNext},
      {"Contiguous", Behavior::kContiguous}};
  const JsonCursor behavior = cursor.at("behavior");
  const auto* row = std::find_if(
      std::begin(kBehaviors), std::end(kBehaviors), [name = behavior.string()](const auto& entry) {
        return entry.first == name;
      });
  if (row == std::end(kBehaviors))
    behavior.fail("Isolated, Removed, MergedWithPrevious, MergedWithNext or Contiguous");
  steps_.emplace_back(Split{
      Pattern::from_json(cursor.at("pattern")), row->second, cursor.boolean_or("invert", false)});
}

void PreTokenizer::add_metaspace(const JsonCursor& cursor) {
  Metaspace step{.replacement = cursor.string_or("replacement", "\xE2\x96\x81"),
                 .scheme = cursor.boolean_or("add_prefix_space", true) ? PrependScheme::kAlways
                                                                       : PrependScheme::kNever,
                 .splits = cursor.boolean_or("split", true)};
  if (step.replacement.empty() ||
      code_point_at(step.replacement, 0).bytes != step.replacement.size())
    cursor.at("replacement").fail("one character");
  if (const auto scheme = cursor.find("prepend_scheme")) {
    const std::string name = scheme->string();
    if (name == "always")
      step.scheme = PrependScheme::kAlways;
    else if (name == "first")
      step.scheme = PrependScheme::kFirst;
    else if (name == "never")
      step.scheme = PrependScheme::kNever;
    else
      scheme->fail("always, first or never");
  }
  steps_.emplace_back(std::move(step));
}

void PreTokenizer::split(const Piece& piece, RegexScratch& scratch, const WordSink& word) const {
  if (!piece.text.empty()) go(0, piece, {scratch, word});
}

void PreTokenizer::go(std::size_t index, const Piece& piece, const Run& run) const {
  if (index == steps_.size()) return run.word(piece.text);
  std::visit([&](const auto& step) { apply(step, index, piece, run); }, steps_[index]);
}

void PreTokenizer::apply(const ByteLevel& step,
                         std::size_t index,
                         const Piece& piece,
                         const Run& run) const {
  std::string prefixed;
  std::string_view text = piece.text;
  if (step.add_prefix_space && !text.starts_with(' ')) {
    prefixed = ' ' + std::string(text);
    text = prefixed;
  }
  const auto emit = [&](TextRange range) {
    if (range.begin == range.end) return;
    const std::string_view word = text.substr(range.begin, range.end - range.begin);
    const bool at_start = piece.at_start && range.begin == 0;
    if (step.maps)
      go(index + 1, {bytes_to_characters(word), at_start}, run);
    else
      go(index + 1, {word, at_start}, run);
  };
  if (!step.regex) return emit({0, text.size()});
  for_each_part(*step.regex, text, run.scratch, emit);
}

void PreTokenizer::apply(const Split& step,
                         std::size_t index,
                         const Piece& piece,
                         const Run& run) const {
  const auto emit = [&](TextRange range) {
    if (range.begin == range.end) return;
    go(index + 1,
       {piece.text.substr(range.begin, range.end - range.begin),
        piece.at_start && range.begin == 0},
       run);
  };
  if (step.behavior ==
      Behavior::kIsolated)  // the usual one, without a list; inverting changes nothing
    return for_each_part(step.pattern, piece.text, run.scratch, emit);
  std::vector<Segment> all =
      segments(piece.text.size(), [&](const std::function<void(TextRange)>& use) {
        step.pattern.for_each(piece.text, run.scratch, use);
      });
  if (step.inverted)
    for (Segment& segment : all) segment.is_match = !segment.is_match;
  switch (step.behavior) {
    case Behavior::kIsolated:
      break;
    case Behavior::kRemoved:
      std::erase_if(all, [](const Segment& segment) { return segment.is_match; });
      break;
    case Behavior::kMergedWithPrevious:
      all = merge_with_previous(all);
      break;
    case Behavior::kMergedWithNext:
      all = merge_with_next(std::move(all));
      break;
    case Behavior::kContiguous:
      all = merge_alike(all);
      break;
  }
  for (const Segment& segment : all) emit(segment.range);
}

void PreTokenizer::apply(const Digits& step,
                         std::size_t index,
                         const Piece& piece,
                         const Run& run) const {
  const std::string_view text = piece.text;
  std::size_t begin = 0;
  bool begin_is_digit = false;
  const auto emit_until = [&](std::size_t end) {
    if (end > begin)
      go(index + 1, {text.substr(begin, end - begin), piece.at_start && begin == 0}, run);
    begin = end;
  };
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint point = code_point_at(text, at);
    const bool is_digit = is_numeric(point.value);
    if (is_digit != begin_is_digit || (is_digit && step.individual)) emit_until(at);
    begin_is_digit = is_digit;
    at += point.bytes;
  }
  emit_until(text.size());
}

void PreTokenizer::apply(const Metaspace& step,
                         std::size_t index,
                         const Piece& piece,
                         const Run& run) const {
  std::string text;
  text.reserve(piece.text.size() + piece.text.size() / 2);
  for (const char c : piece.text) {
    if (c == ' ')
      text += step.replacement;
    else
      text += c;
  }
  const bool may_prepend = step.scheme == PrependScheme::kAlways ||
                           (step.scheme == PrependScheme::kFirst && piece.at_start);
  if (may_prepend && !text.starts_with(step.replacement)) text.insert(0, step.replacement);
  if (!step.splits) return go(index + 1, {text, piece.at_start}, run);
  std::size_t begin = 0;
  while (begin < text.size()) {
    const std::size_t end = std::min(text.find(step.replacement, begin + 1), text.size());
    go(index + 1,
       {std::string_view(text).substr(begin, end - begin), piece.at_start && begin == 0},
       run);
    begin = end;
  }
}

}  // namespace pith

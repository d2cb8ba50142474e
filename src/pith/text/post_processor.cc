#include "pith/text/post_processor.h"

#include "pith/base/error.h"
#include "pith/text/vocabulary.h"

namespace pith {
namespace {

constexpr std::size_t kMaxEnds = 64;

void append_ids(const JsonCursor& special_tokens,
                const JsonCursor& piece,
                std::vector<std::int32_t>& ids) {
  const JsonCursor token = special_tokens.at(piece.at("id").string());
  for (const JsonCursor& id : token.at("ids").items()) {
    if (ids.size() == kMaxEnds)
      piece.fail(fmt::format("at most {} special tokens", kMaxEnds), "more");
    ids.push_back(static_cast<std::int32_t>(id.integer(0, kMaxVocabulary - 1)));
  }
}

SpecialEnds ends_of_template(const JsonCursor& cursor) {
  SpecialEnds ends;
  bool after_text = false;
  const JsonCursor single = cursor.at("single");
  if (single.items().size() > kMaxEnds + 1)  // each looks its token up among all
    single.fail(fmt::format("at most {} parts", kMaxEnds + 1));
  for (const JsonCursor& piece : single.items()) {
    if (piece.has("SpecialToken")) {
      append_ids(cursor.at("special_tokens"),
                 piece.at("SpecialToken"),
                 after_text ? ends.after : ends.before);
      continue;
    }
    const JsonCursor sequence = piece.at("Sequence");
    if (after_text || sequence.at("id").string() != "A") sequence.fail("the sequence A, once");
    after_text = true;
  }
  if (!after_text) single.fail("the sequence A", "none");
  return ends;
}

// The later one acts on the result of the earlier.
SpecialEnds around(const SpecialEnds& inner, SpecialEnds outer) {
  outer.before.insert(outer.before.end(), inner.before.begin(), inner.before.end());
  outer.after.insert(outer.after.begin(), inner.after.begin(), inner.after.end());
  return outer;
}

}  // namespace

SpecialEnds special_ends_from_json(const std::optional<JsonCursor>& cursor) {
  if (!cursor) return {};
  const JsonCursor type = cursor->at("type");
  const std::string name = type.string();
  if (name == "ByteLevel") return {};  // offsets only
  if (name == "TemplateProcessing") return ends_of_template(*cursor);
  if (name != "Sequence")
    type.fail("a post-processor that Pith has: ByteLevel, TemplateProcessing, Sequence");
  SpecialEnds ends;
  for (const JsonCursor& step : cursor->at("processors").items()) {
    ends = around(ends, special_ends_from_json(step));
    if (ends.before.size() + ends.after.size() > kMaxEnds)
      step.fail(fmt::format("at most {} special tokens", kMaxEnds), "more");
  }
  return ends;
}

}  // namespace pith

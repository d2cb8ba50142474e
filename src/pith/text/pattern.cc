#include "pith/text/pattern.h"

#include "pith/base/error.h"

namespace pith {

Regex regex_from_json(const JsonCursor& cursor) {
  return in_context(fmt::format("{}: at {}", cursor.place(), cursor.pointer()),
                    [&] { return Regex(cursor.string()); });
}

Pattern Pattern::from_json(const JsonCursor& cursor) {
  Pattern pattern;
  if (const auto regex = cursor.find("Regex")) {
    pattern.regex_ = regex_from_json(*regex);
  } else if (const auto literal = cursor.find("String")) {
    pattern.literal_ = literal->string();
    if (pattern.literal_.empty()) literal->fail("a string that is not empty");
  } else {
    cursor.fail("an object with 'String' or 'Regex'");
  }
  return pattern;
}

void Pattern::for_each(std::string_view text,
                       RegexScratch& scratch,
                       const std::function<void(TextRange)>& use) const {
  if (regex_) return regex_->for_each(text, scratch, use);
  for (std::size_t at = text.find(literal_); at != std::string_view::npos;
       at = text.find(literal_, at + literal_.size()))
    use({at, at + literal_.size()});
}

std::string Pattern::replace_all(std::string_view text,
                                 std::string_view content,
                                 std::size_t max_bytes,
                                 RegexScratch& scratch) const {
  const auto check = [&](std::size_t bytes) {
    if (bytes > max_bytes)
      fail<FormatError>("a replacement by '{}' makes more than {} bytes of a text of {}",
                        content,
                        max_bytes,
                        text.size());
  };
  std::string result;
  result.reserve(text.size());
  std::size_t end = 0;
  for_each(text, scratch, [&](TextRange match) {
    result += text.substr(end, match.begin - end);
    result += content;
    end = match.end;
    check(result.size());
  });
  result += text.substr(end);
  check(result.size());
  return result;
}

}  // namespace pith

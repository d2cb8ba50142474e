#include "pith/text/normalizer.h"

#include <utf8proc.h>

#include <algorithm>

#include "pith/base/error.h"
#include "pith/text/code_points.h"

namespace pith {
namespace {

constexpr std::pair<std::string_view, NormalForm> kForms[] = {{"NFC", NormalForm::kNfc},
                                                              {"NFD", NormalForm::kNfd},
                                                              {"NFKC", NormalForm::kNfkc},
                                                              {"NFKD", NormalForm::kNfkd}};

bool composes(NormalForm form) { return form == NormalForm::kNfc || form == NormalForm::kNfkc; }
bool is_compatible(NormalForm form) {
  return form == NormalForm::kNfkc || form == NormalForm::kNfkd;
}

// Text that cannot change: for NFC all below U+0300 (first bytes below 0xCC), else ASCII.
bool is_surely_normal(std::string_view text, NormalForm form) {
  const unsigned char limit = form == NormalForm::kNfc ? 0xCC : 0x80;
  return std::all_of(
      text.begin(), text.end(), [limit](char c) { return static_cast<unsigned char>(c) < limit; });
}

std::vector<utf8proc_int32_t> decomposed(std::string_view text, NormalForm form) {
  const int options =
      UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | (is_compatible(form) ? UTF8PROC_COMPAT : 0);
  constexpr utf8proc_ssize_t kLongest = 32;  // the longest decomposition of one code point has 18
  std::vector<utf8proc_int32_t> points;
  points.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint point = code_point_at(text, at);
    utf8proc_int32_t parts[kLongest];
    int boundary = 0;
    const auto count = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(point.value),
                                               parts,
                                               kLongest,
                                               static_cast<utf8proc_option_t>(options),
                                               &boundary);
    PITH_CHECK(count >= 0 && count <= kLongest);
    points.insert(points.end(), parts, parts + count);
    at += point.bytes;
  }
  return points;
}

utf8proc_propval_t combining_class(utf8proc_int32_t point) {
  return utf8proc_get_property(point)->combining_class;
}

// The canonical order of marks. utf8proc's own is an insertion sort: quadratic for a long run of
// marks.
void order_marks(std::vector<utf8proc_int32_t>& points) {
  const auto is_starter = [](utf8proc_int32_t point) { return combining_class(point) == 0; };
  const auto by_class = [](utf8proc_int32_t a, utf8proc_int32_t b) {
    return combining_class(a) < combining_class(b);
  };
  for (auto first = points.begin(); first != points.end();) {
    first = std::find_if_not(first, points.end(), is_starter);
    const auto last = std::find_if(first, points.end(), is_starter);
    std::stable_sort(first, last, by_class);
    first = last;
  }
}

}  // namespace

std::string normal_form(std::string_view text, NormalForm form) {
  if (is_surely_normal(text, form)) return std::string(text);
  std::vector<utf8proc_int32_t> points = decomposed(text, form);
  order_marks(points);
  if (composes(form)) {
    constexpr int kOptions = UTF8PROC_STABLE | UTF8PROC_COMPOSE;
    const auto count = utf8proc_normalize_utf32(points.data(),
                                                static_cast<utf8proc_ssize_t>(points.size()),
                                                static_cast<utf8proc_option_t>(kOptions));
    PITH_CHECK(count >= 0);
    points.resize(static_cast<std::size_t>(count));
  }
  std::string result;
  result.reserve(text.size());
  for (const utf8proc_int32_t point : points) append_utf8(result, static_cast<char32_t>(point));
  return result;
}

Normalizer Normalizer::from_json(const std::optional<JsonCursor>& cursor) {
  Normalizer normalizer;
  if (cursor) normalizer.add(*cursor);
  return normalizer;
}

void Normalizer::add(const JsonCursor& cursor) {
  const JsonCursor type = cursor.at("type");
  const std::string name = type.string();
  if (steps_.size() == kMaxTextSteps)
    cursor.fail(fmt::format("at most {} normalizers", kMaxTextSteps), "more");
  for (const auto& [form_name, form] : kForms) {
    if (name != form_name) continue;
    steps_.emplace_back(form);
    return;
  }
  if (name == "Sequence") {
    for (const JsonCursor& step : cursor.at("normalizers").items()) add(step);
  } else if (name == "Prepend") {
    steps_.emplace_back(Prepend{cursor.at("prepend").string()});
  } else if (name == "Replace") {
    steps_.emplace_back(
        Replace{Pattern::from_json(cursor.at("pattern")), cursor.at("content").string()});
  } else {
    type.fail("a normalizer that Pith has: NFC, NFD, NFKC, NFKD, Prepend, Replace, Sequence");
  }
}

std::string_view Normalizer::apply(std::string_view text,
                                   std::string& storage,
                                   RegexScratch& scratch) const {
  const std::size_t max_bytes = max_bytes_made_of(text.size());
  for (const Step& step : steps_) {
    if (const auto* form = std::get_if<NormalForm>(&step)) {
      if (is_surely_normal(text, *form)) continue;
      storage = normal_form(text, *form);
    } else if (const auto* prepend = std::get_if<Prepend>(&step)) {
      if (text.empty()) continue;
      storage = prepend->text + std::string(text);
      if (storage.size() > max_bytes)
        fail<FormatError>("the normalizer makes more than {} bytes of a text", max_bytes);
    } else {
      const auto& replace = std::get<Replace>(step);
      storage = replace.pattern.replace_all(text, replace.content, max_bytes, scratch);
    }
    text = storage;
  }
  return text;
}

}  // namespace pith

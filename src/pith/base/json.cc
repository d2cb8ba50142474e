#include "pith/base/json.h"

#include <algorithm>
#include <functional>
#include <iterator>

#include "pith/base/error.h"
#include "pith/base/mapped_file.h"
#include "pith/base/utf8.h"

namespace pith {

std::string escaped_key(std::string_view key) {
  std::string text;
  for (const char c : key) {
    if (c == '~')
      text += "~0";
    else if (c == '/')
      text += "~1";
    else
      text += c;
  }
  return text;
}

namespace {

// A key that occurs twice in the object; null if none does. Sorting by hash first costs a third of
// sorting by key, and a file made to collide still costs no more than n log n.
const std::string* repeated_key(const Json::object_t& object) {
  struct Entry {
    std::size_t hash;
    const std::string* key;
  };
  std::vector<Entry> entries;
  entries.reserve(object.size());
  for (const auto& [key, value] : object) entries.push_back({std::hash<std::string>{}(key), &key});
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return a.hash != b.hash ? a.hash < b.hash : *a.key < *b.key;
  });
  const auto found =
      std::adjacent_find(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
        return a.hash == b.hash && *a.key == *b.key;
      });
  return found == entries.end() ? nullptr : found->key;
}

// Builds the document from the parser's events. nlohmann's own builder looks for each new key among
// all before it, which takes minutes for a vocabulary, and its objects copy all they hold when they
// grow. This one keeps what is open on a stack and makes each container once, at its end, in its
// final size.
class Builder {
 public:
  using number_integer_t = Json::number_integer_t;
  using number_unsigned_t = Json::number_unsigned_t;
  using number_float_t = Json::number_float_t;
  using string_t = Json::string_t;
  using binary_t = Json::binary_t;

  // `text_bytes` are held already.
  Builder(const JsonLimits& limits, std::size_t text_bytes)
      : max_depth_(limits.max_depth),
        max_memory_bytes_(limits.max_memory_bytes),
        memory_bytes_(text_bytes) {}

  bool null() { return put(nullptr); }
  bool boolean(bool value) { return put(value); }
  bool number_integer(number_integer_t value) { return put(value); }
  bool number_unsigned(number_unsigned_t value) { return put(value); }
  bool number_float(number_float_t value, const string_t&) { return put(value); }
  bool string(string_t& value) { return take_text(value) && put(std::move(value)); }
  bool binary(binary_t&) { return false; }  // never sent for text
  bool key(string_t& name) {
    if (!take_text(name)) return false;
    keys_.push_back(std::move(name));
    return true;
  }
  bool start_object(std::size_t) { return open(); }
  bool start_array(std::size_t) { return open(); }
  bool end_array();
  bool end_object();
  bool parse_error(std::size_t position,
                   const std::string&,
                   const nlohmann::detail::exception& error) {
    error_position_ = position;
    problem_ = error.what();
    return false;
  }

  Json&& root() { return std::move(values_.front()); }
  const std::string& problem() const { return problem_; }
  std::optional<std::size_t> error_position() const {
    return error_position_;
  }  // of a syntax error, bytes read

 private:
  struct Open {
    std::size_t first_value, first_key;  // in values_ and keys_
  };
  static constexpr std::size_t kBlockBytes = 16;  // what the heap adds to a block

  template <class T>
  bool put(T&& value) {
    values_.emplace_back(std::forward<T>(value));
    return take(2 * sizeof(Json));  // here and in its container
  }
  bool take(std::size_t bytes);
  bool take_text(const std::string& text) {
    return take(sizeof(std::string) + kBlockBytes + text.size());
  }
  bool open();
  std::string location() const;

  std::vector<Open> open_;
  std::vector<Json> values_;
  std::vector<std::string> keys_;
  std::string problem_;
  std::size_t max_depth_, max_memory_bytes_;
  std::size_t memory_bytes_;
  std::optional<std::size_t> error_position_;
};

bool Builder::take(std::size_t bytes) {
  memory_bytes_ += bytes;
  if (memory_bytes_ <= max_memory_bytes_) return true;
  problem_ = fmt::format("expected JSON that takes at most {} bytes of memory, found more",
                         max_memory_bytes_);
  return false;
}

bool Builder::open() {
  if (open_.size() == max_depth_) {
    problem_ = fmt::format("{}nested deeper than {} levels", location(), max_depth_);
    return false;
  }
  open_.push_back({values_.size(), keys_.size()});
  return take(sizeof(Json::array_t) + 2 * kBlockBytes);
}

bool Builder::end_array() {
  const auto first = values_.begin() + static_cast<std::ptrdiff_t>(open_.back().first_value);
  Json::array_t array(std::make_move_iterator(first), std::make_move_iterator(values_.end()));
  values_.erase(first, values_.end());
  open_.pop_back();
  return put(std::move(array));
}

bool Builder::end_object() {
  const auto [first_value, first_key] = open_.back();
  Json::object_t object;
  object.reserve(values_.size() - first_value);
  // The vector's emplace_back, past ordered_map's search for the key.
  for (std::size_t i = first_value; i < values_.size(); ++i)
    object.emplace_back(std::move(keys_[first_key + i - first_value]), std::move(values_[i]));
  values_.resize(first_value);
  keys_.resize(first_key);
  open_.pop_back();
  if (const std::string* key = repeated_key(object)) {
    problem_ = fmt::format("{}the key '{}' occurs twice", location(), *key);
    return false;
  }
  return put(std::move(object));
}

// "at /model/vocab: ", where the container just closed or refused would stand.
std::string Builder::location() const {
  std::string pointer;
  for (std::size_t i = 0; i < open_.size(); ++i) {
    const bool is_last = i + 1 == open_.size();
    const std::size_t keys = (is_last ? keys_.size() : open_[i + 1].first_key) - open_[i].first_key;
    const std::size_t values =
        (is_last ? values_.size() : open_[i + 1].first_value) - open_[i].first_value;
    pointer += '/';
    pointer +=
        keys == 0 ? std::to_string(values) : escaped_key(keys_[open_[i].first_key + keys - 1]);
  }
  constexpr std::size_t kMaxPointerBytes = 200;
  if (pointer.empty() || pointer.size() > kMaxPointerBytes) return "";
  return fmt::format("at {}: ", pointer);
}

struct Literal {
  std::string_view written, read;
};
constexpr Literal kLiterals[] = {
    {"NaN", "null"}, {"-Infinity", "null     "}, {"Infinity", "null    "}};

struct PlainText {
  std::string text;
  std::vector<std::size_t> grown;  // where a byte more stands than in the original
};

// Replaces Python's NaN and Infinity outside of strings by null.
PlainText without_python_literals(std::string_view text, const std::string& place) {
  constexpr std::size_t kMaxNans = 1'000'000;
  PlainText plain;
  plain.text.reserve(text.size() + text.size() / 16);
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"') in_string = !in_string;
    if (in_string && c == '\\' && i + 1 < text.size()) plain.text += text[i++];
    if (!in_string && (c == 'N' || c == 'I' || c == '-')) {
      const auto* literal =
          std::find_if(std::begin(kLiterals), std::end(kLiterals), [&](const Literal& candidate) {
            return text.substr(i).starts_with(candidate.written);
          });
      if (literal != std::end(kLiterals)) {
        plain.text += literal->read;
        if (literal->read.size() > literal->written.size())
          plain.grown.push_back(plain.text.size());
        if (plain.grown.size() > kMaxNans)
          fail<FormatError>("{}: expected at most {} NaN, found more", place, kMaxNans);
        i += literal->written.size() - 1;
        continue;
      }
    }
    plain.text += text[i];
  }
  return plain;
}

// "config.json:3:14".
std::string place_of(std::string_view text, std::size_t offset, const std::string& place) {
  const TextPosition at = position_in_text(text, offset);
  return fmt::format("{}:{}:{}", place, at.line, at.column);
}

// "[json.exception.parse_error.101] parse error at line 1, column 5: syntax error ..." without what
// place_of says.
std::string_view bare_message(std::string_view message) {
  const std::size_t start = message.find("column ");
  const std::size_t colon = message.find(": ", start == std::string_view::npos ? 0 : start);
  return colon == std::string_view::npos ? message : message.substr(colon + 2);
}

[[noreturn]] void fail_parse(const Builder& builder,
                             std::string_view text,
                             const PlainText& plain,
                             const std::string& place) {
  const auto read = builder.error_position();
  if (!read) fail<FormatError>("{}: {}", place, builder.problem());
  // The parser counts the bytes it has read, the offending one included.
  const std::size_t position = *read == 0 ? 0 : *read - 1;
  const auto grown =
      std::upper_bound(plain.grown.begin(), plain.grown.end(), position) - plain.grown.begin();
  fail<FormatError>("{}: not valid JSON: {}",
                    place_of(text, position - static_cast<std::size_t>(grown), place),
                    bare_message(builder.problem()));
}

// A string or number of many megabytes costs nlohmann's lexer three copies of it that double as
// they grow; no document that Pith reads has one.
void check_tokens(std::string_view text, const std::string& place) {
  constexpr std::size_t kMaxTokenBytes = std::size_t{8} << 20;
  if (text.size() <= kMaxTokenBytes) return;
  std::size_t begin = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (i > begin + kMaxTokenBytes)
      fail<FormatError>("{}: expected strings and numbers of at most {} bytes, found a longer one",
                        place_of(text, begin, place),
                        kMaxTokenBytes);
    if (in_string && c == '\\')
      ++i;
    else if (c == '"')
      in_string = !in_string;
    else if (!in_string && (c == ',' || c == ':' || c == '[' || c == '{' || c == ' ' || c == '\n'))
      begin = i + 1;
  }
}

bool may_have_python_literals(std::string_view text) {
  return text.find("NaN") != std::string_view::npos ||
         text.find("Infinity") != std::string_view::npos;
}

}  // namespace

Json parse_json(std::string_view text, const std::string& place, const JsonLimits& limits) {
  if (text.size() > limits.max_bytes)
    fail<FormatError>(
        "{}: expected at most {} bytes of JSON, found {}", place, limits.max_bytes, text.size());
  // nlohmann takes a zero byte for the end of the text.
  if (const std::size_t zero = text.find('\0'); zero != std::string_view::npos)
    fail<FormatError>("{}: not valid JSON: a zero byte", place_of(text, zero, place));
  PlainText plain;
  check_tokens(text, place);
  if (may_have_python_literals(text)) plain = without_python_literals(text, place);
  const std::string_view parsed = plain.text.empty() ? text : std::string_view(plain.text);
  Builder builder(limits, text.size() + plain.text.size());
  if (!Json::sax_parse(parsed.begin(), parsed.end(), &builder))
    fail_parse(builder, text, plain, place);
  return builder.root();
}

Json read_json_file(const std::filesystem::path& path, const JsonLimits& limits) {
  return parse_json(read_text_file(path, limits.max_bytes), path.string(), limits);
}

}  // namespace pith

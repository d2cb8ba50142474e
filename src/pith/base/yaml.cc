#include "pith/base/yaml.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>
#include <sstream>

#include "pith/base/enum_table.h"
#include "pith/base/error.h"
#include "pith/base/mapped_file.h"
#include "pith/base/utf8.h"

namespace pith {
namespace {

constexpr std::size_t kMaxBytes = 1 << 20;
constexpr std::size_t kMaxDepth = 64;
constexpr std::size_t kMaxKeyBytes = 128;  // keeps paths short; no recipe key comes near

using Kind = YamlNode::Kind;

TextPosition position_of(const YAML::Mark& mark) {
  if (mark.is_null()) return {};
  return {.line = static_cast<std::size_t>(mark.line) + 1,
          .column = static_cast<std::size_t>(mark.column) + 1};
}

struct Tree {
  Kind kind = Kind::kNull;
  bool is_plain =
      true;  // a scalar without quotes: only such a one can be a number, a boolean or null
  TextPosition position{};
  std::string text{};  // of a scalar
  std::vector<Tree> children{};
  std::string key{};  // of a member of a map
  TextPosition key_position{};
};

}  // namespace

// A node, where it stands and the document that owns it.
struct YamlNode::Impl {
  struct Document {
    Tree root;
    std::string place;
  };
  std::shared_ptr<const Document> document;
  const Tree* tree;
  std::string path;
};

namespace {

[[noreturn]] void fail_at(const std::string& place,
                          TextPosition position,
                          std::string_view message) {
  fail<UserError>("{}:{}:{}: {}", place, position.line, position.column, message);
}

// Builds the tree from yaml-cpp's events rather than from its nodes, which hide duplicate keys,
// anchors and quotes.
class Builder : public YAML::EventHandler {
 public:
  explicit Builder(const std::string& place) : place_(place) {}
  Tree take_root() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnAnchor(const YAML::Mark& mark, const std::string&) override {
    refuse(mark, "anchors are not supported");
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    refuse(mark, "aliases are not supported");
  }

  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override {
    if (expects_key()) refuse(mark, "expected a key, found null");
    add({.position = position_of(mark)});
  }
  void OnScalar(const YAML::Mark& mark,
                const std::string& tag,
                YAML::anchor_t,
                const std::string& value) override {
    check_tag(mark, tag);
    if (expects_key()) return start_member(mark, value);
    add({.kind = Kind::kScalar,
         .is_plain = tag != "!",
         .position = position_of(mark),
         .text = value});
  }
  void OnSequenceStart(const YAML::Mark& mark,
                       const std::string& tag,
                       YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    open(mark, tag, Kind::kList);
  }
  void OnMapStart(const YAML::Mark& mark,
                  const std::string& tag,
                  YAML::anchor_t,
                  YAML::EmitterStyle::value) override {
    open(mark, tag, Kind::kMap);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapEnd() override { close(); }

 private:
  struct Open {
    Tree tree;
    std::set<std::string> keys{};
    bool has_key = false;  // the key of the next child has been read
    std::string key{};
    TextPosition key_position{};
  };

  [[noreturn]] void refuse(const YAML::Mark& mark, std::string_view message) {
    fail_at(place_, position_of(mark), message);
  }

  void check_tag(const YAML::Mark& mark, const std::string& tag) {
    // yaml-cpp says "?" for a plain scalar or a collection, "!" for a quoted scalar.
    if (!tag.empty() && tag != "?" && tag != "!") refuse(mark, "tags are not supported");
  }

  bool expects_key() const {
    return !open_.empty() && open_.back().tree.kind == Kind::kMap && !open_.back().has_key;
  }

  void start_member(const YAML::Mark& mark, const std::string& key) {
    if (key.size() > kMaxKeyBytes)
      refuse(mark, fmt::format("a key of {} bytes, expected at most {}", key.size(), kMaxKeyBytes));
    Open& map = open_.back();
    if (!map.keys.insert(key).second) refuse(mark, fmt::format("the key '{}' occurs twice", key));
    map.has_key = true;
    map.key = key;
    map.key_position = position_of(mark);
  }

  void open(const YAML::Mark& mark, const std::string& tag, Kind kind) {
    check_tag(mark, tag);
    if (expects_key()) refuse(mark, "expected a key, found a list or a map");
    if (open_.size() == kMaxDepth)
      refuse(mark, fmt::format("nested deeper than {} levels", kMaxDepth));
    open_.push_back({.tree = {.kind = kind, .position = position_of(mark)}});
  }

  void close() {
    Tree tree = std::move(open_.back().tree);
    open_.pop_back();
    add(std::move(tree));
  }

  void add(Tree&& tree) {
    if (open_.empty()) {
      root_ = std::move(tree);
      return;
    }
    Open& parent = open_.back();
    if (parent.has_key) {
      tree.key = std::move(parent.key);
      tree.key_position = parent.key_position;
      parent.has_key = false;
    }
    parent.tree.children.push_back(std::move(tree));
  }

  const std::string& place_;
  Tree root_;
  std::vector<Open> open_;
};

void check_text(std::string_view text, const std::string& place) {
  if (text.size() > kMaxBytes)
    fail<UserError>(
        "{}: expected at most {} bytes of YAML, found {}", place, kMaxBytes, text.size());
  const std::size_t bad = std::min(valid_utf8_prefix(text), text.find('\0'));
  if (bad >= text.size()) return;
  fail_at(place, position_in_text(text, bad), "expected UTF-8 text, found another byte");
}

// A node as an error shows it.
std::string shown(const Tree& tree) {
  constexpr std::size_t kMaxShownBytes = 40;
  switch (tree.kind) {
    case Kind::kNull:
      return "nothing";
    case Kind::kList:
      return fmt::format("a list of {}", tree.children.size());
    case Kind::kMap:
      return "a map";
    case Kind::kScalar:
      break;
  }
  const char quote = tree.is_plain ? '\'' : '"';
  if (tree.text.size() <= kMaxShownBytes) return fmt::format("{}{}{}", quote, tree.text, quote);
  const std::string_view start = std::string_view(tree.text).substr(0, kMaxShownBytes);
  return fmt::format("{}{}...{}", quote, start.substr(0, valid_utf8_prefix(start)), quote);
}

YamlNode child_of(const YamlNode::Impl& parent, const Tree& child, const std::string& step) {
  std::string path = parent.path;
  if (!path.empty() && !step.starts_with('[')) path += '.';
  return YamlNode(
      std::make_shared<YamlNode::Impl>(YamlNode::Impl{parent.document, &child, path + step}));
}

template <class T>
std::optional<T> parsed_whole(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool is_plain_scalar(const Tree& tree) { return tree.kind == Kind::kScalar && tree.is_plain; }

}  // namespace

Kind YamlNode::kind() const { return impl_->tree->kind; }

std::vector<YamlNode> YamlNode::items() const {
  if (kind() != Kind::kList) fail("a list");
  std::vector<YamlNode> items;
  for (const Tree& child : impl_->tree->children)
    items.push_back(child_of(*impl_, child, fmt::format("[{}]", items.size())));
  return items;
}

std::vector<std::pair<std::string, YamlNode>> YamlNode::members() const {
  if (kind() != Kind::kMap) fail("a map");
  std::vector<std::pair<std::string, YamlNode>> members;
  for (const Tree& child : impl_->tree->children)
    members.emplace_back(child.key, child_of(*impl_, child, child.key));
  return members;
}

std::optional<YamlNode> YamlNode::find(std::string_view key) const {
  if (kind() != Kind::kMap) fail("a map");
  const auto& children = impl_->tree->children;
  const auto child = std::find_if(
      children.begin(), children.end(), [key](const Tree& tree) { return tree.key == key; });
  if (child == children.end()) return std::nullopt;
  return child_of(*impl_, *child, child->key);
}

YamlNode YamlNode::at(std::string_view key) const {
  if (auto node = find(key)) return *std::move(node);
  fail(fmt::format("the key '{}'", key), "none");
}

void YamlNode::allow_keys(std::span<const std::string_view> allowed) const {
  if (kind() != Kind::kMap) fail("a map");
  for (const Tree& child : impl_->tree->children) {
    if (std::find(allowed.begin(), allowed.end(), child.key) != allowed.end()) continue;
    const TextPosition at = child.key_position;
    const std::string place = fmt::format("{}:{}:{}", impl_->document->place, at.line, at.column);
    fail_unknown_name(
        path().empty() ? place : fmt::format("{}: at {}", place, path()), child.key, allowed);
  }
}

std::string YamlNode::string() const {
  if (kind() != Kind::kScalar) fail("text");
  return impl_->tree->text;
}

bool YamlNode::boolean() const {
  const Tree& tree = *impl_->tree;
  if (is_plain_scalar(tree) && (tree.text == "true" || tree.text == "True")) return true;
  if (is_plain_scalar(tree) && (tree.text == "false" || tree.text == "False")) return false;
  fail("true or false");
}

double YamlNode::number() const {
  const Tree& tree = *impl_->tree;
  const auto value = is_plain_scalar(tree) ? parsed_whole<double>(tree.text) : std::nullopt;
  if (!value || !std::isfinite(*value)) fail("a number");
  return *value;
}

std::int64_t YamlNode::integer(std::int64_t low, std::int64_t high) const {
  const Tree& tree = *impl_->tree;
  const auto value = is_plain_scalar(tree) ? parsed_whole<std::int64_t>(tree.text) : std::nullopt;
  if (value && *value >= low && *value <= high) return *value;
  fail(high == INT64_MAX ? fmt::format("an integer, at least {}", low)
                         : fmt::format("an integer from {} to {}", low, high));
}

std::string YamlNode::place() const {
  const TextPosition at = impl_->tree->position;
  return fmt::format("{}:{}:{}", impl_->document->place, at.line, at.column);
}

const std::string& YamlNode::path() const { return impl_->path; }

void YamlNode::fail(std::string_view expected,
                    std::string_view found,
                    std::string_view remedy) const {
  throw UserError(
      ErrorParts{.place = path().empty() ? place() : fmt::format("{}: at {}", place(), path()),
                 .expected = std::string(expected),
                 .found = found.empty() ? shown(*impl_->tree) : std::string(found),
                 .remedy = std::string(remedy)});
}

YamlNode parse_yaml(std::string_view text, const std::string& place) {
  check_text(text, place);
  auto document = std::make_shared<YamlNode::Impl::Document>();
  document->place = place;
  try {
    // The comment makes yaml-cpp 0.7 see quotes that are still open at the end, which it overlooks
    // after a line break.
    std::istringstream stream{std::string(text) + "\n#"};
    YAML::Parser parser(stream);
    Builder builder(place);
    parser.HandleNextDocument(builder);
    document->root = builder.take_root();
    Builder more(place);
    if (parser.HandleNextDocument(more))
      fail<UserError>("{}: expected one document, found several", place);
  } catch (const YAML::Exception& error) {
    // What ends too early is noticed on the comment.
    fail_at(place,
            std::min(position_of(error.mark), position_in_text(text, text.size())),
            "not valid YAML: " + error.msg);
  }
  const Tree* root = &document->root;
  return YamlNode(std::make_shared<YamlNode::Impl>(YamlNode::Impl{std::move(document), root, ""}));
}

YamlNode read_yaml_file(const std::filesystem::path& path) {
  return parse_yaml(read_text_file(path, kMaxBytes), path.string());
}

}  // namespace pith

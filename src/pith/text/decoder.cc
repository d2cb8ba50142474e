#include "pith/text/decoder.h"

#include <algorithm>
#include <charconv>
#include <type_traits>

#include "pith/base/error.h"
#include "pith/base/utf8.h"
#include "pith/text/byte_level.h"
#include "pith/text/code_points.h"

namespace pith {
namespace {

constexpr std::int64_t kMaxStrip = 1 << 20;

std::size_t size_of(const std::vector<std::string>& tokens) {
  std::size_t bytes = 0;
  for (const std::string& token : tokens) bytes += token.size();
  return bytes;
}

std::string joined(const std::vector<std::string>& tokens, std::string_view separator) {
  std::string text;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (i > 0) text += separator;
    text += tokens[i];
  }
  return text;
}

}  // namespace

Decoder Decoder::from_json(const std::optional<JsonCursor>& cursor) {
  Decoder decoder;
  if (!cursor) return decoder;
  decoder.is_none_ = false;
  decoder.add(*cursor);
  return decoder;
}

void Decoder::add(const JsonCursor& cursor) {
  const JsonCursor type = cursor.at("type");
  const std::string name = type.string();
  if (steps_.size() == kMaxTextSteps)
    cursor.fail(fmt::format("at most {} decoders", kMaxTextSteps), "more");
  if (name == "Sequence") {
    for (const JsonCursor& step : cursor.at("decoders").items()) add(step);
  } else if (name == "ByteLevel") {
    steps_.emplace_back(ByteLevel{});
  } else if (name == "ByteFallback") {
    steps_.emplace_back(ByteFallback{});
  } else if (name == "Fuse") {
    steps_.emplace_back(Fuse{});
  } else if (name == "Replace") {
    steps_.emplace_back(
        Replace{Pattern::from_json(cursor.at("pattern")), cursor.at("content").string()});
  } else if (name == "Strip") {
    add_strip(cursor);
  } else if (name == "Metaspace") {
    add_metaspace(cursor);
  } else {
    type.fail(
        "a decoder that Pith has: ByteLevel, ByteFallback, Fuse, Replace, Strip, Metaspace, "
        "Sequence");
  }
}

void Decoder::add_strip(const JsonCursor& cursor) {
  const JsonCursor content = cursor.at("content");
  const std::string text = content.string();
  if (text.empty() || code_point_at(text, 0).bytes != text.size()) content.fail("one character");
  steps_.emplace_back(
      Strip{.content = text,
            .start = static_cast<std::size_t>(cursor.integer_or("start", 0, 0, kMaxStrip)),
            .stop = static_cast<std::size_t>(cursor.integer_or("stop", 0, 0, kMaxStrip))});
}

void Decoder::add_metaspace(const JsonCursor& cursor) {
  Metaspace step{.replacement = cursor.string_or("replacement", "\xE2\x96\x81"),
                 .strips_first = cursor.boolean_or("add_prefix_space", true)};
  if (step.replacement.empty()) cursor.at("replacement").fail("one character");
  if (cursor.has("prepend_scheme"))
    step.strips_first = cursor.at("prepend_scheme").string() != "never";
  steps_.emplace_back(std::move(step));
}

std::string Decoder::decode(std::vector<std::string> tokens) const {
  if (is_none_) return joined(tokens, " ");
  const std::size_t max_bytes = max_bytes_made_of(size_of(tokens));
  for (const Step& step : steps_) {
    const auto run = [&](const auto& chosen) {
      if constexpr (std::is_same_v<decltype(chosen), const Replace&>)
        replace(chosen, max_bytes, tokens);
      else
        apply(chosen, tokens);
    };
    std::visit(run, step);
  }
  return joined(tokens, "");
}

std::string Decoder::decode_bytes(const std::vector<std::string>& tokens) {
  std::string bytes;
  for (const std::string& token : tokens) bytes += characters_to_bytes(token).value_or(token);
  return bytes;
}

void Decoder::apply(const ByteLevel&, std::vector<std::string>& tokens) {
  tokens = {replace_invalid_utf8(decode_bytes(tokens))};
}

std::optional<unsigned char> Decoder::fallback_byte(std::string_view token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token.back() != '>') return std::nullopt;
  unsigned char byte = 0;
  const auto [end, error] = std::from_chars(token.data() + 3, token.data() + 5, byte, 16);
  return error == std::errc() && end == token.data() + 5 ? std::optional(byte) : std::nullopt;
}

void Decoder::apply(const ByteFallback&, std::vector<std::string>& tokens) {
  std::vector<std::string> decoded;
  std::string run;
  const auto end_run = [&] {
    if (run.empty()) return;
    if (valid_utf8_prefix(run) == run.size())
      decoded.push_back(run);
    else
      decoded.insert(decoded.end(), run.size(), std::string(kReplacementCharacter));
    run.clear();
  };
  for (std::string& token : tokens) {
    if (const auto byte = fallback_byte(token)) {
      run += static_cast<char>(*byte);
    } else {
      end_run();
      decoded.push_back(std::move(token));
    }
  }
  end_run();
  tokens = std::move(decoded);
}

void Decoder::apply(const Fuse&, std::vector<std::string>& tokens) {
  tokens = {joined(tokens, "")};
}

void Decoder::replace(const Replace& step,
                      std::size_t max_bytes,
                      std::vector<std::string>& tokens) {
  RegexScratch scratch;
  for (std::string& token : tokens) {
    token = step.pattern.replace_all(token, step.content, max_bytes, scratch);
    max_bytes -= token.size();
  }
}

void Decoder::apply(const Strip& step, std::vector<std::string>& tokens) {
  for (std::string& token : tokens) {
    std::string_view text = token;
    for (std::size_t i = 0; i < step.start && text.starts_with(step.content); ++i)
      text.remove_prefix(step.content.size());
    for (std::size_t i = 0; i < step.stop && text.ends_with(step.content); ++i)
      text.remove_suffix(step.content.size());
    token = std::string(text);
  }
}

void Decoder::apply(const Metaspace& step, std::vector<std::string>& tokens) {
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const std::string_view space = i == 0 && step.strips_first ? "" : " ";
    std::string text;
    std::string_view rest = tokens[i];
    while (true) {
      const std::size_t at = rest.find(step.replacement);
      text += rest.substr(0, at);
      if (at == std::string_view::npos) break;
      text += space;
      rest.remove_prefix(at + step.replacement.size());
    }
    tokens[i] = std::move(text);
  }
}

// kTokens wants: steps that look at single tokens, then Fuse, then at most strips at the start.
Decoder::Growth Decoder::growth() const {
  if (is_none_) return Growth::kAtEnd;
  if (steps_.size() == 1 && std::holds_alternative<ByteLevel>(steps_[0])) return Growth::kBytes;
  bool is_fused = false;
  for (const Step& step : steps_) {
    const bool is_first = &step == &steps_.front();
    if (std::holds_alternative<ByteLevel>(step)) return Growth::kAtEnd;
    if (std::holds_alternative<Replace>(step) && is_fused) return Growth::kAtEnd;
    if (std::holds_alternative<ByteFallback>(step) && is_fused) return Growth::kAtEnd;
    if (std::holds_alternative<Metaspace>(step) && !is_first) return Growth::kAtEnd;
    if (const auto* strip = std::get_if<Strip>(&step);
        strip != nullptr && is_fused && strip->stop > 0)
      return Growth::kAtEnd;
    if (std::holds_alternative<Fuse>(step)) is_fused = true;
  }
  return Growth::kTokens;
}

}  // namespace pith

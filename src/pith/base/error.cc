#include "pith/base/error.h"

#include <cerrno>
#include <system_error>

#include "pith/base/utf8.h"

namespace pith {
namespace {

std::string joined(const ErrorParts& parts) {
  std::string text;
  const auto append =
      [&text](std::string_view separator, std::string_view label, std::string_view part) {
        if (part.empty()) return;
        if (!text.empty()) text += separator;
        text += label;
        text += part;
      };
  append("", "", parts.place);
  append(": ", "expected ", parts.expected);
  append(parts.expected.empty() ? ": " : ", ", "found ", parts.found);
  append(parts.expected.empty() && parts.found.empty() ? ": " : "; ", "", parts.remedy);
  return text;
}

// C0, DEL, and C1 as it stands in UTF-8 (C2 80 to C2 9F): terminals act on all of these. Line
// breaks are ours too.
bool is_control(std::string_view text, std::size_t at) {
  const auto byte = static_cast<unsigned char>(text[at]);
  if (byte == 0xC2 && at + 1 < text.size()) return static_cast<unsigned char>(text[at + 1]) < 0xA0;
  return (byte < 0x20 && byte != '\n') || byte == 0x7F;
}

std::string printable_message(std::string_view message) {
  std::string text;
  text.reserve(message.size());
  std::size_t at = 0;
  const auto escape = [&] {
    text += fmt::format("\\x{:02x}", static_cast<unsigned char>(message[at++]));
  };
  while (at < message.size()) {
    for (const std::size_t end = at + valid_utf8_prefix(message.substr(at)); at < end;) {
      if (!is_control(message, at)) {
        text += message[at++];
        continue;
      }
      if (static_cast<unsigned char>(message[at]) == 0xC2) escape();
      escape();
    }
    if (at < message.size()) escape();
  }
  return text;
}

// What it is about stands at the front, what to do at the end.
std::string cleaned(std::string_view message) {
  constexpr std::size_t kMaxStart = 3000, kMaxEnd = 1000;
  if (message.size() <= kMaxStart + kMaxEnd) return printable_message(message);
  const std::string_view start = message.substr(0, kMaxStart);
  std::string_view end = message.substr(message.size() - kMaxEnd);
  while (!end.empty() && (static_cast<unsigned char>(end.front()) & 0xC0) == 0x80)
    end.remove_prefix(1);
  return printable_message(start.substr(0, valid_utf8_prefix(start))) + " ... " +
         printable_message(end);
}

}  // namespace

Error::Error(std::string_view message) : message_(cleaned(message)) {}
Error::Error(const ErrorParts& parts) : Error(joined(parts)) {}

void Error::add_context(const std::string& context) {
  message_ = cleaned(context + ": " + message_);
}

void fail_errno(const std::string& path, const std::string& what) {
  const std::string cause = std::generic_category().message(errno);
  fail<FormatError>("{}: {}: {}", path, what, cause);
}

void check_failed(const char* condition, const char* file, int line) {
  fail<InternalError>(
      "internal error at {}:{}: {} does not hold; please report it", file, line, condition);
}

}  // namespace pith

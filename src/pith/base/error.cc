#include "pith/base/error.h"

#include <cerrno>
#include <system_error>

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

}  // namespace

Error::Error(const ErrorParts& parts) : message_(joined(parts)) {}

void fail_errno(const std::string& path, const std::string& what) {
  const std::string cause = std::generic_category().message(errno);
  fail<FormatError>("{}: {}: {}", path, what, cause);
}

void check_failed(const char* condition, const char* file, int line) {
  fail<InternalError>(
      "internal error at {}:{}: {} does not hold; please report it", file, line, condition);
}

}  // namespace pith

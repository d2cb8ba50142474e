#include "pith/text/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <array>
#include <cstdint>

#include "pith/base/error.h"
#include "pith/text/code_points.h"

namespace pith {
namespace {

constexpr std::size_t kMaxPatternBytes = std::size_t{64} << 10;
// What JIT code may use for backtracking; simple repeats need none of it. Beyond, the interpreter
// takes over, whose limits follow: enough for megabytes of text, and over in seconds for a pattern
// that explodes.
constexpr std::size_t kJitStackBytes = std::size_t{8} << 20;
constexpr std::uint32_t kMatchLimit = 10'000'000;
constexpr std::uint32_t kHeapLimitKib = 512 << 10;

std::string engine_message(int code) {
  std::array<PCRE2_UCHAR, 256> buffer{};
  pcre2_get_error_message(code, buffer.data(), buffer.size());
  return reinterpret_cast<const char*>(buffer.data());
}

PCRE2_SPTR units(std::string_view text) { return reinterpret_cast<PCRE2_SPTR>(text.data()); }

}  // namespace

struct RegexScratch::Handles {
  pcre2_match_data* match = pcre2_match_data_create(1, nullptr);
  pcre2_match_context* context = pcre2_match_context_create(nullptr);
  pcre2_jit_stack* stack = pcre2_jit_stack_create(std::size_t{32} << 10, kJitStackBytes, nullptr);

  Handles() {
    if (match == nullptr || context == nullptr) throw std::bad_alloc();
    if (stack != nullptr) pcre2_jit_stack_assign(context, nullptr, stack);
    pcre2_set_match_limit(context, kMatchLimit);
    pcre2_set_heap_limit(context, kHeapLimitKib);
  }
  Handles(const Handles&) = delete;
  Handles& operator=(const Handles&) = delete;
  ~Handles() {
    pcre2_jit_stack_free(stack);
    pcre2_match_context_free(context);
    pcre2_match_data_free(match);
  }
};

RegexScratch::RegexScratch() : handles_(std::make_unique<Handles>()) {}
RegexScratch::~RegexScratch() = default;
RegexScratch::RegexScratch(RegexScratch&&) noexcept = default;

struct Regex::Code {
  pcre2_code* handle = nullptr;
  bool has_jit = false;

  explicit Code(pcre2_code* compiled) : handle(compiled) {}
  Code(const Code&) = delete;
  Code& operator=(const Code&) = delete;
  ~Code() { pcre2_code_free(handle); }
};

Regex::Regex(std::string_view pattern) : pattern_(pattern) {
  if (pattern.size() > kMaxPatternBytes)
    fail<FormatError>(
        "expected a pattern of at most {} bytes, found {}", kMaxPatternBytes, pattern.size());
  const std::string translated = pcre2_pattern(pattern);
  constexpr std::uint32_t kOptions =
      PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C;
  const std::unique_ptr<pcre2_compile_context, decltype(&pcre2_compile_context_free)> context(
      pcre2_compile_context_create(nullptr), pcre2_compile_context_free);
  if (!context) throw std::bad_alloc();
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  int error = 0;
  PCRE2_SIZE position = 0;
  pcre2_code* compiled = pcre2_compile(
      units(translated), translated.size(), kOptions, &error, &position, context.get());
  if (compiled == nullptr)
    fail<FormatError>("the pattern '{}' does not compile: {} (byte {} of '{}')",
                      pattern,
                      engine_message(error),
                      position,
                      translated);
  const auto code = std::make_shared<Code>(compiled);
  code->has_jit = pcre2_jit_compile(compiled, PCRE2_JIT_COMPLETE) == 0;
  code_ = code;
}

std::optional<TextRange> Regex::find(std::string_view text,
                                     std::size_t from,
                                     RegexScratch& scratch) const {
  const auto& handles = *scratch.handles_;
  int result = PCRE2_ERROR_JIT_STACKLIMIT;
  if (code_->has_jit && handles.stack != nullptr)
    result = pcre2_jit_match(
        code_->handle, units(text), text.size(), from, 0, handles.match, handles.context);
  if (result == PCRE2_ERROR_JIT_STACKLIMIT)
    result = pcre2_match(code_->handle,
                         units(text),
                         text.size(),
                         from,
                         PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT,
                         handles.match,
                         handles.context);
  if (result == PCRE2_ERROR_NOMATCH) return std::nullopt;
  if (result < 0)
    fail<FormatError>("the pattern '{}' fails on a text of {} bytes, after byte {}: {}",
                      pattern_,
                      text.size(),
                      from,
                      engine_message(result));
  const PCRE2_SIZE* ends = pcre2_get_ovector_pointer(handles.match);
  return TextRange{ends[0], ends[1]};
}

void Regex::for_each(std::string_view text,
                     RegexScratch& scratch,
                     const std::function<void(TextRange)>& use) const {
  std::size_t from = 0;
  std::optional<std::size_t> last_end;
  while (from <= text.size()) {
    const auto match = find(text, from, scratch);
    if (!match) return;
    if (match->end <= match->begin && last_end == match->end) {
      from = match->end + (match->end < text.size() ? code_point_at(text, match->end).bytes : 1);
      continue;
    }
    use(*match);
    from = match->end;
    last_end = match->end;
  }
}

}  // namespace pith

#include "pith/evaluation/windows.h"

#include <algorithm>
#include <string>

#include "pith/base/error.h"

namespace pith {
namespace {

using Ids = std::span<const std::int32_t>;

bool one_stream(Convention convention) {
  return convention != Convention::kLmEval && convention != Convention::kPerLine;
}

// The fewest tokens a window must have for one of them to be scored.
std::int64_t least_window(Convention convention) {
  switch (convention) {
    case Convention::kGptq:
    case Convention::kHfStride:
    case Convention::kPerLine:
      return 2;
    case Convention::kLlamaCpp:
      return 3;
    case Convention::kChunk:
    case Convention::kLmEval:
      return 1;
  }
  throw InternalError("convention without a least window");
}

void check(const WindowOptions& options) {
  const std::int64_t least = least_window(options.convention);
  require(options.window >= least,
          "window: expected at least {} tokens for convention {}, found {}",
          least,
          to_string(options.convention),
          options.window);
  require(!options.max_tokens || *options.max_tokens >= 1,
          "max-tokens: expected at least 1, found {}",
          options.max_tokens.value_or(0));
  if (!options.stride) return;
  require(options.convention == Convention::kHfStride,
          "stride: found {}, but convention {} has none; use --convention hf-stride",
          *options.stride,
          to_string(options.convention));
  require(*options.stride >= 1 && *options.stride <= options.window,
          "stride: expected 1 to {} (the window), found {}",
          options.window,
          *options.stride);
}

// The window [begin, end) of a stream; scores its tokens from the one at `first` >= 1 of the window
// on.
ScoredWindow window_of(Ids stream, std::size_t begin, std::size_t end, std::size_t first) {
  const Ids input = stream.subspan(begin, end - begin);
  const Ids targets = input.subspan(first);
  return {{input.begin(), input.end()}, {targets.begin(), targets.end()}, first - 1, 0};
}

std::vector<ScoredWindow> gptq_windows(Ids stream, std::size_t length) {
  std::vector<ScoredWindow> windows;
  for (std::size_t b = 0; b + length <= stream.size(); b += length)
    windows.push_back(window_of(stream, b, b + length, 1));
  return windows;
}

// Pairs x, y as nanoGPT makes them: the last target of a chunk is the first input of the next.
std::vector<ScoredWindow> chunk_windows(Ids stream, std::size_t length) {
  std::vector<ScoredWindow> windows;
  for (std::size_t b = 0; b + length < stream.size(); b += length) {
    ScoredWindow window = window_of(stream, b, b + length + 1, 1);
    window.input.pop_back();
    windows.push_back(std::move(window));
  }
  return windows;
}

std::vector<ScoredWindow> stride_windows(Ids stream, std::size_t length, std::size_t stride) {
  std::vector<ScoredWindow> windows;
  std::size_t previous_end = 0;
  for (std::size_t begin = 0; previous_end < stream.size(); begin += stride) {
    const std::size_t end = std::min(begin + length, stream.size());
    // A window's own first token has no predecessor in it, so it is never scored there.
    const std::size_t first = std::max<std::size_t>(previous_end - begin, 1);
    if (begin + first < end) windows.push_back(window_of(stream, begin, end, first));
    previous_end = end;
  }
  return windows;
}

std::vector<ScoredWindow> llama_cpp_windows(Ids stream,
                                            std::size_t length,
                                            std::optional<std::int32_t> bos) {
  std::vector<ScoredWindow> windows;
  for (std::size_t b = 0; b + length <= stream.size(); b += length) {
    ScoredWindow window = window_of(stream, b, b + length, length / 2 + 1);
    if (bos) window.input.front() = *bos;
    windows.push_back(std::move(window));
  }
  return windows;
}

// lm_eval.utils.get_rolling_token_windows with context_len = 1: `prefix` stands before the
// document, each window predicts `length` tokens, the last is extended to the left. Source:
// card 5.1.
void add_rolling_windows(Ids ids,
                         std::size_t length,
                         std::int32_t prefix,
                         std::vector<ScoredWindow>& windows) {
  std::vector<std::int32_t> stream{prefix};
  stream.insert(stream.end(), ids.begin(), ids.end());
  for (std::size_t begin = 1; begin < stream.size();) {
    const std::size_t end = std::min(begin + length, stream.size());
    const std::size_t input_begin = end - 1 > length ? end - 1 - length : 0;
    ScoredWindow window = window_of(stream, input_begin, end, begin - input_begin);
    window.input.pop_back();
    windows.push_back(std::move(window));
    begin = end;
  }
}

void add_line_window(Ids ids,
                     std::size_t length,
                     std::optional<std::int32_t> bos,
                     std::vector<ScoredWindow>& windows) {
  std::vector<std::int32_t> input;
  if (bos) input.push_back(*bos);
  const std::size_t kept = std::min(ids.size(), length - input.size());
  input.insert(input.end(), ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(kept));
  if (input.size() >= 2) windows.push_back(window_of(input, 0, input.size(), 1));
}

// How many leading documents `max_tokens` leaves.
std::size_t kept_documents(std::span<const Document> documents, const WindowOptions& options) {
  if (!options.max_tokens) return documents.size();
  std::uint64_t tokens = 0;
  std::size_t kept = 0;
  while (kept < documents.size()) {
    tokens += documents[kept].ids.size();
    if (tokens > static_cast<std::uint64_t>(*options.max_tokens)) break;
    ++kept;
  }
  return kept;
}

std::vector<ScoredWindow> document_windows(std::span<const Document> documents,
                                           const WindowOptions& options,
                                           std::optional<std::int32_t> bos,
                                           std::optional<std::int32_t> eos) {
  const bool rolling = options.convention == Convention::kLmEval;
  const auto length = static_cast<std::size_t>(options.window);
  const std::optional<std::int32_t> prefix = bos || !rolling ? bos : eos;
  require(prefix || !rolling,
          "convention lm-eval: expected a BOS or EOS token to put in front of each document, found "
          "neither in the model; use another --convention");
  std::vector<ScoredWindow> windows;
  for (std::size_t d = 0; d < documents.size(); ++d) {
    const std::size_t before = windows.size();
    if (rolling)
      add_rolling_windows(documents[d].ids, length, *prefix, windows);
    else
      add_line_window(documents[d].ids, length, prefix, windows);
    for (std::size_t w = before; w < windows.size(); ++w) windows[w].document = d;
  }
  return windows;
}

std::vector<ScoredWindow> stream_windows(std::vector<std::int32_t> stream,
                                         const WindowOptions& options,
                                         std::optional<std::int32_t> bos) {
  const auto length = static_cast<std::size_t>(options.window);
  if (options.max_tokens && static_cast<std::uint64_t>(*options.max_tokens) < stream.size())
    stream.resize(static_cast<std::size_t>(*options.max_tokens));
  if (bos && options.convention == Convention::kGptq) stream.insert(stream.begin(), *bos);
  switch (options.convention) {
    case Convention::kGptq:
      return gptq_windows(stream, length);
    case Convention::kChunk:
      return chunk_windows(stream, length);
    case Convention::kHfStride:
      return stride_windows(stream, length, static_cast<std::size_t>(*stride_of(options)));
    case Convention::kLlamaCpp:
      return llama_cpp_windows(stream, length, bos);
    case Convention::kLmEval:
    case Convention::kPerLine:
      break;
  }
  throw InternalError("a convention of documents was given as one of a stream");
}

// Tokens of text without which a convention has not one prediction.
std::int64_t needed_tokens(const WindowOptions& options, bool has_bos) {
  switch (options.convention) {
    case Convention::kGptq:
      return options.window - (has_bos ? 1 : 0);
    case Convention::kChunk:
      return options.window + 1;
    case Convention::kLlamaCpp:
      return options.window;
    case Convention::kHfStride:
      return 2;
    case Convention::kLmEval:
      return 1;
    case Convention::kPerLine:
      return has_bos ? 1 : 2;
  }
  throw InternalError("convention without a least text");
}

[[noreturn]] void fail_nothing_scored(std::span<const Document> documents,
                                      const WindowOptions& options,
                                      bool has_bos) {
  std::uint64_t all = 0;
  for (const Document& document : documents) all += document.ids.size();
  const std::uint64_t kept = windowed_tokens(documents, options);
  std::string found = fmt::format("{} tokens", kept);
  if (kept < all) found += fmt::format(" (max-tokens cut {})", all);
  throw UserError(ErrorParts{
      .place = fmt::format(
          "convention {} with a window of {}", to_string(options.convention), options.window),
      .expected = fmt::format("at least {} tokens{}",
                              needed_tokens(options, has_bos),
                              one_stream(options.convention) ? "" : " in one document"),
      .found = found,
      .remedy = kept < all ? "raise --max-tokens" : "use a longer text or a smaller --window"});
}

}  // namespace

std::optional<std::int64_t> stride_of(const WindowOptions& options) {
  if (options.convention != Convention::kHfStride) return std::nullopt;
  return options.stride.value_or(options.window / 2);
}

std::uint64_t windowed_tokens(std::span<const Document> documents, const WindowOptions& options) {
  const bool whole = !one_stream(options.convention);
  if (whole) documents = documents.first(kept_documents(documents, options));
  std::uint64_t tokens = 0;
  for (const Document& document : documents) tokens += document.ids.size();
  if (whole || !options.max_tokens) return tokens;
  return std::min(tokens, static_cast<std::uint64_t>(*options.max_tokens));
}

std::vector<ScoredWindow> make_windows(std::span<const Document> documents,
                                       const WindowOptions& options,
                                       std::optional<std::int32_t> bos,
                                       std::optional<std::int32_t> eos) {
  check(options);
  std::vector<ScoredWindow> windows;
  if (one_stream(options.convention)) {
    PITH_CHECK(documents.size() == 1);
    windows = stream_windows(documents.front().ids, options, bos);
  } else {
    windows =
        document_windows(documents.first(kept_documents(documents, options)), options, bos, eos);
  }
  if (windows.empty()) fail_nothing_scored(documents, options, bos.has_value());
  return windows;
}

BosRule bos_rule(Convention convention, bool has_bos) {
  if (!has_bos) return BosRule::kNone;
  switch (convention) {
    case Convention::kGptq:
    case Convention::kLmEval:
      return BosRule::kStream;
    case Convention::kLlamaCpp:
    case Convention::kPerLine:
      return BosRule::kWindow;
    case Convention::kChunk:
    case Convention::kHfStride:
      return BosRule::kNone;
  }
  throw InternalError("convention without a BOS rule");
}

}  // namespace pith

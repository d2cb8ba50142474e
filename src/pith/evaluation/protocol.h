// From a TEXT and a convention to the windows that are scored.
#pragma once

#include <filesystem>
#include <optional>
#include <string_view>
#include <vector>

#include "pith/evaluation/windows.h"
#include "pith/formats/checkpoint.h"
#include "pith/text/tokenizer.h"

namespace pith {

// How a text is cut and scored.
struct ProtocolOptions {
  std::optional<std::int64_t> window = {}, stride = {}, max_tokens = {};
  Convention convention = Convention::kGptq;
};
void visit(ProtocolOptions& o, auto&& v) {
  v("window", o.window, "tokens a window (default: 2048, or the model's context if shorter)");
  v("stride",
    o.stride,
    "tokens from a window to the next (convention hf-stride; default: half a window)");
  v("convention", o.convention, "how the text is cut into windows and which tokens count");
  v("max-tokens", o.max_tokens, "cut the token stream before it is windowed");
}

struct PreparedText {
  WindowOptions options;  // all values filled in
  BosRule bos = BosRule::kNone;
  std::vector<Document> documents;
  std::vector<ScoredWindow> windows;
};

// `context` is the longest window that every model to be scored takes. Throws UserError or
// FormatError.
PreparedText prepare_text(const std::filesystem::path& text,
                          const ProtocolOptions& protocol,
                          const Checkpoint& model,
                          std::int64_t context);

}  // namespace pith

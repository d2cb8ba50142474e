// pith eval: perplexity of one model under a stated protocol.
#include <fmt/format.h>

#include "pith/cli/torch_bodies.h"
#include "pith/cli/torch_engine.h"
#include "pith/evaluation/perplexity.h"
#include "pith/evaluation/protocol.h"

namespace pith {

int run_eval(const EvalOptions& options, const GlobalOptions& global) {
  prepare_engine(options.engine);
  const LoadedModel model = load_model(options.model);
  const PreparedText text =
      prepare_text(options.perplexity, options.protocol, model.checkpoint, model.scorer->context());
  const Comparison result = explain_nonfinite({&model.checkpoint}, [&] {
    return compare_models({model.scorer.get(), model.loaded_bytes},
                          {},
                          text.windows,
                          text.options,
                          text.bos,
                          text.documents);
  });
  const Json json = to_json(result.base);
  if (global.json) {
    fmt::print("{}\n", json.dump(2));
    return 0;
  }
  const PerplexityResult& r = result.base;
  fmt::print(
      "perplexity {:.4f} +- {:.4f} ({}, {} windows of {}, {} predictions, BOS {}; engine {}, "
      "activations {})\n{:.1f} s, {:.1f} tokens/s, peak memory {}\n",
      r.perplexity,
      r.perplexity * r.standard_error,
      to_string(r.convention),
      r.windows,
      r.window,
      r.predictions,
      to_string(r.bos),
      r.engine,
      r.activations,
      r.seconds,
      r.tokens_per_second,
      format_size(r.peak_bytes));
  return 0;
}

}  // namespace pith

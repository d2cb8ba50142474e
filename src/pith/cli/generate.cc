// pith generate: continue a prompt.
#include "pith/model/generate.h"

#include <fmt/format.h>

#include <chrono>

#include "pith/cli/torch_bodies.h"
#include "pith/cli/torch_engine.h"
#include "pith/text/tokenizer.h"

namespace pith {

int run_generate(const GenerateCommandOptions& options, const GlobalOptions& global) {
  prepare_engine(options.engine);
  const LoadedModel model = load_model(options.model);
  const Tokenizer tokenizer = Tokenizer::of(model.checkpoint);
  const std::vector<std::int32_t> prompt = tokenizer.encode(options.prompt, {.special_ends = true});
  require(!prompt.empty(), "--prompt has no tokens; expected some text");
  StreamDecoder stream(tokenizer);
  std::string text;
  const auto start = std::chrono::steady_clock::now();
  const Generation result = explain_nonfinite({&model.checkpoint}, [&] {
    return generate(model.scorer->model(),
                    prompt,
                    {.max_tokens = options.max_tokens,
                     .temperature = options.temperature,
                     .seed = global.seed,
                     .ignore_eos = options.ignore_eos,
                     .stop_ids = model.checkpoint.stop_ids()},
                    [&](std::int32_t id) {
                      const std::string piece = stream.push(id);
                      text += piece;
                      if (global.json) return;
                      fmt::print("{}", piece);
                      std::fflush(stdout);
                    });
  });
  const std::string rest = stream.finish();
  text += rest;
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (!global.json) {
    fmt::print("{}\n", rest);
    fmt::print(stderr, "{} tokens, {:.1f} tokens/s\n", result.ids.size(), result.tokens_per_second);
    return 0;
  }
  const Json json{{"ids", result.ids},
                  {"text", text},
                  {"prompt_tokens", prompt.size()},
                  {"seconds", seconds},
                  {"tokens_per_second", result.tokens_per_second},
                  {"engine", model.scorer->engine()},
                  {"activations", model.scorer->activations()}};
  fmt::print("{}\n", json.dump(2));
  return 0;
}

}  // namespace pith

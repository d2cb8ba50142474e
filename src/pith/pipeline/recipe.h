// A recipe: model, stages, evaluation. See docs/recipes.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pith/conversion/output_format.h"
#include "pith/evaluation/protocol.h"
#include "pith/pipeline/stage.h"

namespace pith {

struct PerplexityTask {
  std::filesystem::path text;
  ProtocolOptions protocol;
  std::string place{};  // in the recipe, for errors that need the model
};
void visit(PerplexityTask& o, auto&& v) {
  v("text", o.text, "TEXT to measure on");
  visit(o.protocol, v);
}

// What is measured after the stages, on the written files.
struct EvaluateTasks {
  std::optional<PerplexityTask> perplexity;
  std::optional<std::int64_t>
      kl_tokens;  // KL against the original on the first tokens of the same text
};

struct Recipe {
  std::filesystem::path model, output;
  std::uint64_t seed = 0;
  std::vector<std::unique_ptr<Stage>> stages;
  EvaluateTasks evaluate;
  OutputFormat format;  // of the last stage's output
  Json record;          // for report.json: everything that decides the result
};

// Relative paths are taken from the working directory. Throws UserError with line and column:
// unknown keys (offers the nearest), wrong types, impossible combinations, parts that later
// versions bring.
Recipe read_recipe(const std::filesystem::path& path);

}  // namespace pith

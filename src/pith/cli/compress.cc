// pith compress: run a recipe.
#include <fmt/format.h>

#include "pith/base/error.h"
#include "pith/cli/torch_bodies.h"
#include "pith/pipeline/run.h"

namespace pith {
namespace {

void print_evaluation(const Json& evaluation) {
  if (evaluation.is_null()) return;
  const Json& p = evaluation["perplexity"];
  fmt::print("perplexity {:.4f} ({}, {} windows of {}, {} predictions)\n",
             p["perplexity"].get<double>(),
             p["convention"].get<std::string>(),
             p["windows"].dump(),
             p["window"].dump(),
             p["predictions"].dump());
  if (!evaluation.contains("kl")) return;
  const Json& kl = evaluation["kl"];
  fmt::print("against the original over {} predictions: mean KL {:.5f} +- {:.5f}, top-1 {:.2f} %\n",
             kl["base"]["predictions"].dump(),
             kl["kl_mean"].get<double>(),
             kl["kl_standard_error"].get<double>(),
             100 * kl["top1_agreement"].get<double>());
}

}  // namespace

int run_compress(const CompressOptions& options, const GlobalOptions& global) {
  Recipe recipe = read_recipe(options.recipe);
  if (options.output) recipe.output = *options.output;
  require(!recipe.output.empty(),
          "{}: no 'output'; name one there or with -o",
          options.recipe.string());
  const RecipeOutcome outcome = run_recipe(recipe);
  if (outcome.finished_before && !global.json) {
    fmt::print("{}: already finished by this same recipe\n", recipe.output.string());
    return 0;
  }
  const Json report = read_json_file(recipe.output / "report.json");
  if (global.json) {
    fmt::print("{}\n", report.dump(2));
    return 0;
  }
  fmt::print("{}: {:.1f} MB, {:.3f} bits per weight, {:.1f} s, peak memory {}; {}\n",
             recipe.output.string(),
             static_cast<double>(outcome.report.size->total_bytes) / 1e6,
             outcome.report.size->bits_per_weight,
             outcome.report.measured.seconds,
             format_size(outcome.report.measured.peak_bytes),
             outcome.report.verified);
  print_evaluation(outcome.report.evaluation);
  return 0;
}

}  // namespace pith

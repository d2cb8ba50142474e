#include "pith/pipeline/run.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "pith/base/error.h"
#include "pith/base/log.h"
#include "pith/base/memory.h"
#include "pith/evaluation/perplexity.h"
#include "pith/model/load.h"
#include "pith/report/output.h"
#include "pith/report/size.h"

namespace pith {
namespace {

using Clock = std::chrono::steady_clock;

Cost plan_stages(const Recipe& recipe, const Checkpoint& source) {
  const std::filesystem::path parent = recipe.output.parent_path();
  const std::filesystem::path folder = parent.empty() ? "." : parent;
  Cost total;
  for (const auto& stage : recipe.stages) {
    stage->check(source);
    const Cost cost = stage->plan(source, folder);
    total.peak_bytes = std::max(total.peak_bytes, cost.peak_bytes);
    total.disk_bytes = std::max(total.disk_bytes, cost.disk_bytes);
    total.seconds += cost.seconds;
  }
  return total;
}

// What the evaluation needs, found out before hours of work: the text, a tokenizer that fits, a
// protocol that the model's context allows.
void check_evaluation(const Recipe& recipe, const Checkpoint& source) {
  if (!recipe.evaluate.perplexity) return;
  const PerplexityTask& task = *recipe.evaluate.perplexity;
  in_context(task.place, [&] {
    prepare_text(task.text, task.protocol, source, longest_sequence(source.spec()));
  });
}

// Runs the stages one after the other; all but the last write to a folder that is dropped
// afterwards.
ConversionResult run_stages(const Recipe& recipe,
                            const Checkpoint& source,
                            const OutputRun& output) {
  Checkpoint current = source;
  std::vector<std::unique_ptr<AtomicFolder>> between;
  ConversionResult result;
  for (std::size_t i = 0; i < recipe.stages.size(); ++i) {
    const bool last = i + 1 == recipe.stages.size();
    if (!last)
      between.push_back(
          std::make_unique<AtomicFolder>(output.output().string() + ".stage" + std::to_string(i)));
    const std::filesystem::path folder = last ? output.folder() : between.back()->path();
    log_info("[{}] stage={}/{}", recipe.stages[i]->name(), i + 1, recipe.stages.size());
    result = recipe.stages[i]->run(current, folder, last ? recipe.format : OutputFormat{});
    if (!last) current = Checkpoint::open(folder);
  }
  return result;
}

Json evaluate_perplexity(const PerplexityTask& task, const LoadedModel& model) {
  const PreparedText text =
      prepare_text(task.text, task.protocol, model.checkpoint, model.scorer->context());
  return to_json(compare_models({model.scorer.get(), model.loaded_bytes},
                                {},
                                text.windows,
                                text.options,
                                text.bos,
                                text.documents)
                     .base);
}

Json evaluate_divergence(PerplexityTask task,
                         std::int64_t tokens,
                         const LoadedModel& base,
                         const LoadedModel& model) {
  task.protocol.max_tokens = std::min(tokens, task.protocol.max_tokens.value_or(tokens));
  const std::int64_t context = std::min(base.scorer->context(), model.scorer->context());
  const PreparedText text = prepare_text(task.text, task.protocol, base.checkpoint, context);
  const ModelUnderTest other{model.scorer.get(), model.loaded_bytes};
  const Comparison result = compare_models({base.scorer.get(), base.loaded_bytes},
                                           {&other, 1},
                                           text.windows,
                                           text.options,
                                           text.bos,
                                           text.documents);
  Json json{{"base", to_json(result.base)}, {"other", to_json(result.others[0].perplexity)}};
  json.update(to_json(result.others[0].divergence));
  return json;
}

Json evaluate(const Recipe& recipe, const std::filesystem::path& folder) {
  const EvaluateTasks& tasks = recipe.evaluate;
  if (!tasks.perplexity) return nullptr;
  set_torch_threads();
  const LoadedModel model = load_model(folder);
  Json json{{"perplexity", evaluate_perplexity(*tasks.perplexity, model)}};
  if (tasks.kl_tokens)
    json["kl"] =
        evaluate_divergence(*tasks.perplexity, *tasks.kl_tokens, load_model(recipe.model), model);
  return json;
}

}  // namespace

RecipeOutcome run_recipe(const Recipe& recipe) {
  check_output_name(recipe.format, recipe.output);
  const Checkpoint source = Checkpoint::open(recipe.model);
  std::vector<std::filesystem::path> inputs = source.files();
  if (recipe.evaluate.perplexity) inputs.push_back(recipe.evaluate.perplexity->text);
  RunReport report;
  check_evaluation(recipe, source);
  report.forecast = plan_stages(recipe, source);
  OutputRun output({"compress", recipe.record, inputs}, recipe.output);
  if (output.finished_before()) return {true, {}};
  const Clock::time_point start = Clock::now();
  reset_memory_peak();
  ConversionResult result = run_stages(recipe, source, output);
  report.measured = {.peak_bytes = memory_peak_bytes(),
                     .disk_bytes = result.measured.disk_bytes,
                     .seconds = std::chrono::duration<double>(Clock::now() - start).count()};
  report.matrices = std::move(result.matrices);
  report.size = result.size;
  report.verified = result.verified;
  report.evaluation = evaluate(recipe, output.folder());
  output.finish(report);
  report.command = "compress";
  report.options = recipe.record;
  return {false, std::move(report)};
}

}  // namespace pith

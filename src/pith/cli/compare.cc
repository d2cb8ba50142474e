// pith compare: what models lose against a base, in one walk over the text.
#include <fmt/format.h>

#include <algorithm>

#include "pith/base/error.h"
#include "pith/base/threads.h"
#include "pith/cli/torch_bodies.h"
#include "pith/cli/torch_engine.h"
#include "pith/evaluation/perplexity.h"
#include "pith/evaluation/protocol.h"
#include "pith/report/size.h"
#include "pith/report/table.h"

namespace pith {
namespace {

struct ComparedFolder {
  std::string name;
  SizeReport size;
  PerplexityResult perplexity;
  const DivergenceResult* divergence = nullptr;  // null: the base
};

std::vector<std::string> row_of(const ComparedFolder& model) {
  const DivergenceResult* d = model.divergence;
  return {model.name,
          fmt::format("{:.1f}", static_cast<double>(model.size.total_bytes) / 1e6),
          fmt::format("{:.3f}", model.size.bits_per_weight),
          fmt::format("{:.4f}", model.perplexity.perplexity),
          d == nullptr ? "" : fmt::format("{:.5f}", d->kl_mean),
          d == nullptr ? "" : fmt::format("{:.5f}", d->kl_standard_error),
          d == nullptr ? "" : fmt::format("{:.2f}", 100 * d->top1_agreement),
          fmt::format("{:.0f}", model.perplexity.tokens_per_second),
          fmt::format("{:.0f}", static_cast<double>(model.perplexity.peak_bytes) / (1 << 20))};
}

Table table_of(const std::vector<ComparedFolder>& models, const std::string& text) {
  const PerplexityResult& p = models.front().perplexity;
  Table table;
  table.caption = fmt::format(
      "{}: {} windows of {} tokens, {} predictions, convention {}, BOS {}; engine {}, {} threads",
      text,
      p.windows,
      p.window,
      p.predictions,
      to_string(p.convention),
      to_string(p.bos),
      p.engine,
      num_threads());
  table.header = {"model",
                  "size MB",
                  "bits/weight",
                  "perplexity",
                  "mean KL",
                  "+-",
                  "top-1 %",
                  "tokens/s",
                  "peak MiB"};
  for (const ComparedFolder& model : models) table.rows.push_back(row_of(model));
  return table;
}

Json other_to_json(const ComparedFolder& model) {
  Json json{{"other", to_json(model.perplexity)}};
  json.update(to_json(*model.divergence));
  json["size_bytes"] = model.size.total_bytes;
  json["bits_per_weight"] = model.size.bits_per_weight;
  return json;
}

// With one model the object of design section 4; with several a list of such objects under
// "others".
Json comparison_to_json(const std::vector<ComparedFolder>& models) {
  Json json{{"base", to_json(models.front().perplexity)}};
  if (models.size() == 2) {
    json.update(other_to_json(models[1]));
    return json;
  }
  json["others"] = Json::array();
  for (std::size_t i = 1; i < models.size(); ++i) {
    Json other = other_to_json(models[i]);
    other["name"] = models[i].name;
    json["others"].push_back(other);
  }
  return json;
}

// The folder's own name, also for "out/model/".
std::string name_of(const std::filesystem::path& path) {
  return path.has_filename() ? path.filename().string() : path.parent_path().filename().string();
}

void check_same_vocabulary(const LoadedModel& base, const LoadedModel& other) {
  if (base.scorer->vocab() == other.scorer->vocab()) return;
  throw FormatError(
      {.place = other.checkpoint.path().string(),
       .expected = fmt::format(
           "a vocabulary of {} as in {}", base.scorer->vocab(), base.checkpoint.path().string()),
       .found = fmt::format("one of {}", other.scorer->vocab()),
       .remedy = "compare models that share a tokenizer"});
}

}  // namespace

int run_compare(const CompareOptions& options, const GlobalOptions& global) {
  prepare_engine(options.engine);
  std::vector<LoadedModel> models;
  models.push_back(load_model(options.base));
  for (const auto& path : options.others) models.push_back(load_model(path));
  std::int64_t context = models.front().scorer->context();
  for (const LoadedModel& model : models) {
    check_same_vocabulary(models.front(), model);
    context = std::min(context, model.scorer->context());
  }
  const PreparedText text =
      prepare_text(options.text, options.protocol, models.front().checkpoint, context);
  std::vector<ModelUnderTest> under_test;
  for (const LoadedModel& model : models)
    under_test.push_back({model.scorer.get(), model.loaded_bytes});
  std::vector<const Checkpoint*> checkpoints;
  for (const LoadedModel& model : models) checkpoints.push_back(&model.checkpoint);
  const Comparison result = explain_nonfinite(checkpoints, [&] {
    return compare_models(under_test.front(),
                          std::span(under_test).subspan(1),
                          text.windows,
                          text.options,
                          text.bos,
                          text.documents);
  });
  std::vector<ComparedFolder> rows;
  rows.push_back({name_of(options.base), measure_size(models.front().checkpoint), result.base});
  for (std::size_t i = 0; i < result.others.size(); ++i)
    rows.push_back({name_of(options.others[i]),
                    measure_size(models[i + 1].checkpoint),
                    result.others[i].perplexity,
                    &result.others[i].divergence});
  if (global.json)
    fmt::print("{}\n", comparison_to_json(rows).dump(2));
  else
    fmt::print("{}", to_text(table_of(rows, options.text.filename().string())));
  return 0;
}

}  // namespace pith

#include "pith/pipeline/recipe.h"

#include <array>
#include <limits>

#include "pith/base/error.h"
#include "pith/pipeline/yaml_options.h"

namespace pith {
namespace {

constexpr std::array<std::string_view, 8> kKeys = {
    "model", "output", "seed", "max_memory", "calibration", "stages", "evaluate", "export"};

void refuse_later(const YamlNode& root) {
  for (const std::string_view key : {"max_memory", "calibration"})
    if (const auto node = root.find(key))
      node->fail(
          "no such key yet", "'" + std::string(key) + "'", "it comes with the calibrated methods");
  if (root.at("model").kind() == YamlNode::Kind::kMap)
    root.at("model").fail("a model's path", "a map", "training from scratch is not built yet");
}

EvaluateTasks read_tasks(const YamlNode& node) {
  constexpr std::array<std::string_view, 2> kTasks = {"perplexity", "kl"};
  node.allow_keys(kTasks);
  EvaluateTasks tasks;
  if (const auto perplexity = node.find("perplexity")) {
    perplexity->at("text");
    read_yaml_options(*perplexity, tasks.perplexity.emplace());
    tasks.perplexity->place = perplexity->place();
  }
  if (const auto kl = node.find("kl")) {
    constexpr std::array<std::string_view, 1> kKlKeys = {"tokens"};
    kl->allow_keys(kKlKeys);
    if (!tasks.perplexity) kl->fail("a task 'perplexity' beside 'kl'", "none", "it names the text");
    tasks.kl_tokens = kl->at("tokens").integer(2, std::numeric_limits<std::int32_t>::max());
  }
  return tasks;
}

OutputFormat read_format(const YamlNode& node) {
  const OutputFormat format = parse_output_format(node.string(), node.place());
  if (format.name == "hf" || format.preset)
    node.fail("a layout that keeps what the stages made, or gguf", "'" + node.string() + "'");
  return format;
}

Json record_of(const Recipe& recipe) {
  Json stages = Json::array();
  for (const auto& stage : recipe.stages) stages.push_back({{stage->name(), stage->options()}});
  Json record{{"seed", recipe.seed},
              {"stages", stages},
              {"evaluate", Json::object()},
              {"export", to_string(recipe.format)}};
  if (recipe.evaluate.perplexity)
    record["evaluate"]["perplexity"] = options_to_json(*recipe.evaluate.perplexity);
  if (recipe.evaluate.kl_tokens)
    record["evaluate"]["kl"] = {{"tokens", *recipe.evaluate.kl_tokens}};
  return record;
}

}  // namespace

Recipe read_recipe(const std::filesystem::path& path) {
  const YamlNode root = read_yaml_file(path);
  root.allow_keys(kKeys);
  refuse_later(root);
  Recipe recipe;
  recipe.model = root.at("model").string();
  if (const auto output = root.find("output")) recipe.output = output->string();
  if (const auto node = root.find("export")) recipe.format = read_format(*node);
  if (const auto seed = root.find("seed"))
    recipe.seed =
        static_cast<std::uint64_t>(seed->integer(0, std::numeric_limits<std::int64_t>::max()));
  const YamlNode stages = root.at("stages");
  for (const YamlNode& entry : stages.items()) recipe.stages.push_back(make_stage(entry));
  if (recipe.stages.empty()) stages.fail("at least one stage", "none");
  if (const auto evaluate = root.find("evaluate")) recipe.evaluate = read_tasks(*evaluate);
  recipe.record = record_of(recipe);
  return recipe;
}

}  // namespace pith

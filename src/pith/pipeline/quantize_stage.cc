#include "pith/pipeline/quantize_stage.h"

#include <set>

#include "pith/base/error.h"
#include "pith/conversion/method_planner.h"
#include "pith/pipeline/yaml_options.h"

namespace pith {
namespace {

// An override starts from the stage's own options and must say which layers it is for.
QuantizeOptions read_override(const YamlNode& node, const QuantizeOptions& base) {
  QuantizeOptions options = base;
  options.layers.reset();
  read_yaml_options(node, options);
  if (!options.layers)
    node.fail("a key 'layers'", "none", "say which matrices the override is for");
  return options;
}

}  // namespace

QuantizeStage::QuantizeStage(const YamlNode& node) : place_(node.place()) {
  read_yaml_options(node, options_, {"overrides"});
  node.at("method");
  if (const auto list = node.find("overrides"))
    for (const YamlNode& item : list->items())
      overrides_.push_back({item.place(), read_override(item, options_)});
}

Planner QuantizeStage::planner(const DecoderSpec& spec) const {
  struct Exception {
    std::set<std::string> names;
    Planner plan;
  };
  const auto plan_of = [&](const QuantizeOptions& options) {
    return find_quantize_method(options.method).make_planner(options, spec);
  };
  const Planner base = in_context(place_, [&] { return plan_of(options_); });
  std::vector<Exception> exceptions;
  for (const Override& entry : overrides_)
    in_context(entry.place, [&] {
      exceptions.push_back(
          {names_found(*entry.options.layers, "layers", spec), plan_of(entry.options)});
    });
  return [base, exceptions](const Parameter& parameter, const Encoding& stored) {
    for (auto it = exceptions.rbegin(); it != exceptions.rend(); ++it)
      if (it->names.contains(parameter.name)) return it->plan(parameter, stored);
    return base(parameter, stored);
  };
}

void QuantizeStage::check(const Checkpoint& source) const { planner(source.spec()); }

Cost QuantizeStage::plan(const Checkpoint& source, const std::filesystem::path& folder) const {
  return forecast_conversion(source, planner(source.spec()), {.probe_folder = folder});
}

ConversionResult QuantizeStage::run(const Checkpoint& source,
                                    const std::filesystem::path& folder,
                                    const OutputFormat& format) const {
  return convert_checkpoint(source, folder, planner(source.spec()), {.format = format});
}

Json QuantizeStage::options() const {
  Json json = options_to_json(options_);
  json["overrides"] = Json::array();
  for (const Override& entry : overrides_)
    json["overrides"].push_back(options_to_json(entry.options));
  return json;
}

}  // namespace pith

#include "pith/pipeline/quantize_stage.h"

#include <regex>

#include "pith/base/error.h"
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
    for (const YamlNode& item : list->items()) overrides_.push_back(read_override(item, options_));
}

Planner QuantizeStage::planner(const DecoderSpec& spec) const {
  const Planner base = find_quantize_method(options_.method).make_planner(options_, spec);
  std::vector<std::pair<std::regex, Planner>> overrides;
  for (const QuantizeOptions& options : overrides_)
    overrides.emplace_back(std::regex(*options.layers),
                           find_quantize_method(options.method).make_planner(options, spec));
  return [base, overrides](const Parameter& parameter, const Encoding& stored) {
    for (auto it = overrides.rbegin(); it != overrides.rend(); ++it)
      if (std::regex_search(parameter.name, it->first)) return it->second(parameter, stored);
    return base(parameter, stored);
  };
}

void QuantizeStage::check(const Checkpoint& source) const {
  in_context(place_, [&] { planner(source.spec()); });
}

Cost QuantizeStage::plan(const Checkpoint& source) const {
  return forecast_conversion(source, planner(source.spec()), {});
}

ConversionResult QuantizeStage::run(const Checkpoint& source,
                                    const std::filesystem::path& folder,
                                    const OutputFormat& format) const {
  return convert_checkpoint(source, folder, planner(source.spec()), {.format = format});
}

Json QuantizeStage::options() const {
  Json json = options_to_json(options_);
  json["overrides"] = Json::array();
  for (const QuantizeOptions& options : overrides_)
    json["overrides"].push_back(options_to_json(options));
  return json;
}

}  // namespace pith

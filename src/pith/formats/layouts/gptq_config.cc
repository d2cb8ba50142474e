#include "pith/formats/layouts/gptq_config.h"

#include <algorithm>
#include <map>

#include "pith/base/error.h"
#include "pith/formats/layouts/fused_modules.h"
#include "pith/formats/layouts/word_layout.h"

namespace pith {
namespace {

constexpr std::string_view kReadable[] = {"gptq", "gptq_v2"};

void read_bits(const JsonCursor& value, GptqScheme& scheme) {
  const std::int64_t bits = value.integer(0, 64);
  if (bits != 2 && bits != 3 && bits != 4 && bits != 8) value.fail("2, 3, 4 or 8 bits");
  scheme.bits = static_cast<int>(bits);
}

// Keys that are there replace what `scheme` says.
void read_scheme(const JsonCursor& json, GptqScheme& scheme) {
  if (const auto bits = find_any(json, {"bits", "w_bit", "wbits"})) read_bits(*bits, scheme);
  if (const auto group = find_any(json, {"group_size", "q_group_size"}))
    scheme.group_size = group_size_of(*group);
  scheme.symmetric = json.boolean_or("sym", scheme.symmetric);
  scheme.act_order = json.boolean_or("desc_act", scheme.act_order);
  if (const auto pack = json.find("pack_dtype"))
    if (pack->string() != "int32") pack->fail("\"int32\", the only words that Pith reads");
}

// Packings besides plain words are tiled for one kernel or cut into planes.
void check_format(const JsonCursor& value, const std::string& format) {
  if (std::ranges::find(kReadable, format) != std::end(kReadable)) return;
  value.fail("gptq or gptq_v2",
             "'" + format + "'",
             "Pith does not read this packing; convert the folder with GPTQModel, or give the "
             "unquantized model");
}

GptqZeros read_zeros(const JsonCursor& config) {
  const auto format = find_any(config, {"checkpoint_format", "format"});
  if (format) check_format(*format, lower(format->string()));
  if (const auto marlin = config.find("is_marlin_format"))
    if (marlin->boolean()) check_format(*marlin, "marlin");
  if (format && lower(format->string()) == "gptq_v2") return GptqZeros::kPlain;
  const auto meta = config.find("meta");
  const auto writers = meta ? meta->find("quantizer") : std::nullopt;
  if (!writers) return GptqZeros::kMinusOne;
  const bool by_gptqmodel = writers->json().dump().find("\"gptqmodel:") != std::string::npos;
  return by_gptqmodel ? GptqZeros::kMinusOneWord : GptqZeros::kMinusOne;
}

// What a module's rule says besides the base.
Json difference(const GptqScheme& scheme, const GptqScheme& base) {
  Json json = Json::object();
  if (scheme.bits != base.bits) json["bits"] = scheme.bits;
  if (scheme.group_size != base.group_size) json["group_size"] = scheme.group_size;
  if (scheme.symmetric != base.symmetric) json["sym"] = scheme.symmetric;
  if (scheme.act_order != base.act_order) json["desc_act"] = scheme.act_order;
  return json;
}

// The most frequent; of equal ones the first.
GptqScheme commonest(const std::vector<GptqModule>& modules) {
  const auto count = [&](const GptqScheme& scheme) {
    return std::ranges::count(modules, std::optional(scheme), &GptqModule::scheme);
  };
  std::optional<GptqScheme> best;
  for (const GptqModule& module : modules)
    if (module.scheme && (!best || count(*module.scheme) > count(*best))) best = module.scheme;
  PITH_CHECK(best);
  return *best;
}

// The names that the rule of a module serves: its own, and that of the fused module that vLLM makes
// of it and its neighbours if all of these go by the same rule.
std::vector<std::string> names_for(const GptqModule& module,
                                   const std::map<std::string, const GptqModule*>& by_name) {
  std::vector<std::string> names = {module.name};
  const std::optional<FusedModule> fused = fused_module_of(module.name);
  if (!fused || fused->members.front() != module.name) return names;
  const bool alike = std::ranges::all_of(fused->members, [&](const std::string& member) {
    const auto found = by_name.find(member);
    return found != by_name.end() && found->second->scheme == module.scheme;
  });
  if (alike) names.push_back(fused->name);
  return names;
}

Json dynamic_json(const std::vector<GptqModule>& modules, const GptqScheme& base) {
  std::map<std::string, const GptqModule*> by_name;
  for (const GptqModule& module : modules) by_name[module.name] = &module;
  Json dynamic = Json::object();
  for (const GptqModule& module : modules) {
    if (module.scheme == base) continue;
    for (const std::string& name : names_for(module, by_name))
      dynamic[(module.scheme ? "+:" : "-:") + rule_for_name(name)] =
          module.scheme ? difference(*module.scheme, base) : Json::object();
  }
  return dynamic;
}

}  // namespace

GptqConfig::GptqConfig(const JsonCursor& config) {
  zeros_ = read_zeros(config);
  if (!find_any(config, {"bits", "w_bit", "wbits"})) config.at("bits");
  if (!find_any(config, {"group_size", "q_group_size"})) config.at("group_size");
  read_scheme(config, base_);
  if (const auto dynamic = config.find("dynamic")) read_dynamic(*dynamic);
}

void GptqConfig::read_dynamic(const JsonCursor& dynamic) {
  for (const auto& [key, value] : dynamic.members()) {
    const bool leaves = key.starts_with("-:");
    const bool marked = leaves || key.starts_with("+:");
    rules_.add(marked ? std::string_view(key).substr(2) : key, value);
    of_rule_.emplace_back();
    if (leaves) continue;
    of_rule_.back() = base_;
    read_scheme(value, *of_rule_.back());
  }
}

std::optional<GptqScheme> GptqConfig::scheme_of(const std::string& module) const {
  const std::optional<std::size_t> rule = rules_.first_match(module);
  return rule ? of_rule_[*rule] : base_;
}

Json gptq_config_to_json(const std::vector<GptqModule>& modules) {
  const GptqScheme base = commonest(modules);
  const bool all_symmetric = std::ranges::all_of(
      modules, [](const GptqModule& module) { return !module.scheme || module.scheme->symmetric; });
  const std::string format = all_symmetric ? "gptq" : "gptq_v2";
  Json json = {{"quant_method", "gptq"},
               {"bits", base.bits},
               {"group_size", base.group_size},
               {"desc_act", base.act_order},
               {"sym", base.symmetric},
               {"lm_head", false},
               {"checkpoint_format", format},
               {"format", format},
               {"pack_dtype", "int32"},
               {"meta", {{"quantizer", Json::array({"pith"})}}}};
  Json dynamic = dynamic_json(modules, base);
  if (!dynamic.empty()) json["dynamic"] = std::move(dynamic);
  return json;
}

}  // namespace pith

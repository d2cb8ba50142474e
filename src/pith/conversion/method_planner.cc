#include "pith/conversion/method_planner.h"

#include <algorithm>
#include <regex>
#include <vector>

#include "pith/base/error.h"

namespace pith {
namespace {

std::regex compile(const std::string& pattern, std::string_view option) {
  try {
    return std::regex(pattern, std::regex::ECMAScript);
  } catch (const std::regex_error& error) {
    fail<UserError>("option '{}': expected a regular expression (ECMAScript), found '{}': {}",
                    option,
                    pattern,
                    error.what());
  }
}

bool finds(const std::regex& pattern, const std::string& name) {
  try {
    return std::regex_search(name, pattern);
  } catch (const std::regex_error& error) {  // too complex for the matcher's stack
    fail<UserError>(
        "while searching '{}' for a regular expression: {}; use a simpler one", name, error.what());
  }
}

// The head of a model without one is its embedding: people name either.
std::vector<std::string> names_of(const Parameter& parameter, const DecoderSpec& spec) {
  if (parameter.kind == ParameterKind::kEmbedding && spec.tied_head)
    return {parameter.name, "lm_head"};
  return {parameter.name};
}

bool finds_any(const std::regex& pattern, const std::vector<std::string>& names) {
  return std::ranges::any_of(names, [&](const std::string& name) { return finds(pattern, name); });
}

std::string examples(const std::vector<std::string>& names) {
  std::string text;
  const std::size_t count = std::min<std::size_t>(names.size(), 4);
  for (std::size_t i = 0; i < count; ++i)
    text += (i ? ", " : "") + names[i * (names.size() - 1) / std::max<std::size_t>(1, count - 1)];
  return text;
}

[[noreturn]] void fail_no_match(std::string_view option,
                                const std::string& pattern,
                                const std::vector<std::string>& names,
                                std::string_view what) {
  fail<UserError>("option '{}': regular expression '{}' finds none of the {} {}; names are like {}",
                  option,
                  pattern,
                  names.size(),
                  what,
                  examples(names));
}

// Parameters whose names `skip` does not find. An expression that finds nothing at all is a
// mistake, but one that names the head of a tied model, as recipes for many models do, is not.
std::vector<Parameter> without_skipped(const QuantizeOptions& options, const DecoderSpec& spec) {
  std::vector<Parameter> all = parameters_of(spec);
  if (!options.skip) return all;
  const std::regex pattern = compile(*options.skip, "skip");
  std::vector<std::string> names;
  for (const Parameter& parameter : all) names.push_back(parameter.name);
  const std::size_t erased =
      std::erase_if(all, [&](const Parameter& p) { return finds_any(pattern, names_of(p, spec)); });
  if (erased == 0) fail_no_match("skip", *options.skip, names, "parameters");
  return all;
}

bool is_table(const Parameter& p) {
  return p.kind == ParameterKind::kEmbedding || p.kind == ParameterKind::kHead;
}

ParameterPlan embedding_plan(EmbeddingWidth width) {
  GroupIntEncoding encoding{.bits = 8,
                            .granularity = Granularity::kGroup,
                            .group_size = 32,
                            .zero_points = ZeroPoints::kPacked,
                            .scale_dtype = DType::kF16};
  switch (width) {
    case EmbeddingWidth::kKeep:
      throw InternalError("a kept embedding has no plan of its own");
    case EmbeddingWidth::k8:
      encoding.zero_points = ZeroPoints::kNone;
      break;
    case EmbeddingWidth::k6:
      encoding.bits = 6;
      break;
    case EmbeddingWidth::k4:
      encoding.bits = 4;
      break;
  }
  return {.encoding = encoding, .round = {}};
}

ParameterPlan kept_plan(const std::optional<KeptDtype>& dtype, const Encoding& stored) {
  if (dtype) return {.encoding = DenseEncoding{dtype_of(*dtype)}, .round = {}};
  return {.encoding = is_dense(stored) ? stored : DenseEncoding{DType::kF32}, .round = {}};
}

}  // namespace

void require_options(const QuantizeOptions& options, std::span<const std::string_view> allowed) {
  const Json given = options_to_json(options), defaults = options_to_json(QuantizeOptions{});
  for (const auto& [name, value] : given.items()) {
    const bool common = name == "method" || name == "layers" || name == "skip";
    if (value == defaults[name] || common || std::ranges::find(allowed, name) != allowed.end())
      continue;
    fail<UserError>("option '{}' does not belong to method '{}', which takes layers, skip{}{}",
                    name,
                    options.method,
                    allowed.empty() ? "" : ", ",
                    join_names(allowed));
  }
}

std::set<std::string> names_found(const std::string& pattern,
                                  std::string_view option,
                                  const DecoderSpec& spec) {
  const std::regex compiled = compile(pattern, option);
  std::set<std::string> found;
  std::vector<std::string> names;
  for (const Parameter& parameter : parameters_of(spec)) {
    names.push_back(parameter.name);
    if (finds_any(compiled, names_of(parameter, spec))) found.insert(parameter.name);
  }
  if (found.empty()) fail_no_match(option, pattern, names, "parameters");
  return found;
}

CodedNames coded_names(const QuantizeOptions& options,
                       const DecoderSpec& spec,
                       CodesParameter codes) {
  const std::vector<Parameter> candidates = without_skipped(options, spec);
  CodedNames result;
  for (const Parameter& parameter : candidates) {
    if (options.embedding != EmbeddingWidth::kKeep && is_table(parameter))
      result.by_embedding.insert(parameter.name);
    else if (codes(parameter))
      result.by_method.insert(parameter.name);
  }
  if (!options.layers) return result;
  const std::regex pattern = compile(*options.layers, "layers");
  const std::vector<std::string> names(result.by_method.begin(), result.by_method.end());
  std::erase_if(result.by_method, [&](const std::string& name) { return !finds(pattern, name); });
  if (!result.by_method.empty()) return result;
  const bool finds_table = finds(pattern, "embedding") || finds(pattern, "lm_head");
  if (finds_table)
    fail<UserError>(
        "option 'layers': regular expression '{}' finds only embedding or head, which method '{}' "
        "keeps; use option "
        "'embedding' for them",
        *options.layers,
        options.method);
  fail_no_match("layers", *options.layers, names, "parameters that the method codes");
}

bool is_block_linear(const Parameter& parameter) {
  return parameter.kind == ParameterKind::kLinear;
}
bool is_any_parameter(const Parameter&) { return true; }

Planner plan_with(const QuantizeOptions& options, CodedNames names, CodePlan code) {
  return [names = std::move(names),
          code = std::move(code),
          embedding = options.embedding,
          dtype = options.dtype](const Parameter& parameter, const Encoding& stored) {
    if (names.by_method.contains(parameter.name)) return code(parameter);
    if (names.by_embedding.contains(parameter.name)) return embedding_plan(embedding);
    return kept_plan(dtype, stored);
  };
}

}  // namespace pith

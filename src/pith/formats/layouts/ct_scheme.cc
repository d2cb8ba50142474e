#include "pith/formats/layouts/ct_scheme.h"

#include <algorithm>
#include <charconv>

#include "pith/base/error.h"

namespace pith {
namespace {

constexpr std::int64_t kMaxGroup = std::int64_t{1} << 30;
constexpr std::size_t kMaxNames = std::size_t{1} << 16;
constexpr std::size_t kMaxPatterns = 256;
constexpr std::string_view kPatternPrefix = "re:";

// Formats of compressed-tensors that Pith knows of and does not read.
CtFormat format_of(const JsonCursor& at) {
  struct Unread {
    std::string_view name, why;
  };
  constexpr Unread kUnread[] = {
      {"sparse-bitmask", "a sparse layout that compressed-tensors dropped in 2026"},
      {"sparse-24-bitmask", "a sparse layout that compressed-tensors dropped in 2026"},
      {"marlin-24", "a layout for one kernel, from which no other program gets weights back"},
      {"nvfp4-pack-quantized", "4-bit floats in groups of 16 with scales in fp8"},
      {"mxfp4-pack-quantized", "4-bit floats in groups of 32 with powers of two as scales"},
      {"mxfp6-pack-quantized", "6-bit floats in groups of 32 with powers of two as scales"},
      {"mxfp8-quantized", "8-bit floats in groups of 32 with powers of two as scales"},
  };
  const std::string name = at.string();
  for (const Unread& unread : kUnread)
    if (unread.name == name)
      at.fail("one of " + join_names(enum_names<CtFormat>()),
              fmt::format("'{}', {}", name, unread.why),
              "give Pith the dense model");
  return at.one_of<CtFormat>();
}

// A strategy that is left out follows from the group size.
CtStrategy weight_strategy(const JsonCursor& json, std::int64_t group_size) {
  if (json.has("strategy")) return json.at("strategy").one_of<CtStrategy>();
  if (group_size == 0) return CtStrategy::kTensor;
  return group_size > 0 ? CtStrategy::kGroup : CtStrategy::kChannel;
}

bool has_column_groups(const JsonCursor& json) {
  const auto order = json.find("actorder");
  if (!order) return false;
  if (order->json().is_boolean()) return order->boolean();
  const std::string name = order->string();
  if (name == "group" || name == "dynamic") return true;
  if (name == "weight" || name == "static") return false;
  order->fail("one of group, dynamic, weight, static");
}

// "int" or "float".
bool is_float_type(const JsonCursor& json) {
  const std::string type = json.string_or("type", "int");
  if (type != "int" && type != "float") json.at("type").fail("int or float");
  return type == "float";
}

void check_float_weights(const JsonCursor& json, const CtWeights& weights) {
  if (weights.bits != 8) json.at("num_bits").fail("8 for floats (E4M3)");
  if (!weights.symmetric) json.at("symmetric").fail("true for floats");
  if (weights.strategy == CtStrategy::kGroup)
    json.fail("floats with a scale a tensor, channel or block", "a scale a group");
}

CtWeights weights_of(const JsonCursor& json) {
  CtWeights weights;
  weights.is_float = is_float_type(json);
  weights.bits = static_cast<int>(json.integer_or("num_bits", 8, 1, 8));
  weights.symmetric = json.boolean_or("symmetric", true);
  const std::int64_t group_size =
      json.has("group_size") ? json.at("group_size").integer(-1, kMaxGroup) : 0;
  weights.strategy = weight_strategy(json, group_size);
  const bool by_group = weights.strategy == CtStrategy::kGroup;
  if (by_group && group_size <= 0)
    json.fail("a positive group_size, since the strategy is group", fmt::format("{}", group_size));
  if (!by_group && group_size > 0)
    json.at("group_size")
        .fail(fmt::format("none, since the strategy is {}", to_string(weights.strategy)));
  if (by_group) weights.group_size = static_cast<std::size_t>(group_size);
  weights.column_groups = has_column_groups(json);
  if (weights.column_groups && !by_group)
    json.at("actorder").fail("none, since the strategy is not group");
  if (weights.strategy == CtStrategy::kBlock) {
    weights.block = square_block_at(json.at("block_structure"));
    if (!weights.is_float) json.fail("floats, since the strategy is block", "integers");
  }
  if (const auto dynamic = json.find("dynamic"); dynamic && dynamic->json() != Json(false))
    dynamic->fail("false for weights");
  if (weights.is_float) check_float_weights(json, weights);
  return weights;
}

// Of `input_activations`: 8 bits a token at run time, or a tensor with a stored scale.
void read_activation(const JsonCursor& json, CtScheme& scheme) {
  const bool is_float = is_float_type(json);
  if (json.integer_or("num_bits", 8, 1, 64) != 8) json.at("num_bits").fail("8 for activations");
  const auto dynamic_at = json.find("dynamic");
  const bool dynamic = dynamic_at && dynamic_at->boolean();
  const std::string strategy = json.string_or("strategy", dynamic ? "token" : "tensor");
  if (strategy != (dynamic ? "token" : "tensor"))
    json.at("strategy")
        .fail(dynamic ? "token for activations scaled at run time"
                      : "tensor for activations with a stored scale",
              "'" + strategy + "'");
  scheme.symmetric_activation = json.boolean_or("symmetric", true);
  if (!scheme.symmetric_activation && (dynamic || is_float))
    json.at("symmetric").fail("true for activations that are floats or scaled at run time");
  if (dynamic)
    scheme.activation =
        is_float ? ActivationScheme::kDynamicFp8Token : ActivationScheme::kDynamicInt8Token;
  else
    scheme.activation =
        is_float ? ActivationScheme::kStaticFp8Tensor : ActivationScheme::kStaticInt8Tensor;
}

void check_format(const JsonCursor& group, const CtScheme& scheme) {
  if (!scheme.weights || scheme.format == CtFormat::kDense) return;
  const bool needs_float = scheme.format == CtFormat::kFloat;
  const bool needs_int = scheme.format == CtFormat::kInt || scheme.format == CtFormat::kPacked;
  if (scheme.weights->is_float ? needs_int : needs_float)
    group.at("weights").fail(fmt::format("weights that {} holds", to_string(scheme.format)),
                             scheme.weights->is_float ? "floats" : "integers");
}

CtScheme scheme_of(const JsonCursor& group, const JsonCursor& config) {
  CtScheme scheme;
  if (group.has("output_activations"))
    group.at("output_activations").fail("none; Pith quantizes the inputs of a product only");
  if (const auto weights = group.find("weights")) scheme.weights = weights_of(*weights);
  if (const auto input = group.find("input_activations")) read_activation(*input, scheme);
  if (!scheme.weights && scheme.activation == ActivationScheme::kNone)
    group.fail("weights or input_activations", "neither");
  if (const auto own = group.find("format")) {
    scheme.format = format_of(*own);
  } else if (scheme.weights) {
    const JsonCursor format = config.at("format");
    if (format.string() == "mixed-precision")
      group.fail("a format of its own, since the folder's is mixed-precision", "none");
    scheme.format = format_of(format);
  }
  check_format(group, scheme);
  if (scheme.format == CtFormat::kDense) scheme.weights.reset();
  return scheme;
}

// The names of `at`, an array, as targets of `group`.
void add_targets(const JsonCursor& at, std::size_t group, std::vector<CtConfig::Target>& targets) {
  for (const JsonCursor& item : at.items()) {
    CtConfig::Target target{item.string(), std::nullopt, group};
    if (target.text.size() > NamePattern::kMaxLength)
      item.fail(fmt::format("at most {} characters", NamePattern::kMaxLength));
    if (target.text.starts_with(kPatternPrefix))
      target.pattern.emplace(std::string_view(target.text).substr(kPatternPrefix.size()), item);
    targets.push_back(std::move(target));
    if (targets.size() > kMaxNames) at.fail(fmt::format("at most {} names", kMaxNames), "more");
  }
  const auto patterns = std::count_if(targets.begin(), targets.end(), [](const auto& target) {
    return target.pattern.has_value();
  });
  if (patterns > static_cast<std::ptrdiff_t>(kMaxPatterns))
    at.fail(fmt::format("at most {} regular expressions", kMaxPatterns),
            fmt::format("{}", patterns));
}

void sort_targets(std::vector<CtConfig::Target>& targets) {
  std::ranges::stable_sort(targets, [](const auto& a, const auto& b) {
    return std::pair(a.pattern.has_value(), std::string_view(a.text)) <
           std::pair(b.pattern.has_value(), std::string_view(b.text));
  });
}

void read_groups(const JsonCursor& config, CtConfig& result) {
  const bool all_dense = config.string_or("format", "dense") == "dense";
  if (all_dense && !config.has("config_groups")) return;
  const JsonCursor groups_at = config.at("config_groups");
  for (const auto& [name, group] : groups_at.members()) {
    const std::size_t index = result.groups.size();
    result.groups.push_back(scheme_of(group, config));
    result.group_names.push_back(name);
    const std::size_t before = result.targets.size();
    add_targets(group.at("targets"), index, result.targets);
    if (result.targets.size() == before) group.at("targets").fail("at least one target");
  }
  if (result.groups.empty() && !all_dense) groups_at.fail("at least one group");
  sort_targets(result.targets);
  for (std::size_t i = 1; i < result.targets.size(); ++i) {
    const CtConfig::Target &a = result.targets[i - 1], &b = result.targets[i];
    if (a.text == b.text && result.groups[a.group] != result.groups[b.group])
      groups_at.fail(
          fmt::format("one group for target '{}'", a.text),
          fmt::format(
              "{} and {}, which differ", result.group_names[a.group], result.group_names[b.group]));
  }
}

// "0.12.2" and the like; anything else counts as old.
bool packs_densely(const std::string& version) {
  int major = 0, minor = 0;
  const char* const end = version.data() + version.size();
  const auto first = std::from_chars(version.data(), end, major);
  if (first.ec != std::errc{} || first.ptr == end || *first.ptr != '.') return false;
  const auto second = std::from_chars(first.ptr + 1, end, minor);
  if (second.ec != std::errc{}) return false;
  constexpr int kFirstMinor = 18;
  return major > 0 || minor >= kFirstMinor;
}

// Calls use(index) for the targets that are this very text.
template <class Use>
void for_each_exact(const std::vector<CtConfig::Target>& targets,
                    std::string_view text,
                    const Use& use) {
  const auto key = [](const CtConfig::Target& target) {
    return std::pair(target.pattern.has_value(), std::string_view(target.text));
  };
  const auto [first, last] = std::ranges::equal_range(targets, std::pair(false, text), {}, key);
  for (auto at = first; at != last; ++at) use(static_cast<std::size_t>(at - targets.begin()));
}

// Calls use(index) for the expressions that match a module.
template <class Use>
void for_each_match(const std::vector<CtConfig::Target>& targets,
                    std::string_view module,
                    const std::string& place,
                    MatchTime& time,
                    const Use& use) {
  for (std::size_t i = targets.size(); i > 0; --i) {
    const CtConfig::Target& target = targets[i - 1];
    if (!target.pattern) return;
    if (time.matches(*target.pattern, module, place, target.text)) use(i - 1);
  }
}

}  // namespace

std::size_t square_block_at(const JsonCursor& at) {
  const JsonCursor::Items sides = at.items();
  if (sides.size() != 2) at.fail("two numbers, the rows and the columns of a block");
  const std::int64_t rows = sides[0].integer(1, kMaxGroup), cols = sides[1].integer(1, kMaxGroup);
  if (rows != cols) at.fail("square blocks", fmt::format("{} x {}", rows, cols));
  return static_cast<std::size_t>(rows);
}

CtConfig ct_config_from_json(const JsonCursor& config) {
  CtConfig result;
  if (config.has("kv_cache_scheme"))
    config.at("kv_cache_scheme").fail("none; Pith does not quantize the cache");
  if (const auto transform = config.find("transform_config");
      transform && !transform->json().empty())
    transform->fail("none; Pith does not know transforms of activations");
  if (const auto sparsity = config.find("sparsity_config"); sparsity && !sparsity->json().empty())
    if (const auto format = sparsity->find("format")) format_of(*format);
  read_groups(config, result);
  if (const auto ignore = config.find("ignore")) add_targets(*ignore, 0, result.ignore);
  sort_targets(result.ignore);
  result.place = config.place();
  result.dense_words = packs_densely(config.string_or("version", ""));
  return result;
}

std::optional<std::size_t> ct_target_of(const CtConfig& config,
                                        std::string_view module,
                                        std::string_view module_class,
                                        MatchTime& time,
                                        std::vector<bool>& matched) {
  std::optional<std::size_t> by_name, by_pattern, by_class;
  for_each_exact(config.targets, module, [&](std::size_t i) {
    matched[i] = true;
    by_name = by_name.value_or(i);
  });
  for_each_match(config.targets, module, config.place, time, [&](std::size_t i) {
    matched[i] = true;
    by_pattern = i;  // from the last to the first, which decides
  });
  for_each_exact(config.targets, module_class, [&](std::size_t i) {
    matched[i] = true;
    by_class = by_class.value_or(i);
  });
  bool ignored = false;
  const auto ignore = [&ignored](std::size_t) { ignored = true; };
  for_each_exact(config.ignore, module, ignore);
  for_each_exact(config.ignore, module_class, ignore);
  if (!ignored) for_each_match(config.ignore, module, config.place, time, ignore);
  if (ignored) return std::nullopt;
  return by_name ? by_name : by_pattern ? by_pattern : by_class;
}

}  // namespace pith

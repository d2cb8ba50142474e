#include "pith/report/model_summary.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "pith/base/error.h"
#include "pith/formats/tensor_names.h"

namespace pith {
namespace {

constexpr std::string_view kParts[] = {"embedding", "attention", "mlp", "norms", "head"};

std::uint64_t stored_bytes(const Checkpoint& model, const Parameter& parameter) {
  return storage_bytes(model.encoding(parameter.name), parameter.rows, parameter.cols);
}

std::string encoding_text(const Checkpoint& model, const Parameter& parameter) {
  const Encoding& encoding = model.encoding(parameter.name);
  std::string text = to_string(encoding);
  const ActivationQuantization& activation = model.activation(parameter.name);
  if (activation == ActivationQuantization{}) return text;
  return text + ", activations " + to_string(activation);
}

// At most `count` of the names that a person may have meant, the likeliest first: those that hold
// the word, then those that look like it.
std::vector<std::string> names_like(std::string_view word,
                                    std::span<const std::string> known,
                                    std::size_t count) {
  std::vector<std::string> names;
  std::vector<std::string_view> others;
  for (const std::string& name : known) {
    if (!word.empty() && name.find(word) != std::string::npos && names.size() < count)
      names.push_back(name);
    else
      others.push_back(name);
  }
  while (names.size() < count) {
    std::string nearest = nearest_name(word, others);
    if (nearest.empty()) break;
    std::erase(others, nearest);
    names.push_back(std::move(nearest));
  }
  return names;
}

}  // namespace

std::string stem_of(const Parameter& parameter) {
  if (parameter.layer < 0) return parameter.name;
  const std::string prefix = fmt::format("layers.{}.", parameter.layer);
  PITH_CHECK(parameter.name.starts_with(prefix));
  return parameter.name.substr(prefix.size());
}

std::string runs_text(std::span<const int> numbers) {
  std::string text;
  for (std::size_t first = 0; first < numbers.size();) {
    std::size_t last = first;
    while (last + 1 < numbers.size() && numbers[last + 1] == numbers[last] + 1) ++last;
    text += fmt::format("{}{}", text.empty() ? "" : ", ", numbers[first]);
    if (last > first) text += fmt::format("-{}", numbers[last]);
    first = last + 1;
  }
  return text;
}

std::string_view part_of(const Parameter& parameter) {
  switch (parameter.kind) {
    case ParameterKind::kEmbedding:
    case ParameterKind::kPosition:
      return "embedding";
    case ParameterKind::kHead:
      return "head";
    case ParameterKind::kNorm:
      return "norms";
    case ParameterKind::kLinear:
    case ParameterKind::kBias:
      break;
  }
  const std::string stem = stem_of(parameter);
  if (stem.starts_with("attn.")) return "attention";
  return stem.starts_with("mlp.") ? "mlp" : "norms";
}

std::vector<PartTotal> totals_by_part(const Checkpoint& model) {
  std::vector<PartTotal> totals;
  for (const std::string_view part : kParts) totals.push_back({.part = std::string(part)});
  for (const Parameter& parameter : model.parameters()) {
    PartTotal& total = *std::ranges::find(totals, part_of(parameter), &PartTotal::part);
    ++total.tensors;
    total.parameters += parameter.rows * parameter.cols;
    total.bytes += stored_bytes(model, parameter);
  }
  return totals;
}

std::vector<TensorGroup> tensor_groups(const Checkpoint& model) {
  std::vector<TensorGroup> groups;
  std::map<std::tuple<std::string, std::string, std::size_t, std::size_t>, std::size_t> index_of;
  for (const Parameter& parameter : model.parameters()) {
    const Encoding& encoding = model.encoding(parameter.name);
    const std::string stem = stem_of(parameter);
    const auto [place, is_new] = index_of.try_emplace(
        {stem, to_string(encoding), parameter.rows, parameter.cols}, groups.size());
    if (is_new)
      groups.push_back({.stem = stem,
                        .layers = {},
                        .encoding = encoding,
                        .rows = parameter.rows,
                        .cols = parameter.cols,
                        .bytes = 0});
    TensorGroup& group = groups[place->second];
    if (parameter.layer >= 0) group.layers.push_back(parameter.layer);
    group.bytes += stored_bytes(model, parameter);
  }
  // groups of one stem that began at a later layer go to its others
  std::map<std::string, std::size_t> first_of;
  for (std::size_t g = 0; g < groups.size(); ++g) first_of.try_emplace(groups[g].stem, g);
  std::ranges::stable_sort(groups, {}, [&](const TensorGroup& g) { return first_of.at(g.stem); });
  // what follows the layers stays behind them, whatever came late
  std::ranges::stable_sort(groups, {}, [](const TensorGroup& g) {
    return !g.layers.empty() ? 1 : g.stem == "embedding" || g.stem == "position" ? 0 : 2;
  });
  return groups;
}

std::vector<EncodingTotal> totals_by_encoding(const Checkpoint& model) {
  std::vector<EncodingTotal> totals;
  for (const Parameter& parameter : model.parameters()) {
    const std::string encoding = encoding_text(model, parameter);
    auto total = std::ranges::find(totals, encoding, &EncodingTotal::encoding);
    if (total == totals.end())
      total = totals.insert(totals.end(), EncodingTotal{.encoding = encoding});
    ++total->tensors;
    total->parameters += parameter.rows * parameter.cols;
    total->bytes += stored_bytes(model, parameter);
  }
  std::ranges::stable_sort(totals, std::ranges::greater{}, &EncodingTotal::parameters);
  return totals;
}

void fail_unknown_tensor(const std::string& place,
                         std::string_view name,
                         std::span<const std::string> known) {
  constexpr std::size_t kOffered = 3;
  const std::vector<std::string> offered = names_like(name, known, kOffered);
  throw UserError(ErrorParts{
      .place = "--tensor",
      .expected = "a tensor of " + place,
      .found = fmt::format("'{}'", name),
      .remedy = offered.empty() ? "'pith inspect' without --tensor lists them"
                                : fmt::format("did you mean '{}'", fmt::join(offered, "' or '"))});
}

std::string find_parameter(const Checkpoint& model, std::string_view name) {
  std::vector<std::string> names, others;
  std::set<std::string> known;
  for (const Parameter& parameter : model.parameters()) {
    const std::string stored = model.stored_name(parameter.name);
    const std::string usual = tensor_name(parameter, model.spec().family).name;
    if (name == parameter.name || name == stored || name == usual) return parameter.name;
    names.push_back(parameter.name);
    known.insert(parameter.name);
    for (const std::string& other : {stored, usual})
      if (known.insert(other).second) others.push_back(other);
  }
  names.insert(names.end(), others.begin(), others.end());
  fail_unknown_tensor(model.path().string(), name, names);
}

}  // namespace pith

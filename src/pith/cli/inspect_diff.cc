// pith inspect A --diff B: what differs between two models.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "pith/cli/inspect.h"
#include "pith/cli/inspect_tokenizer.h"
#include "pith/formats/shape_text.h"
#include "pith/report/model_diff.h"
#include "pith/report/model_summary.h"
#include "pith/report/size.h"
#include "pith/report/table.h"
#include "pith/report/terminal.h"

namespace pith {
namespace {

struct Comparison {
  ModelDiff models;
  SizeReport size_a, size_b;
  TokenizerLook tokenizer_a, tokenizer_b;
  std::vector<FileDifference> files;
  std::optional<TokenizerDiff> tokenizers;  // if both are usable
};

Comparison compare(const Checkpoint& a, const Checkpoint& b) {
  Comparison result{diff_models(a, b),
                    measure_size(a),
                    measure_size(b),
                    look_at_tokenizer(a),
                    look_at_tokenizer(b),
                    compare_side_files(a, b),
                    std::nullopt};
  if (result.tokenizer_a.facts && result.tokenizer_b.facts)
    result.tokenizers = compare_tokenizers(*result.tokenizer_a.facts, *result.tokenizer_b.facts);
  return result;
}

std::string value_text(const Json& value) {
  if (value.is_null()) return "";
  constexpr std::size_t kColumns = 36;
  return shortened(terminal_safe(value.is_string() ? value.get<std::string>() : value.dump()),
                   kColumns);
}

std::string error_text(double error) {
  if (error != 0 && error < 1e-3) return fmt::format("{:.1e}", error);
  return fmt::format("{:.4f}", error);
}

std::string change_text(const Encoding& a, const Encoding& b) {
  return a == b ? to_string(a) : to_string(a) + " → " + to_string(b);
}

// "embedding", "layers.0-3.attn.q".
std::string name_text(const DifferenceGroup& group) {
  constexpr std::size_t kLayerColumns = 14;
  if (group.layers.empty()) return group.stem;
  return fmt::format("layers.{}.{}", shortened(runs_text(group.layers), kLayerColumns), group.stem);
}

std::string side_text(const Checkpoint& model, const SizeReport& size) {
  return fmt::format("{} ({}), {} parameters, {}, {:.3f} bits per weight",
                     terminal_safe(model.path().string()),
                     model.format(),
                     with_commas(size.parameters),
                     format_size(size.total_bytes),
                     size.bits_per_weight);
}

void print_spec(const ModelDiff& diff) {
  if (diff.spec.empty()) return;
  Table table{"", {"spec", "a", "b"}, {}};
  for (const SpecDifference& field : diff.spec)
    table.rows.push_back({field.key, value_text(field.a), value_text(field.b)});
  fmt::print("{}\n", to_text(table));
}

std::string tokenizer_text(const Comparison& found) {
  if (!found.tokenizers) {
    if (!found.tokenizer_a.facts && !found.tokenizer_b.facts) return "none that is usable";
    return found.tokenizer_a.facts ? "only a has a usable one" : "only b has a usable one";
  }
  const TokenizerDiff& diff = *found.tokenizers;
  if (!diff.first_differing_id) {
    std::string text = "the same tokens";
    text += diff.same_merges ? " and merges" : ", other merges";
    return text + (diff.same_special ? "" : ", other special tokens");
  }
  const auto place = static_cast<std::size_t>(*diff.first_differing_id);
  const auto token = [place](const TokenizerFacts& facts) {
    constexpr std::size_t kColumns = 24;
    return place < facts.tokens.size()
               ? "'" + shortened(terminal_safe(facts.tokens[place]), kColumns) + "'"
               : std::string("absent");
  };
  return fmt::format("{} ids differ, the first is {}: {} in a, {} in b",
                     with_commas(diff.differing_ids),
                     place,
                     token(*found.tokenizer_a.facts),
                     token(*found.tokenizer_b.facts));
}

std::string files_text(const std::vector<FileDifference>& files) {
  std::vector<std::string> others;
  for (const FileDifference& file : files) {
    if (file.same) continue;
    others.push_back(file.in_a && file.in_b ? file.name + " differs"
                     : file.in_a            ? file.name + " only in a"
                                            : file.name + " only in b");
  }
  if (others.empty()) return fmt::format("all {} the same", files.size());
  return fmt::format("{}", fmt::join(others, ", "));
}

// The first few of a long list.
std::string some_of(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 6;
  const std::size_t shown = std::min(kShown, names.size());
  std::string text = fmt::format(
      "{}", fmt::join(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(shown), ", "));
  if (names.size() > shown) text += fmt::format(", … ({})", names.size());
  return text;
}

std::vector<Fact> facts_of(const Checkpoint& a, const Checkpoint& b, const Comparison& found) {
  const ModelDiff& diff = found.models;
  std::vector<Fact> facts = {{"a", side_text(a, found.size_a)},
                             {"b", side_text(b, found.size_b)},
                             {"spec", diff.spec.empty() ? "the same" : "differs"},
                             {"tokenizer", tokenizer_text(found)}};
  if (!found.files.empty()) facts.push_back({"other files", files_text(found.files)});
  if (!diff.only_in_a.empty()) facts.push_back({"only in a", some_of(diff.only_in_a)});
  if (!diff.only_in_b.empty()) facts.push_back({"only in b", some_of(diff.only_in_b)});
  if (diff.shapes.empty()) return facts;
  std::vector<std::string> shapes;
  for (const ShapeDifference& shape : diff.shapes)
    shapes.push_back(fmt::format("{} {} → {}",
                                 shape.name,
                                 shape_text(shape.rows_a, shape.cols_a),
                                 shape_text(shape.rows_b, shape.cols_b)));
  facts.push_back({"other shapes", some_of(shapes)});
  return facts;
}

std::string equality_text(const DifferenceGroup& group) {
  if (group.same_bytes == group.tensors) return "same bytes";
  if (group.same_values == group.tensors) return "same values";
  if (group.incomparable > 0) return fmt::format("{} NaN/Inf", group.incomparable);
  return group.same_values > 0 ? fmt::format("{} the same", group.same_values) : "";
}

void print_matrices(const ModelDiff& diff) {
  Table table{"", {"tensor", "encoding", "error", "largest", "max |a-b|", "note"}, {}};
  for (const DifferenceGroup& group : difference_groups(diff))
    table.rows.push_back({name_text(group),
                          change_text(group.a, group.b),
                          error_text(group.relative_error),
                          error_text(group.largest_relative_error),
                          fmt::format("{:.3g}", group.max_difference),
                          equality_text(group)});
  if (!table.rows.empty()) fmt::print("{}\n", to_text(table));
}

// The matrices that differ most, one by one.
void print_largest(const ModelDiff& diff) {
  constexpr std::size_t kShown = 5;
  std::vector<std::string> largest;
  for (const MatrixDifference& matrix : diff.matrices)
    if (largest.size() < kShown && !matrix.comparison.same_values)
      largest.push_back(fmt::format(
          "{} {}", matrix.parameter.name, error_text(matrix.comparison.relative_error)));
  if (!largest.empty())
    fmt::print(
        "{}", to_text(std::vector<Fact>{{"largest", fmt::format("{}", fmt::join(largest, ", "))}}));
}

std::string verdict(const ModelDiff& diff) {
  const auto same = static_cast<std::size_t>(
      std::ranges::count_if(diff.matrices, [](const auto& m) { return m.comparison.same_values; }));
  if (diff.same_values()) return "the same network: all values are equal";
  return fmt::format("{} of {} tensors in both are equal; error over all {}",
                     same,
                     diff.matrices.size(),
                     error_text(diff.relative_error));
}

Json to_json(const MatrixDifference& matrix) {
  const MatrixComparison& comparison = matrix.comparison;
  return {{"name", matrix.parameter.name},
          {"rows", matrix.parameter.rows},
          {"cols", matrix.parameter.cols},
          {"encoding_a", to_string(matrix.a)},
          {"encoding_b", to_string(matrix.b)},
          {"same_bytes", comparison.same_bytes},
          {"same_values", comparison.same_values},
          {"relative_error", comparison.relative_error},
          {"max_difference", comparison.max_difference},
          {"incomparable", comparison.incomparable}};
}

Json side_to_json(const Checkpoint& model, const SizeReport& size, const TokenizerLook& tokenizer) {
  return {{"path", model.path().string()},
          {"container", model.format()},
          {"parameters", size.parameters},
          {"size_bytes", size.total_bytes},
          {"bits_per_weight", size.bits_per_weight},
          {"tokenizer", description_of(tokenizer)}};
}

Json tokenizers_to_json(const std::optional<TokenizerDiff>& diff) {
  if (!diff) return nullptr;
  return {{"differing_ids", diff->differing_ids},
          {"first_differing_id",
           diff->first_differing_id ? Json(*diff->first_differing_id) : Json(nullptr)},
          {"same_merges", diff->same_merges},
          {"same_special", diff->same_special}};
}

Json to_json(const Checkpoint& a, const Checkpoint& b, const Comparison& found) {
  const ModelDiff& diff = found.models;
  Json spec = Json::array(), shapes = Json::array(), files = Json::array(),
       matrices = Json::array();
  for (const SpecDifference& field : diff.spec)
    spec.push_back({{"key", field.key}, {"a", field.a}, {"b", field.b}});
  for (const ShapeDifference& shape : diff.shapes)
    shapes.push_back({{"name", shape.name},
                      {"a", {shape.rows_a, shape.cols_a}},
                      {"b", {shape.rows_b, shape.cols_b}}});
  for (const FileDifference& file : found.files)
    files.push_back(
        {{"name", file.name}, {"in_a", file.in_a}, {"in_b", file.in_b}, {"same", file.same}});
  for (const MatrixDifference& matrix : diff.matrices) matrices.push_back(to_json(matrix));
  return {{"a", side_to_json(a, found.size_a, found.tokenizer_a)},
          {"b", side_to_json(b, found.size_b, found.tokenizer_b)},
          {"same_values", diff.same_values()},
          {"relative_error", diff.relative_error},
          {"spec", spec},
          {"tokenizer", tokenizers_to_json(found.tokenizers)},
          {"files", files},
          {"only_in_a", diff.only_in_a},
          {"only_in_b", diff.only_in_b},
          {"shapes", shapes},
          {"matrices", matrices}};
}

}  // namespace

void inspect_diff(const Checkpoint& a, const Checkpoint& b, const GlobalOptions& global) {
  const Comparison found = compare(a, b);
  if (global.json) return print_json(to_json(a, b, found));
  fmt::print("{}\n", to_text(facts_of(a, b, found)));
  print_spec(found.models);
  print_matrices(found.models);
  print_largest(found.models);
  fmt::print("  {}\n", verdict(found.models));
}

}  // namespace pith

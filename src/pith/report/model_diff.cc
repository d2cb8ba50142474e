#include "pith/report/model_diff.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <unordered_map>

#include "pith/base/error.h"
#include "pith/report/model_summary.h"
#include "pith/report/row_pieces.h"

namespace pith {
namespace {

struct PieceComparison {
  double error = 0, sum = 0, max_difference = 0;
  std::uint64_t incomparable = 0;
  bool same = true;
};

void compare(std::span<const float> a, std::span<const float> b, PieceComparison& piece) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    const bool same = std::bit_cast<std::uint32_t>(a[i]) == std::bit_cast<std::uint32_t>(b[i]);
    piece.same = piece.same && same;
    if (!std::isfinite(a[i]) || !std::isfinite(b[i])) {
      piece.incomparable += !same;
      continue;
    }
    const double value = static_cast<double>(a[i]), distance = value - static_cast<double>(b[i]);
    piece.error += distance * distance;
    piece.sum += value * value;
    piece.max_difference = std::max(piece.max_difference, std::abs(distance));
  }
}

bool have_same_bytes(const PackedMatrix& a, const PackedMatrix& b) {
  if (a.encoding() != b.encoding()) return false;
  for (std::size_t i = 0; i < a.buffers().size(); ++i)
    if (!std::ranges::equal(a.buffers()[i].bytes, b.buffers()[i].bytes)) return false;
  return true;
}

double relative(double square_error, double square_sum) {
  return square_error == 0 ? 0 : std::sqrt(square_error / square_sum);
}

bool equal_as_f32(const Json& a, const Json& b) {
  if (a == b) return true;
  return a.is_number() && b.is_number() && a.get<float>() == b.get<float>();
}

std::vector<SpecDifference> compare_specs(const DecoderSpec& spec_a, const DecoderSpec& spec_b) {
  const Json a = spec_to_json(spec_a), b = spec_to_json(spec_b);
  const auto value = [](const Json& json, const std::string& key) {
    return json.contains(key) ? json.at(key) : Json(nullptr);
  };
  std::vector<SpecDifference> differences;
  for (const auto& [key, found] : a.items())
    if (!equal_as_f32(found, value(b, key))) differences.push_back({key, found, value(b, key)});
  for (const auto& [key, found] : b.items())
    if (!a.contains(key) && !found.is_null()) differences.push_back({key, nullptr, found});
  return differences;
}

bool is_larger(const MatrixComparison& a, const MatrixComparison& b) {
  if (a.incomparable != b.incomparable) return a.incomparable > b.incomparable;
  return a.relative_error > b.relative_error;
}

using ByName = std::unordered_map<std::string_view, const Parameter*>;

ByName by_name(const Checkpoint& model) {
  ByName parameters;
  for (const Parameter& parameter : model.parameters()) parameters[parameter.name] = &parameter;
  return parameters;
}

}  // namespace

MatrixComparison compare_matrices(const PackedMatrix& a, const PackedMatrix& b) {
  PITH_CHECK(a.rows() == b.rows() && a.cols() == b.cols());
  MatrixComparison result;
  result.same_bytes = have_same_bytes(a, b);
  const auto pieces = map_row_pieces(a.rows(), a.cols(), [&](const RowPiece& rows) {
    std::vector<float> left(rows.count * a.cols()), right(result.same_bytes ? 0 : left.size());
    a.dequantize_rows(rows.first, rows.count, left);
    if (!result.same_bytes) b.dequantize_rows(rows.first, rows.count, right);
    PieceComparison piece;
    compare(left, result.same_bytes ? left : right, piece);
    return piece;
  });
  result.same_values = true;
  for (const PieceComparison& piece : pieces) {  // in the order of rows, whatever thread made them
    result.square_error += piece.error;
    result.square_sum += piece.sum;
    result.max_difference = std::max(result.max_difference, piece.max_difference);
    result.incomparable += piece.incomparable;
    result.same_values = result.same_values && piece.same;
  }
  result.relative_error = relative(result.square_error, result.square_sum);
  return result;
}

bool ModelDiff::same_values() const {
  return spec.empty() && only_in_a.empty() && only_in_b.empty() && shapes.empty() &&
         std::ranges::all_of(matrices,
                             [](const MatrixDifference& m) { return m.comparison.same_values; });
}

ModelDiff diff_models(const Checkpoint& a, const Checkpoint& b) {
  ModelDiff diff;
  diff.spec = compare_specs(a.spec(), b.spec());
  const ByName of_a = by_name(a), of_b = by_name(b);
  for (const Parameter& parameter : b.parameters())
    if (!of_a.contains(parameter.name)) diff.only_in_b.push_back(parameter.name);
  double square_error = 0, square_sum = 0;
  for (const Parameter& parameter : a.parameters()) {
    const auto found = of_b.find(parameter.name);
    if (found == of_b.end()) {
      diff.only_in_a.push_back(parameter.name);
      continue;
    }
    const Parameter& other = *found->second;
    if (parameter.rows != other.rows || parameter.cols != other.cols) {
      diff.shapes.push_back(
          {parameter.name, parameter.rows, parameter.cols, other.rows, other.cols});
      continue;
    }
    MatrixDifference matrix{parameter,
                            a.encoding(parameter.name),
                            b.encoding(parameter.name),
                            compare_matrices(a.load(parameter.name), b.load(parameter.name))};
    square_error += matrix.comparison.square_error;
    square_sum += matrix.comparison.square_sum;
    diff.matrices.push_back(std::move(matrix));
  }
  diff.relative_error = relative(square_error, square_sum);
  std::ranges::stable_sort(diff.matrices, is_larger, &MatrixDifference::comparison);
  return diff;
}

std::vector<DifferenceGroup> difference_groups(const ModelDiff& diff) {
  std::vector<DifferenceGroup> groups;
  std::vector<double> errors, sums;  // of each group
  std::map<std::string, std::size_t> index_of;
  for (const MatrixDifference& matrix : diff.matrices) {
    const std::string stem = stem_of(matrix.parameter);
    const auto [place, is_new] = index_of.try_emplace(
        fmt::format("{}\n{}\n{}", stem, to_string(matrix.a), to_string(matrix.b)), groups.size());
    if (is_new) {
      groups.push_back({.stem = stem, .layers = {}, .a = matrix.a, .b = matrix.b});
      errors.push_back(0);
      sums.push_back(0);
    }
    const MatrixComparison& comparison = matrix.comparison;
    DifferenceGroup& group = groups[place->second];
    if (matrix.parameter.layer >= 0) group.layers.push_back(matrix.parameter.layer);
    ++group.tensors;
    group.same_bytes += comparison.same_bytes;
    group.same_values += comparison.same_values;
    group.incomparable += comparison.incomparable;
    group.largest_relative_error =
        std::max(group.largest_relative_error, comparison.relative_error);
    group.max_difference = std::max(group.max_difference, comparison.max_difference);
    errors[place->second] += comparison.square_error;
    sums[place->second] += comparison.square_sum;
  }
  for (std::size_t g = 0; g < groups.size(); ++g) {
    groups[g].relative_error = relative(errors[g], sums[g]);
    std::ranges::sort(groups[g].layers);
  }
  return groups;  // made from matrices in descending order: the largest of each came first
}

}  // namespace pith

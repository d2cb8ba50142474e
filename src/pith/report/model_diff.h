// What differs between two models, whatever their containers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pith/base/json.h"
#include "pith/formats/checkpoint.h"
#include "pith/text/tokenizer_facts.h"

namespace pith {

// b against a, over the positions where both are finite or have the same bits.
struct MatrixComparison {
  bool same_bytes = false;         // the same encoding and buffers
  bool same_values = false;        // the same f32 bits, however they are stored
  double relative_error = 0;       // sqrt(sum (a - b)^2 / sum a^2); infinite if only a is all zero
  double max_difference = 0;       // max |a - b|
  std::uint64_t incomparable = 0;  // positions where NaN or Inf stands against something else
  double square_error = 0, square_sum = 0;  // sum (a - b)^2, sum a^2
};
// Pre: equal shapes. Reads both in pieces; the result does not depend on the number of threads.
MatrixComparison compare_matrices(const PackedMatrix& a, const PackedMatrix& b);

struct SpecDifference {
  std::string key;  // of spec_to_json()
  Json a, b;        // null: absent
};
struct ShapeDifference {
  std::string name;
  std::size_t rows_a = 0, cols_a = 0, rows_b = 0, cols_b = 0;
};
struct MatrixDifference {
  Parameter parameter;
  Encoding a, b;
  MatrixComparison comparison;
};
struct ModelDiff {
  std::vector<SpecDifference> spec;
  std::vector<std::string> only_in_a, only_in_b;  // names of parameters
  std::vector<ShapeDifference> shapes;
  std::vector<MatrixDifference>
      matrices;               // in both with equal shapes; the largest difference first
  double relative_error = 0;  // over all `matrices` together
  bool same_values() const;   // of everything: no difference in any list
};
// Numbers of the spec count as equal when they are as f32, which is what GGUF files keep.
ModelDiff diff_models(const Checkpoint& a, const Checkpoint& b);

// `matrices` of one stem and one pair of encodings.
struct DifferenceGroup {
  std::string stem;
  std::vector<int> layers;  // ascending; empty outside the layers
  Encoding a, b;
  std::size_t same_bytes = 0, same_values = 0, tensors = 0;
  double relative_error = 0;                              // together
  double largest_relative_error = 0, max_difference = 0;  // of any
  std::uint64_t incomparable = 0;
};
// The largest `largest_relative_error` first; incomparable ones before all.
std::vector<DifferenceGroup> difference_groups(const ModelDiff& diff);

struct FileDifference {
  std::string name;  // tokenizer.json, ...
  bool in_a = false, in_b = false;
  bool same = false;
};
struct TokenizerDiff {
  std::size_t differing_ids = 0;  // that stand for another token, or for one in one model only
  std::optional<std::int32_t> first_differing_id;
  bool same_merges = false, same_special = false;
};
// Files beside weights and config.json, by SHA-256; none if one model is a GGUF file.
std::vector<FileDifference> compare_side_files(const Checkpoint& a, const Checkpoint& b);
TokenizerDiff compare_tokenizers(const TokenizerFacts& a, const TokenizerFacts& b);

}  // namespace pith

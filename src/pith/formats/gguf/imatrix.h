// Importance matrices of llama-imatrix: how much each input column of a weight matters. Source:
// formats.md 4.8.
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pith/formats/spec.h"

namespace pith {

// The mean square of what entered each column during calibration; 1 for columns of weights that
// were never used. Both layouts are read, GGUF and the older one; every length is checked against
// the file, and values are finite and not negative. Throws FormatError.
class ImportanceMatrix {
 public:
  explicit ImportanceMatrix(const std::filesystem::path& path);

  // The weights of a GGUF tensor ("blk.0.ffn_down.weight"), all its matrices after one another;
  // null if it was not seen.
  const std::vector<float>* find(std::string_view tensor) const;
  // [cols] weights of a parameter; empty if it was not seen. FormatError for another width.
  std::span<const float> for_parameter(const Parameter& parameter, const DecoderSpec& spec) const;
  std::size_t size() const { return weights_.size(); }  // tensors

 private:
  std::string place_;
  std::map<std::string, std::vector<float>, std::less<>> weights_;
};

}  // namespace pith

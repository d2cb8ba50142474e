// What a conversion or a compression tells about itself; report/ writes these into report.json.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "pith/codec/encoding.h"

namespace pith {

// Cost of a run; the same keys forecast and measured.
struct Cost {
  std::uint64_t peak_bytes = 0;
  std::uint64_t disk_bytes = 0;
  double seconds = 0;
};

struct MatrixReport {
  std::string name;
  Encoding encoding;
  double bits = 0;            // stored bits per weight, scales and zero points included
  double relative_error = 0;  // sqrt(sum (w - w')^2 / sum w^2)
  std::string fallback;       // empty: none
};

// Where the bytes of a model folder are.
struct SizeReport {
  std::uint64_t total_bytes = 0;  // all files needed to run: the sum of `parts`
  std::uint64_t parameters = 0;
  double bits_per_weight = 0;  // 8 * total_bytes / parameters
  // embedding, head, linears, norms_and_biases, headers, tokenizer, config; all named, 0 where
  // there is nothing
  std::map<std::string, std::uint64_t> parts;
};

}  // namespace pith

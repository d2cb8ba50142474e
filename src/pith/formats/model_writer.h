// What every writer of a model is to those that make weights.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "pith/codec/packed_matrix.h"

namespace pith {

// How one parameter is to be stored.
struct StoredParameter {
  std::string name;  // of Parameter
  Encoding encoding;
  ActivationQuantization activation{};
};

// Declared with all parameters; takes their weights in any order, whole, and holds nothing.
class ModelWriter {
 public:
  virtual ~ModelWriter() = default;
  // Its encoding must be the declared one (InternalError).
  virtual void write(std::string_view name, const PackedMatrix& weight) = 0;
  virtual void finish() = 0;
  // Of weights and index, known from the start: the forecast of disk use.
  virtual std::uint64_t file_bytes() const = 0;
};

}  // namespace pith

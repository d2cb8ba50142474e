// The tensors of a Hugging Face folder as a finder of parameters sees them.
#pragma once

#include <initializer_list>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "pith/formats/safetensors.h"

namespace pith {

// Remembers which tensors were asked for, so that the others can be told of. Borrows the reader.
// Errors are FormatErrors "folder: tensor 'x': expected ..., found ...".
class FolderTensors {
 public:
  FolderTensors(const SafetensorsReader& reader, std::string place);

  const StoredTensor* find(std::string_view name);  // null if absent
  // Of that shape and one of the types.
  const StoredTensor& require(const std::string& name,
                              const std::vector<std::int64_t>& shape,
                              std::initializer_list<DType> dtypes,
                              std::string_view remedy_if_absent = "");
  // The same, null if absent.
  const StoredTensor* find(const std::string& name,
                           const std::vector<std::int64_t>& shape,
                           std::initializer_list<DType> dtypes);
  // True if this tensor is there (not counted as asked for).
  bool has(std::string_view name) const { return reader_.find(name) != nullptr; }

  const SafetensorsReader& reader() const { return reader_; }
  const std::string& place() const { return place_; }
  std::vector<std::string_view> unused() const;

  [[noreturn]] void fail(std::string_view name,
                         std::string expected,
                         std::string found,
                         std::string remedy = "") const;

 private:
  void check(const StoredTensor& tensor,
             const std::vector<std::int64_t>& shape,
             std::initializer_list<DType> dtypes) const;

  const SafetensorsReader& reader_;
  std::string place_;
  std::set<std::string_view> used_;
};

}  // namespace pith

#include "pith/formats/folder_tensors.h"

#include <algorithm>

#include "pith/base/error.h"
#include "pith/formats/shape_text.h"

namespace pith {

FolderTensors::FolderTensors(const SafetensorsReader& reader, std::string place)
    : reader_(reader), place_(std::move(place)) {}

void FolderTensors::fail(std::string_view name,
                         std::string expected,
                         std::string found,
                         std::string remedy) const {
  throw FormatError(ErrorParts{fmt::format("{}: tensor '{}'", place_, name),
                               std::move(expected),
                               std::move(found),
                               std::move(remedy)});
}

const StoredTensor* FolderTensors::find(std::string_view name) {
  const StoredTensor* tensor = reader_.find(name);
  if (tensor != nullptr) used_.insert(tensor->spec.name);
  return tensor;
}

const StoredTensor* FolderTensors::find(const std::string& name,
                                        const std::vector<std::int64_t>& shape,
                                        std::initializer_list<DType> dtypes) {
  const StoredTensor* tensor = find(name);
  if (tensor != nullptr) check(*tensor, shape, dtypes);
  return tensor;
}

const StoredTensor& FolderTensors::require(const std::string& name,
                                           const std::vector<std::int64_t>& shape,
                                           std::initializer_list<DType> dtypes,
                                           std::string_view remedy_if_absent) {
  const StoredTensor* tensor = find(name, shape, dtypes);
  if (tensor == nullptr)
    fail(name, "shape " + shape_text(shape), "no such tensor", std::string(remedy_if_absent));
  return *tensor;
}

void FolderTensors::check(const StoredTensor& tensor,
                          const std::vector<std::int64_t>& shape,
                          std::initializer_list<DType> dtypes) const {
  if (tensor.spec.shape != shape)
    fail(tensor.spec.name, "shape " + shape_text(shape), shape_text(tensor.spec.shape));
  if (std::find(dtypes.begin(), dtypes.end(), tensor.spec.dtype) != dtypes.end()) return;
  std::vector<std::string_view> names;
  for (const DType dtype : dtypes) names.push_back(to_string(dtype));
  fail(tensor.spec.name, join_names(names), std::string(to_string(tensor.spec.dtype)));
}

std::vector<std::string_view> FolderTensors::unused() const {
  std::vector<std::string_view> names;
  for (const auto& [name, tensor] : reader_.tensors())
    if (!used_.contains(name)) names.push_back(name);
  return names;
}

}  // namespace pith

// Single numbers that layouts of compressed weights store: a tensor's scale, that of activations.
#pragma once

#include <string>

#include "pith/formats/folder_tensors.h"

namespace pith {

inline constexpr std::initializer_list<DType> kScaleTypes = {
    DType::kF32, DType::kBF16, DType::kF16};

// Of shape [1] or [].
const StoredTensor& require_scalar(const std::string& name,
                                   std::initializer_list<DType> dtypes,
                                   FolderTensors& tensors);

// The value of a scalar of one of kScaleTypes; FormatError unless it is positive and finite.
float positive_scalar(const StoredTensor& scalar, const FolderTensors& tensors);

}  // namespace pith

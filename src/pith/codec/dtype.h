// Number types of stored arrays.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "pith/base/enum_table.h"

namespace pith {

// Names are those of safetensors.
enum class DType {
  kBool,
  kU8,
  kI8,
  kF8E5M2,
  kF8E4M3,
  kI16,
  kU16,
  kF16,
  kBF16,
  kI32,
  kU32,
  kF32,
  kF64,
  kI64,
  kU64
};

constexpr EnumName<DType> kDTypeNames[] = {
    {DType::kBool, "BOOL"},
    {DType::kU8, "U8"},
    {DType::kI8, "I8"},
    {DType::kF8E5M2, "F8_E5M2"},
    {DType::kF8E4M3, "F8_E4M3"},
    {DType::kI16, "I16"},
    {DType::kU16, "U16"},
    {DType::kF16, "F16"},
    {DType::kBF16, "BF16"},
    {DType::kI32, "I32"},
    {DType::kU32, "U32"},
    {DType::kF32, "F32"},
    {DType::kF64, "F64"},
    {DType::kI64, "I64"},
    {DType::kU64, "U64"},
};
constexpr std::span<const EnumName<DType>> enum_table(DType) { return kDTypeNames; }

std::size_t size_of(DType dtype);  // bytes an element
bool is_float(DType dtype);        // F64, F32, BF16, F16 and both fp8

}  // namespace pith

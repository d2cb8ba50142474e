// PackedMatrix: a weight in some Encoding, with its buffers. The only carrier of codes and scales.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "pith/codec/encoding.h"

namespace pith {

// How the activations that meet a weight are quantized. kLlmInt8: int8 a token but for the columns
// that hold a value beyond the threshold, which stay floats (LLM.int8(), quantization card 10).
enum class ActivationScheme {
  kNone,
  kDynamicInt8Token,
  kStaticInt8Tensor,
  kDynamicFp8Token,
  kStaticFp8Tensor,
  kLlmInt8
};
constexpr EnumName<ActivationScheme> kActivationSchemeNames[] = {
    {ActivationScheme::kNone, "none"},
    {ActivationScheme::kDynamicInt8Token, "dynamic-int8-token"},
    {ActivationScheme::kStaticInt8Tensor, "static-int8-tensor"},
    {ActivationScheme::kDynamicFp8Token, "dynamic-fp8-token"},
    {ActivationScheme::kStaticFp8Tensor, "static-fp8-tensor"},
    {ActivationScheme::kLlmInt8, "llm-int8"}};
constexpr std::span<const EnumName<ActivationScheme>> enum_table(ActivationScheme) {
  return kActivationSchemeNames;
}

// An attribute of the product, not of the storage. value = scale * (code - zero_point), codes in
// [-128, 127] or E4M3.
struct ActivationQuantization {
  ActivationScheme scheme = ActivationScheme::kNone;
  float scale = 0;              // of the static schemes, > 0
  std::int32_t zero_point = 0;  // of kStaticInt8Tensor
  float threshold = 0;          // of kLlmInt8, > 0
  bool operator==(const ActivationQuantization&) const = default;
};
std::string to_string(const ActivationQuantization& activation);  // "static-int8-tensor 0.02"

// One stored array: owned, or a view into something that `owner` keeps alive (a mapped file). No
// alignment is promised.
struct Buffer {
  BufferSpec spec;
  std::span<const std::byte> bytes;
  std::shared_ptr<const void> owner;
};
// An owned buffer of spec.bytes() bytes, 64-byte aligned, with its writable view.
struct OwnedBuffer {
  Buffer buffer;
  std::span<std::byte> writable;
};
OwnedBuffer allocate_buffer(BufferSpec spec);

// A [rows, cols] weight ([out, in]; a vector has rows = 1). Copies share the immutable buffers.
class PackedMatrix {
 public:
  PackedMatrix() = default;
  // Throws FormatError unless the buffers are those of buffer_specs(encoding, rows, cols), in that
  // order, and their bytes fit.
  PackedMatrix(Encoding encoding, std::size_t rows, std::size_t cols, std::vector<Buffer> buffers);

  std::size_t rows() const { return rows_; }
  std::size_t cols() const { return cols_; }
  const Encoding& encoding() const { return encoding_; }
  std::span<const Buffer> buffers() const { return buffers_; }
  const Buffer& buffer(std::string_view part) const;  // InternalError if absent
  std::size_t storage_bytes() const;                  // sum over buffers()

  ActivationQuantization activation{};

  // Writes rows [first, first + count) as f32 to out[count * cols]; serial, safe to call from
  // several threads.
  void dequantize_rows(std::size_t first, std::size_t count, std::span<float> out) const;
  std::vector<float> dequantize() const;  // all rows, with parallel_for

 private:
  Encoding encoding_ = DenseEncoding{};
  std::size_t rows_ = 0, cols_ = 0;
  std::vector<Buffer> buffers_;
};

// The rows order[0], order[1], ... of a matrix whose encoding keeps rows apart (dense, float8 and
// group_int by row or group, ggml blocks); an owned copy, codes untouched. Throws UserError for
// encodings that do not (tensor scale is kept; codebook blocks that cross rows are refused).
PackedMatrix reorder_rows(const PackedMatrix& matrix, std::span<const std::uint32_t> order);

// A dense matrix turned over: [cols, rows], owned. Throws UserError for other encodings.
PackedMatrix transpose_dense(const PackedMatrix& matrix);

}  // namespace pith

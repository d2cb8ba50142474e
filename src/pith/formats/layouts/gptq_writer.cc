#include <algorithm>
#include <cstring>

#include "pith/base/error.h"
#include "pith/formats/layouts/gptq_config.h"
#include "pith/formats/layouts/gptq_layout.h"
#include "pith/formats/layouts/packed_words.h"
#include "pith/formats/layouts/word_layout.h"

namespace pith {
namespace {

constexpr std::string_view kLayoutName = "gptq";

[[noreturn]] void refuse(const LayoutMatrix& matrix,
                         std::string_view property,
                         std::string_view remedy = {}) {
  fail_inexpressible(kLayoutName, matrix, property, remedy);
}

void check_codes(const LayoutMatrix& matrix, const GroupIntEncoding& encoding) {
  const int bits = encoding.bits;
  if (bits != 2 && bits != 3 && bits != 4 && bits != 8)
    refuse(matrix, fmt::format("{} bits, of which it knows 2, 3, 4 and 8", bits));
  if (encoding.scale_dtype == DType::kF32)
    refuse(matrix, "its scales are F32", "quantize with --scale-dtype F16");
  if (matrix.rows % 32 != 0 || matrix.cols % 32 != 0)
    refuse(
        matrix,
        fmt::format("its shape [{}, {}] is no multiple of 32 each way", matrix.rows, matrix.cols),
        "leave it dense with --skip");
}

// nullopt: dense.
std::optional<GptqScheme> scheme_of(const LayoutMatrix& matrix) {
  const GroupIntEncoding* encoding = int_encoding_of(matrix, kLayoutName);
  if (encoding == nullptr) return std::nullopt;
  check_codes(matrix, *encoding);
  return GptqScheme{encoding->bits,
                    encoding->granularity == Granularity::kRow ? -1 : dim(encoding->group_size),
                    encoding->zero_points == ZeroPoints::kNone,
                    encoding->column_groups};
}

OwnedBuffer allocate(std::string part, DType dtype, std::size_t rows, std::size_t cols) {
  return allocate_buffer({std::move(part), dtype, {dim(rows), dim(cols)}});
}

class GptqWriter final : public LayoutWriter {
 public:
  explicit GptqWriter(const std::vector<LayoutMatrix>& matrices) {
    std::vector<GptqModule> modules;
    for (const LayoutMatrix& matrix : matrices) {
      const std::optional<GptqScheme> scheme = scheme_of(matrix);
      if (matrix.kind == ParameterKind::kLinear)
        modules.push_back({module_of(matrix.name), scheme});
      plain_zeros_ |= scheme && !scheme->symmetric;
    }
    config_ = gptq_config_to_json(modules);
  }

  std::vector<TensorSpec> tensors_of(const LayoutMatrix& matrix) const override {
    const auto& encoding = std::get<GroupIntEncoding>(matrix.encoding);
    const auto bits = static_cast<std::size_t>(encoding.bits);
    const std::string module = module_of(matrix.name);
    const std::int64_t rows = dim(matrix.rows);
    const std::int64_t groups = dim(groups_in_row(encoding, matrix.cols));
    return {{module + ".qweight", DType::kI32, {dim(matrix.cols * bits / kWordBits), rows}},
            {module + ".qzeros", DType::kI32, {groups, dim(matrix.rows * bits / kWordBits)}},
            {module + ".scales", encoding.scale_dtype, {groups, rows}},
            {module + ".g_idx", DType::kI32, {dim(matrix.cols)}}};
  }

  std::vector<Buffer> pack(const LayoutMatrix& matrix, const PackedMatrix& weight) const override {
    const auto& encoding = std::get<GroupIntEncoding>(matrix.encoding);
    const auto bits = static_cast<std::size_t>(encoding.bits);
    const std::size_t rows = matrix.rows, cols = matrix.cols;
    const std::size_t groups = groups_in_row(encoding, cols);
    OwnedBuffer qweight = allocate("qweight", DType::kI32, cols * bits / kWordBits, rows);
    turn_elements(weight.buffer("codes").bytes, rows, cols * bits / kWordBits, 4, qweight.writable);
    OwnedBuffer scales = allocate("scales", encoding.scale_dtype, groups, rows);
    turn_elements(weight.buffer("scales").bytes,
                  rows,
                  groups,
                  size_of(encoding.scale_dtype),
                  scales.writable);
    return {std::move(qweight.buffer),
            pack_zeros(encoding, weight, groups),
            std::move(scales.buffer),
            group_index(matrix, encoding, weight)};
  }

  Json quantization_config() const override { return config_; }

  std::vector<LayoutFile> side_files() const override {
    return {{"quantize_config.json", config_.dump(2) + "\n"}};
  }

 private:
  Buffer pack_zeros(const GroupIntEncoding& encoding,
                    const PackedMatrix& weight,
                    std::size_t groups) const {
    const std::size_t rows = weight.rows();
    OwnedBuffer qzeros = allocate(
        "qzeros", DType::kI32, groups, rows * static_cast<std::size_t>(encoding.bits) / kWordBits);
    const auto middle = static_cast<std::uint8_t>(1 << (encoding.bits - 1));
    std::vector<std::uint8_t> codes(groups * rows,
                                    static_cast<std::uint8_t>(middle - (plain_zeros_ ? 0 : 1)));
    if (encoding.zero_points == ZeroPoints::kPacked) {
      const std::vector<std::uint8_t> zeros =
          unpack_rows({rows, groups, encoding.bits}, weight.buffer("zeros").bytes);
      turn_elements(std::as_bytes(std::span(zeros)),
                    rows,
                    groups,
                    1,
                    std::as_writable_bytes(std::span(codes)));
    }
    pack_rows({groups, rows, encoding.bits}, codes, qzeros.writable);
    return std::move(qzeros.buffer);
  }

  static Buffer group_index(const LayoutMatrix& matrix,
                            const GroupIntEncoding& encoding,
                            const PackedMatrix& weight) {
    const std::size_t cols = matrix.cols;
    const std::size_t step =
        encoding.granularity == Granularity::kGroup ? encoding.group_size : cols;
    std::vector<std::int32_t> in_order(cols);
    for (std::size_t k = 0; k < cols; ++k) in_order[k] = static_cast<std::int32_t>(k / step);
    const auto bytes = std::as_bytes(std::span(in_order));
    if (encoding.column_groups) {
      const Buffer& index = weight.buffer("group_index");
      if (std::ranges::equal(index.bytes, bytes))  // it would be read as a weight without act-order
        refuse(matrix,
               "its columns lie in the order of their groups, so there is nothing for g_idx to say",
               "quantize without act-order");
      return index;
    }
    OwnedBuffer g_idx = allocate_buffer({"g_idx", DType::kI32, {dim(cols)}});
    std::memcpy(g_idx.writable.data(), bytes.data(), bytes.size());
    return std::move(g_idx.buffer);
  }

  Json config_;
  bool plain_zeros_ = false;  // v2
};

}  // namespace

std::unique_ptr<LayoutWriter> make_gptq_writer(const DecoderSpec&,
                                               const std::vector<LayoutMatrix>& matrices) {
  return std::make_unique<GptqWriter>(matrices);
}

}  // namespace pith

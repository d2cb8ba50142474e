#include "pith/codec/encoding.h"

#include <bit>

#include "pith/base/error.h"
#include "pith/codec/ggml_blocks.h"

namespace pith {
namespace {

// Bounds that keep every product below inside 64 bits, whatever a file claims.
constexpr std::size_t kMaxExtent = std::size_t{1} << 40;
constexpr std::size_t kMaxElements = std::size_t{1} << 48;
constexpr std::size_t kMeanBlocks = 256;  // absmax values a second-level scale serves

std::size_t divide_up(std::size_t a, std::size_t b) { return (a + b - 1) / b; }

BufferSpec spec(std::string part, DType dtype, std::vector<std::size_t> shape) {
  return {std::move(part), dtype, {shape.begin(), shape.end()}};
}

std::string_view short_name(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return "f32";
    case DType::kBF16:
      return "bf16";
    case DType::kF16:
      return "f16";
    case DType::kF8E4M3:
      return "e4m3";
    case DType::kF8E5M2:
      return "e5m2";
    default:
      return to_string(dtype);
  }
}

bool is_scale_dtype(DType dtype) {
  return dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBF16;
}

std::vector<BufferSpec> specs_of(const DenseEncoding& e, std::size_t rows, std::size_t cols) {
  require(is_scale_dtype(e.dtype),
          "dense encoding: expected F32, BF16 or F16, found {}",
          to_string(e.dtype));
  return {spec("", e.dtype, {rows, cols})};
}

std::vector<BufferSpec> specs_of(const Float8Encoding& e, std::size_t rows, std::size_t cols) {
  require(e.format == DType::kF8E4M3 || e.format == DType::kF8E5M2,
          "float8 encoding: expected format F8_E4M3 or F8_E5M2, found {}",
          to_string(e.format));
  require(is_scale_dtype(e.scale_dtype),
          "float8 encoding: expected scales of F32, F16 or BF16, found {}",
          to_string(e.scale_dtype));
  const bool by_block = e.granularity == Granularity::kGroup;
  require(by_block ? e.block >= 1 && e.block <= kMaxExtent : e.block == 0,
          "float8 encoding: expected {} for granularity {}, found {}",
          by_block ? "a block of at least 1" : "no block",
          to_string(e.granularity),
          e.block);
  std::vector<std::size_t> shape = {1};
  if (e.granularity == Granularity::kRow) shape = {rows, 1};
  if (by_block) shape = {divide_up(rows, e.block), divide_up(cols, e.block)};
  return {spec("codes", e.format, {rows, cols}), spec("scales", e.scale_dtype, shape)};
}

void check_group_int(const GroupIntEncoding& e) {
  require(e.bits >= 1 && e.bits <= 8, "int encoding: expected 1 to 8 bits, found {}", e.bits);
  require(is_scale_dtype(e.scale_dtype),
          "int encoding: expected scales of F32, F16 or BF16, found {}",
          to_string(e.scale_dtype));
  const bool by_group = e.granularity == Granularity::kGroup;
  require(!by_group || (e.group_size >= 1 && e.group_size <= kMaxExtent),
          "int encoding: expected a group size of at least 1 for granularity group, found {}",
          e.group_size);
  require(
      by_group || e.group_size == 0,
      "int encoding: expected no group size for granularity {}, found {}; use granularity group",
      to_string(e.granularity),
      e.group_size);
  require(by_group || !e.column_groups,
          "int encoding: expected granularity group for columns in groups of their own, found {}",
          to_string(e.granularity));
}

std::vector<BufferSpec> specs_of(const GroupIntEncoding& e, std::size_t rows, std::size_t cols) {
  check_group_int(e);
  const std::size_t bits = static_cast<std::size_t>(e.bits);
  const bool tensor = e.granularity == Granularity::kTensor;
  const std::size_t groups = groups_in_row(e, cols);
  const std::size_t scale_rows = tensor ? 1 : rows;
  std::vector<std::size_t> shape = {scale_rows, groups};
  if (tensor) shape = {1};
  std::vector<BufferSpec> specs = {spec("codes", DType::kU8, {rows, divide_up(cols * bits, 8)}),
                                   spec("scales", e.scale_dtype, shape)};
  if (e.zero_points == ZeroPoints::kInt32) specs.push_back(spec("zeros", DType::kI32, shape));
  if (e.zero_points == ZeroPoints::kPacked)
    specs.push_back(spec("zeros", DType::kU8, {scale_rows, divide_up(groups * bits, 8)}));
  if (e.column_groups) specs.push_back(spec("group_index", DType::kI32, {cols}));
  return specs;
}

std::vector<BufferSpec> specs_of(const CodebookEncoding& e, std::size_t rows, std::size_t cols) {
  require(std::has_single_bit(e.block_size) && e.block_size >= 32 && e.block_size <= 4096,
          "{} encoding: expected a block size that is a power of two from 32 to 4096, found {}",
          to_string(e.table),
          e.block_size);
  const std::size_t blocks = divide_up(rows * cols, e.block_size);
  std::vector<BufferSpec> specs = {spec("codes", DType::kU8, {divide_up(rows * cols, 2)})};
  if (!e.double_quantized) {
    specs.push_back(spec("absmax", DType::kF32, {blocks}));
    return specs;
  }
  specs.push_back(spec("absmax", DType::kU8, {blocks}));
  specs.push_back(spec("absmax_scales", DType::kF32, {divide_up(blocks, kMeanBlocks)}));
  specs.push_back(spec("absmax_mean", DType::kF32, {1}));
  return specs;
}

std::vector<BufferSpec> specs_of(const GgmlEncoding& e, std::size_t rows, std::size_t cols) {
  const std::size_t elements = ggml_block_elements(e.type);
  require(cols % elements == 0,
          "{} encoding: {} columns do not divide into blocks of {}; use {}an int encoding, whose "
          "last group may be shorter",
          to_string(e.type),
          cols,
          elements,
          cols % kGgmlBlock == 0 ? "a type with blocks of 32 or " : "");
  return {spec("codes", DType::kU8, {rows, cols / elements * ggml_block_bytes(e.type)})};
}

struct Names {
  std::string operator()(const DenseEncoding& e) const { return std::string(short_name(e.dtype)); }
  std::string operator()(const Float8Encoding& e) const {
    std::string name = fmt::format("{} {}", short_name(e.format), to_string(e.granularity));
    if (e.granularity == Granularity::kGroup)
      name = fmt::format("{} block{}", short_name(e.format), e.block);
    return e.scale_dtype == DType::kF32 ? name
                                        : name + fmt::format(" {}", short_name(e.scale_dtype));
  }
  std::string operator()(const GroupIntEncoding& e) const {
    const std::string unit = e.granularity == Granularity::kGroup
                                 ? fmt::format("g{}", e.group_size)
                                 : std::string(to_string(e.granularity));
    constexpr std::string_view kZeros[] = {"symmetric", "affine", "affine-int32"};
    return fmt::format("int{} {} {} {}{}",
                       e.bits,
                       unit,
                       kZeros[static_cast<int>(e.zero_points)],
                       short_name(e.scale_dtype),
                       e.column_groups ? " act-order" : "");
  }
  std::string operator()(const CodebookEncoding& e) const {
    return fmt::format(
        "{} b{}{}", to_string(e.table), e.block_size, e.double_quantized ? " double" : "");
  }
  std::string operator()(const GgmlEncoding& e) const {
    std::string name(to_string(e.type));
    for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    return name;
  }
};

struct NominalBits {
  int operator()(const DenseEncoding& e) const { return static_cast<int>(size_of(e.dtype)) * 8; }
  int operator()(const Float8Encoding&) const { return 8; }
  int operator()(const GroupIntEncoding& e) const { return e.bits; }
  int operator()(const CodebookEncoding&) const { return 4; }
  int operator()(const GgmlEncoding& e) const { return ggml_code_bits(e.type); }
};

}  // namespace

std::string to_string(const Encoding& encoding) { return std::visit(Names{}, encoding); }

bool is_dense(const Encoding& encoding) { return std::holds_alternative<DenseEncoding>(encoding); }

int nominal_bits(const Encoding& encoding) { return std::visit(NominalBits{}, encoding); }

std::size_t BufferSpec::bytes() const {
  std::size_t count = size_of(dtype);
  for (const std::int64_t extent : shape) count *= static_cast<std::size_t>(extent);
  return count;
}

std::vector<BufferSpec> buffer_specs(const Encoding& encoding, std::size_t rows, std::size_t cols) {
  require(rows > 0 && cols > 0,
          "weight [{}, {}]: expected at least one row and one column",
          rows,
          cols);
  require(rows <= kMaxExtent && cols <= kMaxExtent && rows <= kMaxElements / cols,
          "weight [{}, {}]: expected at most 2^48 elements",
          rows,
          cols);
  return std::visit([&](const auto& e) { return specs_of(e, rows, cols); }, encoding);
}

std::size_t storage_bytes(const Encoding& encoding, std::size_t rows, std::size_t cols) {
  std::size_t total = 0;
  for (const BufferSpec& s : buffer_specs(encoding, rows, cols)) total += s.bytes();
  return total;
}

std::size_t groups_in_row(const GroupIntEncoding& encoding, std::size_t cols) {
  return encoding.granularity == Granularity::kGroup ? divide_up(cols, encoding.group_size) : 1;
}

}  // namespace pith

#include "pith/codec/packed_matrix.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

#include "pith/base/error.h"
#include "pith/base/threads.h"

namespace pith {
namespace {

constexpr std::size_t kAlignment = 64;
constexpr std::size_t kHugePage = std::size_t{2} << 20;
constexpr std::size_t kAbsmaxBlocks = 256;  // absmax codes that share a second-level scale

std::string describe(const BufferSpec& spec) {
  std::string shape;  // fmt::join draws a false warning from gcc 12
  for (const std::int64_t extent : spec.shape)
    shape += fmt::format("{}{}", shape.empty() ? "" : ", ", extent);
  return fmt::format("'{}' {} [{}]", spec.part, to_string(spec.dtype), shape);
}

std::vector<BufferSpec> specs_or_format_error(const Encoding& encoding,
                                              std::size_t rows,
                                              std::size_t cols) {
  try {
    return buffer_specs(encoding, rows, cols);
  } catch (const UserError& error) {
    throw FormatError(error.what());  // here the encoding came with the data, not from an option
  }
}

void check_buffers(const Encoding& encoding,
                   std::size_t rows,
                   std::size_t cols,
                   const std::vector<Buffer>& buffers) {
  const std::vector<BufferSpec> specs = specs_or_format_error(encoding, rows, cols);
  const std::string place = fmt::format("{} weight [{}, {}]", to_string(encoding), rows, cols);
  if (buffers.size() != specs.size())
    fail<FormatError>("{}: expected {} arrays, found {}", place, specs.size(), buffers.size());
  for (std::size_t i = 0; i < specs.size(); ++i) {
    if (buffers[i].spec != specs[i])
      fail<FormatError>(
          "{}: expected {}, found {}", place, describe(specs[i]), describe(buffers[i].spec));
    if (buffers[i].bytes.size() != specs[i].bytes())
      fail<FormatError>("{}: expected {} bytes for {}, found {}",
                        place,
                        specs[i].bytes(),
                        describe(specs[i]),
                        buffers[i].bytes.size());
  }
}

// A file's group numbers index arrays later.
void check_group_index(const GroupIntEncoding& encoding,
                       std::size_t cols,
                       std::span<const std::byte> bytes) {
  const std::size_t groups = groups_in_row(encoding, cols);
  for (std::size_t c = 0; c < cols; ++c) {
    std::int32_t group = 0;
    std::memcpy(&group, bytes.data() + c * sizeof group, sizeof group);
    if (group < 0 || static_cast<std::size_t>(group) >= groups)
      fail<FormatError>("{} weight: column {}: expected a group below {}, found {}",
                        to_string(Encoding(encoding)),
                        c,
                        groups,
                        group);
  }
}

void check_rows_apart(const PackedMatrix& matrix) {
  const auto* float8 = std::get_if<Float8Encoding>(&matrix.encoding());
  require(float8 == nullptr || float8->block <= 1,
          "reordering rows of a {} weight [{}, {}]: rows share the scales of its blocks; encode it "
          "in another way",
          to_string(matrix.encoding()),
          matrix.rows(),
          matrix.cols());
  const auto* e = std::get_if<CodebookEncoding>(&matrix.encoding());
  if (e == nullptr) return;
  const std::string place = fmt::format(
      "reordering rows of a {} weight [{}, {}]", to_string(e->table), matrix.rows(), matrix.cols());
  require(matrix.cols() % e->block_size == 0,
          "{}: blocks of {} cross rows; encode it in another way",
          place,
          e->block_size);
  require(!e->double_quantized || matrix.cols() / e->block_size % kAbsmaxBlocks == 0,
          "{}: rows share the scales of its double quantization; encode it without",
          place);
}

// One for all rows, as the scale of a tensor.
bool shared_by_rows(const BufferSpec& spec) {
  return spec.part == "absmax_mean" || spec.part == "group_index" ||
         (spec.part == "scales" && spec.shape.size() == 1) ||
         (spec.part == "zeros" && spec.shape.front() == 1);
}

template <class T>
void transpose_tile(const std::byte* in,
                    std::size_t rows,
                    std::size_t cols,
                    std::size_t first_col,
                    std::size_t last_col,
                    std::byte* out) {
  constexpr std::size_t kTile = 32;
  for (std::size_t r0 = 0; r0 < rows; r0 += kTile) {
    const std::size_t r1 = std::min(rows, r0 + kTile);
    for (std::size_t c = first_col; c < last_col; ++c)
      for (std::size_t r = r0; r < r1; ++r)
        std::memcpy(out + (c * rows + r) * sizeof(T), in + (r * cols + c) * sizeof(T), sizeof(T));
  }
}

}  // namespace

std::string to_string(const ActivationQuantization& activation) {
  const std::string name(to_string(activation.scheme));
  switch (activation.scheme) {
    case ActivationScheme::kStaticInt8Tensor:
      return fmt::format("{} {} {}", name, activation.scale, activation.zero_point);
    case ActivationScheme::kStaticFp8Tensor:
      return fmt::format("{} {}", name, activation.scale);
    case ActivationScheme::kLlmInt8:
      return fmt::format("{} {}", name, activation.threshold);
    default:
      return name;
  }
}

OwnedBuffer allocate_buffer(BufferSpec spec) {
  const std::size_t bytes = spec.bytes();
  // Fresh small pages take longer than filling them does.
  const bool is_large = bytes >= 2 * kHugePage;
  const std::size_t alignment = is_large ? kHugePage : kAlignment;
  const std::size_t padded =
      std::max(kAlignment, (bytes + kAlignment - 1) / kAlignment * kAlignment);
  void* memory = nullptr;
  if (::posix_memalign(&memory, alignment, padded) != 0) throw std::bad_alloc();
  if (is_large) ::madvise(memory, padded, MADV_HUGEPAGE);  // a hint: it may not have any
  std::shared_ptr<void> owner(memory, std::free);
  const std::span<std::byte> writable(static_cast<std::byte*>(memory), bytes);
  return {{std::move(spec), writable, std::move(owner)}, writable};
}

PackedMatrix::PackedMatrix(Encoding encoding,
                           std::size_t rows,
                           std::size_t cols,
                           std::vector<Buffer> buffers)
    : encoding_(encoding), rows_(rows), cols_(cols), buffers_(std::move(buffers)) {
  check_buffers(encoding_, rows_, cols_, buffers_);
  const auto* group_int = std::get_if<GroupIntEncoding>(&encoding_);
  if (group_int != nullptr && group_int->column_groups)
    check_group_index(*group_int, cols_, buffer("group_index").bytes);
}

const Buffer& PackedMatrix::buffer(std::string_view part) const {
  for (const Buffer& b : buffers_)
    if (b.spec.part == part) return b;
  fail<InternalError>("{} weight has no array '{}'", to_string(encoding_), part);
}

std::size_t PackedMatrix::storage_bytes() const {
  std::size_t total = 0;
  for (const Buffer& b : buffers_) total += b.bytes.size();
  return total;
}

std::vector<float> PackedMatrix::dequantize() const {
  std::vector<float> out(rows_ * cols_);
  constexpr std::size_t kElements = 1 << 16;  // a task's worth
  const std::size_t grain = std::max<std::size_t>(1, kElements / std::max<std::size_t>(1, cols_));
  parallel_for(rows_, grain, [&](std::size_t first, std::size_t last) {
    dequantize_rows(
        first, last - first, std::span(out).subspan(first * cols_, (last - first) * cols_));
  });
  return out;
}

PackedMatrix reorder_rows(const PackedMatrix& matrix, std::span<const std::uint32_t> order) {
  const std::size_t rows = matrix.rows();
  check_rows_apart(matrix);
  for (const std::uint32_t r : order)
    require(r < rows, "reordering rows: no row {} in a weight of {}", r, rows);

  const std::vector<BufferSpec> specs =
      buffer_specs(matrix.encoding(), order.size(), matrix.cols());
  std::vector<Buffer> buffers;
  for (std::size_t i = 0; i < specs.size(); ++i) {
    const Buffer& from = matrix.buffers()[i];
    OwnedBuffer to = allocate_buffer(specs[i]);
    if (shared_by_rows(from.spec) && from.bytes.size() == to.writable.size()) {
      std::ranges::copy(from.bytes, to.writable.begin());
    } else {
      const std::size_t row_bytes = from.bytes.size() / rows;
      parallel_for(order.size(), 16, [&](std::size_t first, std::size_t last) {
        for (std::size_t r = first; r < last; ++r)
          std::memcpy(to.writable.data() + r * row_bytes,
                      from.bytes.data() + order[r] * row_bytes,
                      row_bytes);
      });
    }
    buffers.push_back(std::move(to.buffer));
  }
  PackedMatrix result(matrix.encoding(), order.size(), matrix.cols(), std::move(buffers));
  result.activation = matrix.activation;
  return result;
}

PackedMatrix transpose_dense(const PackedMatrix& matrix) {
  require(is_dense(matrix.encoding()),
          "transposing a weight: expected a dense one, found {}; convert it to a dense type before",
          to_string(matrix.encoding()));
  const std::size_t rows = matrix.rows(), cols = matrix.cols();
  OwnedBuffer to = allocate_buffer(buffer_specs(matrix.encoding(), cols, rows).front());
  const std::byte* in = matrix.buffer("").bytes.data();
  const auto tile = size_of(to.buffer.spec.dtype) == 2 ? transpose_tile<std::uint16_t>
                                                       : transpose_tile<std::uint32_t>;
  parallel_for(cols, 32, [&](std::size_t first, std::size_t last) {
    for (std::size_t c = first; c < last; c += 32)
      tile(in, rows, cols, c, std::min(last, c + 32), to.writable.data());
  });
  std::vector<Buffer> buffers;
  buffers.push_back(std::move(to.buffer));
  PackedMatrix result(matrix.encoding(), cols, rows, std::move(buffers));
  result.activation = matrix.activation;
  return result;
}

}  // namespace pith

#include <algorithm>
#include <atomic>
#include <cstring>

#include "pith/base/error.h"
#include "pith/base/log.h"
#include "pith/formats/layouts/gptq_config.h"
#include "pith/formats/layouts/gptq_layout.h"
#include "pith/formats/layouts/packed_words.h"
#include "pith/formats/layouts/word_layout.h"

namespace pith {
namespace {

constexpr std::string_view kTitle = "GPTQ";

Buffer buffer_of(const StoredTensor& tensor, BufferSpec spec) {
  return {std::move(spec), tensor.bytes, tensor.file};
}

// The tensors of one matrix as they lie in the folder.
struct GptqTensors {
  std::string module, place;
  GroupIntEncoding encoding;
  std::size_t rows = 0, cols = 0, groups = 0;
  GptqZeros zeros = GptqZeros::kPlain;
  StoredTensor qweight, qzeros, scales;
  std::optional<StoredTensor> g_idx;         // if it is not k / group_size
  std::shared_ptr<std::atomic_flag> warned;  // of the folder

  CodeRows zero_rows() const { return {groups, rows, encoding.bits}; }
};

// What a field of the file stands for; the words' borrows are already undone.
void add_one(std::span<std::uint8_t> codes, int bits) {
  const auto mask = static_cast<std::uint8_t>((1 << bits) - 1);
  for (std::uint8_t& code : codes) code = static_cast<std::uint8_t>(code + 1) & mask;
}

// 2, 4 and 8 bits: each field of each word plus one, with carries.
std::vector<std::byte> words_plus_one(std::span<const std::byte> words, int bits) {
  std::uint32_t ones = 0;
  for (int bit = 0; bit < static_cast<int>(kWordBits); bit += bits) ones |= 1u << bit;
  std::vector<std::byte> out(words.begin(), words.end());
  for (std::size_t i = 0; i < out.size(); i += 4) {
    std::uint32_t word = 0;
    std::memcpy(&word, &out[i], 4);
    word += ones;
    std::memcpy(&out[i], &word, 4);
  }
  return out;
}

// Readers differ over the largest field of v1: AutoGPTQ's fallback (2, 4, 8 bits) takes it for 0,
// its kernels for 2^bits, and the writer's borrow may have spoilt the neighbours.
void warn_of_overflow(const GptqTensors& tensors, std::span<const std::uint8_t> stored) {
  const int largest = (1 << tensors.encoding.bits) - 1;
  if (std::ranges::find(stored, largest) == stored.end() || tensors.warned->test_and_set()) return;
  log_warning(
      "{}: tensor '{}.qzeros' holds fields of {}, which checkpoint_format gptq (v1) has no meaning "
      "for; they are read as zero points of 0",
      tensors.place,
      tensors.module,
      largest);
}

// Zero points [groups, rows], as they are meant.
std::vector<std::uint8_t> zero_points(const GptqTensors& tensors) {
  const int bits = tensors.encoding.bits;
  if (tensors.zeros == GptqZeros::kMinusOneWord && bits != 3)
    return unpack_rows(tensors.zero_rows(), words_plus_one(tensors.qzeros.bytes, bits));
  std::vector<std::uint8_t> codes = unpack_rows(tensors.zero_rows(), tensors.qzeros.bytes);
  if (tensors.zeros == GptqZeros::kPlain) return codes;
  warn_of_overflow(tensors, codes);
  add_one(codes, bits);
  return codes;
}

// Some files say v1 and store v2 (GPTQModel 5): the two cannot be confused when all are equal.
void check_symmetric_zeros(const GptqTensors& tensors) {
  const std::vector<std::uint8_t> stored = unpack_rows(tensors.zero_rows(), tensors.qzeros.bytes);
  const int middle = 1 << (tensors.encoding.bits - 1);
  const bool plain = tensors.zeros == GptqZeros::kPlain || stored.front() == middle;
  check_symmetric(stored,
                  tensors.rows,
                  plain ? middle : middle - 1,
                  fmt::format("{}: tensor '{}.qzeros'", tensors.place, tensors.module),
                  "\"sym\": true",
                  "\"sym\": false");
}

PackedMatrix load_gptq(const GptqTensors& tensors) {
  const std::size_t rows = tensors.rows, cols = tensors.cols, groups = tensors.groups;
  std::vector<Buffer> buffers;
  for (BufferSpec& spec : buffer_specs(tensors.encoding, rows, cols)) {
    if (spec.part == "group_index") {
      buffers.push_back(buffer_of(*tensors.g_idx, std::move(spec)));
      continue;
    }
    OwnedBuffer owned = allocate_buffer(std::move(spec));
    const std::string& part = owned.buffer.spec.part;
    const auto bits = static_cast<std::size_t>(tensors.encoding.bits);
    if (part == "codes")
      turn_elements(tensors.qweight.bytes, cols * bits / kWordBits, rows, 4, owned.writable);
    if (part == "scales")
      turn_elements(tensors.scales.bytes,
                    groups,
                    rows,
                    size_of(tensors.encoding.scale_dtype),
                    owned.writable);
    if (part == "zeros") {
      const std::vector<std::uint8_t> stored = zero_points(tensors);
      std::vector<std::uint8_t> turned(stored.size());
      turn_elements(std::as_bytes(std::span(stored)),
                    groups,
                    rows,
                    1,
                    std::as_writable_bytes(std::span(turned)));
      pack_rows({rows, groups, tensors.encoding.bits}, turned, owned.writable);
    }
    buffers.push_back(std::move(owned.buffer));
  }
  if (tensors.encoding.zero_points == ZeroPoints::kNone) check_symmetric_zeros(tensors);
  return PackedMatrix(tensors.encoding, rows, cols, std::move(buffers));
}

// Whether g_idx says no more than k / group_size. FormatError for groups that are not there.
bool is_in_order(const StoredTensor& g_idx,
                 const GptqTensors& matrix,
                 const FolderTensors& tensors) {
  const std::size_t step =
      matrix.encoding.granularity == Granularity::kGroup ? matrix.encoding.group_size : matrix.cols;
  bool in_order = true;
  for (std::size_t k = 0; k < matrix.cols; ++k) {
    std::int32_t group = 0;
    std::memcpy(&group, g_idx.bytes.data() + 4 * k, 4);
    if (group < 0 || static_cast<std::size_t>(group) >= matrix.groups)
      tensors.fail(g_idx.spec.name,
                   fmt::format("groups from 0 to {}", matrix.groups - 1),
                   fmt::format("{} at column {}", group, k));
    in_order &= static_cast<std::size_t>(group) == k / step;
  }
  return in_order;
}

class GptqReader final : public LayoutReader {
 public:
  explicit GptqReader(const JsonCursor& config) : config_(config) {}

  std::optional<StoredMatrix> find(const LayoutMatrix& dense, FolderTensors& tensors) override {
    if (!dense.name.ends_with(".weight") || !has_qweight(dense, tensors, kTitle))
      return std::nullopt;
    const std::string module = module_of(dense.name);
    const std::optional<GptqScheme> scheme = config_.scheme_of(module);
    if (!scheme)
      tensors.fail(module + ".qweight",
                   "a dense weight, since a rule of `dynamic` leaves this module as it is",
                   "a GPTQ weight");
    any_found_ = true;
    ignore_zero_bias(module, tensors);
    auto found = std::make_shared<GptqTensors>(locate(dense, module, *scheme, tensors));
    return StoredMatrix{
        module + ".qweight", found->encoding, {}, [found] { return load_gptq(*found); }};
  }

  void check_all_found(const std::string& place) const override {
    if (!any_found_) fail_none_found(place, kTitle);
  }

 private:
  GptqTensors locate(const LayoutMatrix& dense,
                     const std::string& module,
                     const GptqScheme& scheme,
                     FolderTensors& tensors) const {
    const auto bits = static_cast<std::size_t>(scheme.bits);
    if (dense.rows * bits % kWordBits != 0 || dense.cols * bits % kWordBits != 0)
      tensors.fail(module + ".qweight",
                   fmt::format("rows and columns whose {}-bit codes fill words of 32 bits", bits),
                   fmt::format("a weight [{}, {}]", dense.rows, dense.cols));
    GptqTensors matrix;
    matrix.module = module;
    matrix.place = tensors.place();
    matrix.rows = dense.rows;
    matrix.cols = dense.cols;
    matrix.zeros = config_.zeros();
    matrix.warned = warned_;
    matrix.encoding.bits = scheme.bits;
    matrix.encoding.zero_points = scheme.symmetric ? ZeroPoints::kNone : ZeroPoints::kPacked;
    if (scheme.group_size > 0) {
      matrix.encoding.granularity = Granularity::kGroup;
      matrix.encoding.group_size = static_cast<std::size_t>(scheme.group_size);
    }
    matrix.groups = groups_in_row(matrix.encoding, dense.cols);
    locate_parts(scheme, tensors, matrix);
    return matrix;
  }

  static void locate_parts(const GptqScheme& scheme, FolderTensors& tensors, GptqTensors& matrix) {
    const auto bits = static_cast<std::size_t>(scheme.bits);
    const std::int64_t rows = dim(matrix.rows), groups = dim(matrix.groups);
    const auto part = [&](std::string_view suffix) {
      return fmt::format("{}.{}", matrix.module, suffix);
    };
    matrix.qweight = tensors.require(
        part("qweight"), {dim(matrix.cols * bits / kWordBits), rows}, {DType::kI32});
    matrix.qzeros = tensors.require(
        part("qzeros"), {groups, dim(matrix.rows * bits / kWordBits)}, {DType::kI32});
    matrix.scales =
        tensors.require(part("scales"), {groups, rows}, {DType::kF16, DType::kBF16, DType::kF32});
    matrix.encoding.scale_dtype = matrix.scales.spec.dtype;
    const StoredTensor* g_idx = tensors.find(part("g_idx"), {dim(matrix.cols)}, {DType::kI32});
    if (g_idx == nullptr && scheme.act_order)
      tensors.fail(part("g_idx"),
                   "the group of each column, since the configuration says \"desc_act\": true",
                   "no such tensor");
    if (g_idx == nullptr || is_in_order(*g_idx, matrix, tensors)) return;
    matrix.g_idx = *g_idx;
    matrix.encoding.column_groups = true;
  }

  GptqConfig config_;
  bool any_found_ = false;
  std::shared_ptr<std::atomic_flag> warned_ = std::make_shared<std::atomic_flag>();
};

}  // namespace

std::unique_ptr<LayoutReader> make_gptq_reader(const JsonCursor& config) {
  return std::make_unique<GptqReader>(config);
}

}  // namespace pith

#include "pith/formats/layouts/awq_layout.h"

#include <algorithm>
#include <cstring>

#include "pith/base/error.h"
#include "pith/formats/layouts/fused_modules.h"
#include "pith/formats/layouts/packed_words.h"
#include "pith/formats/layouts/word_layout.h"

namespace pith {
namespace {

constexpr std::string_view kTitle = "AWQ";
constexpr std::string_view kLayoutName = "awq";
constexpr int kBits = 4;
constexpr std::size_t kInWord = kWordBits / kBits;
constexpr std::uint8_t kMiddle = 8;  // the zero point of a symmetric grid
constexpr std::array<std::uint8_t, 8> kNibbleOf = {0, 4, 1, 5, 2, 6, 3, 7};

struct AwqConfig {
  std::int64_t group_size = 128;  // -1: a whole row
  bool zero_point = true;
};

AwqConfig read_config(const JsonCursor& config) {
  const auto bits = find_any(config, {"bits", "w_bit"});
  if ((bits ? *bits : config.at("bits")).integer(0, 64) != kBits) bits->fail("4 bits");
  const auto group = find_any(config, {"group_size", "q_group_size"});
  for (const std::string_view key : {"version", "format", "backend"}) {
    const auto value = config.find(key);
    const std::string name = value ? lower(value->string()) : "";
    const bool is_backend = key == "backend";  // of the many only this has a packing of its own
    if (name.empty() || (is_backend ? name != "llm-awq" : name == "gemm")) continue;
    value->fail("gemm",
                "'" + name + "'",
                "Pith does not read this packing of AWQ; give the unquantized model");
  }
  if (const auto kept = config.find("modules_to_not_convert"))
    for (const JsonCursor& name : kept->items()) name.string();
  return {group_size_of(group ? *group : config.at("group_size")),
          config.boolean_or("zero_point", true)};
}

// The tensors of one matrix as they lie in the folder.
struct AwqTensors {
  std::string module, place;
  GroupIntEncoding encoding;
  std::size_t rows = 0, cols = 0, groups = 0;
  StoredTensor qweight, scales;
  std::optional<StoredTensor> qzeros;  // may lack in symmetric files
};

void turn_words(std::size_t lines,
                std::size_t rows,
                std::span<const std::byte> words,
                std::span<std::byte> out) {
  turn_from_nibble_words({lines, rows, kNibbleOf}, words, out);
}

void check_symmetric_zeros(const AwqTensors& tensors) {
  if (!tensors.qzeros) return;
  // all fields are to be equal, so their order in a word is of no matter but for the message
  std::vector<std::byte> turned(tensors.rows * ((tensors.groups + 1) / 2));
  turn_words(tensors.groups, tensors.rows, tensors.qzeros->bytes, turned);
  const std::vector<std::uint8_t> by_row =
      unpack_rows({tensors.rows, tensors.groups, kBits}, turned);
  std::vector<std::uint8_t> by_group(by_row.size());
  turn_elements(std::as_bytes(std::span(by_row)),
                tensors.rows,
                tensors.groups,
                1,
                std::as_writable_bytes(std::span(by_group)));
  check_symmetric(by_group,
                  tensors.rows,
                  kMiddle,
                  fmt::format("{}: tensor '{}.qzeros'", tensors.place, tensors.module),
                  "\"zero_point\": false",
                  "\"zero_point\": true");
}

PackedMatrix load_awq(const AwqTensors& tensors) {
  std::vector<Buffer> buffers;
  for (BufferSpec& spec : buffer_specs(tensors.encoding, tensors.rows, tensors.cols)) {
    OwnedBuffer owned = allocate_buffer(std::move(spec));
    const std::string& part = owned.buffer.spec.part;
    if (part == "codes")
      turn_words(tensors.cols, tensors.rows, tensors.qweight.bytes, owned.writable);
    if (part == "scales")
      turn_elements(tensors.scales.bytes, tensors.groups, tensors.rows, 2, owned.writable);
    if (part == "zeros")
      turn_words(tensors.groups, tensors.rows, tensors.qzeros->bytes, owned.writable);
    buffers.push_back(std::move(owned.buffer));
  }
  if (tensors.encoding.zero_points == ZeroPoints::kNone) check_symmetric_zeros(tensors);
  return PackedMatrix(tensors.encoding, tensors.rows, tensors.cols, std::move(buffers));
}

class AwqReader final : public LayoutReader {
 public:
  explicit AwqReader(const JsonCursor& config) : config_(read_config(config)) {}

  std::optional<StoredMatrix> find(const LayoutMatrix& dense, FolderTensors& tensors) override {
    refuse_scaled_activations(tensors);
    if (!dense.name.ends_with(".weight") || !has_qweight(dense, tensors, kTitle))
      return std::nullopt;
    any_found_ = true;
    const std::string module = module_of(dense.name);
    ignore_zero_bias(module, tensors);
    auto found = std::make_shared<AwqTensors>(locate(dense, module, tensors));
    return StoredMatrix{
        module + ".qweight", found->encoding, {}, [found] { return load_awq(*found); }};
  }

  void check_all_found(const std::string& place) const override {
    if (!any_found_) fail_none_found(place, kTitle);
  }

 private:
  // Once a folder. Models of GELU may divide the activations; Pith has no place for that.
  void refuse_scaled_activations(const FolderTensors& tensors) {
    if (checked_activations_) return;
    checked_activations_ = true;
    for (const auto& [name, tensor] : tensors.reader().tensors())
      if (name.ends_with("act.scales"))
        tensors.fail(name,
                     "activations without scales of their own",
                     "a scaled activation of AWQ",
                     "give the unquantized model");
  }

  AwqTensors locate(const LayoutMatrix& dense,
                    const std::string& module,
                    FolderTensors& tensors) const {
    AwqTensors matrix;
    matrix.module = module;
    matrix.place = tensors.place();
    matrix.rows = dense.rows;
    matrix.cols = dense.cols;
    GroupIntEncoding& encoding = matrix.encoding;
    encoding.bits = kBits;
    encoding.zero_points = config_.zero_point ? ZeroPoints::kPacked : ZeroPoints::kNone;
    if (config_.group_size > 0) {
      encoding.granularity = Granularity::kGroup;
      encoding.group_size = static_cast<std::size_t>(config_.group_size);
    }
    if (dense.rows % kInWord != 0 || (config_.group_size > 0 && dense.cols % encoding.group_size))
      tensors.fail(module + ".qweight",
                   fmt::format("a weight of 8 n rows and {} n columns", config_.group_size),
                   fmt::format("[{}, {}]", dense.rows, dense.cols));
    matrix.groups = groups_in_row(encoding, dense.cols);
    locate_parts(tensors, matrix);
    return matrix;
  }

  void locate_parts(FolderTensors& tensors, AwqTensors& matrix) const {
    const std::int64_t words = dim(matrix.rows / kInWord), groups = dim(matrix.groups);
    const auto part = [&](std::string_view suffix) {
      return fmt::format("{}.{}", matrix.module, suffix);
    };
    matrix.qweight = tensors.require(part("qweight"), {dim(matrix.cols), words}, {DType::kI32});
    const StoredTensor* qzeros =
        config_.zero_point ? &tensors.require(part("qzeros"), {groups, words}, {DType::kI32})
                           : tensors.find(part("qzeros"), {groups, words}, {DType::kI32});
    if (qzeros != nullptr) matrix.qzeros = *qzeros;
    matrix.scales =
        tensors.require(part("scales"), {groups, dim(matrix.rows)}, {DType::kF16, DType::kBF16});
    matrix.encoding.scale_dtype = matrix.scales.spec.dtype;
  }

  AwqConfig config_;
  bool any_found_ = false, checked_activations_ = false;
};

[[noreturn]] void refuse(const LayoutMatrix& matrix,
                         std::string_view property,
                         std::string_view remedy = {}) {
  fail_inexpressible(kLayoutName, matrix, property, remedy);
}

void check_codes(const LayoutMatrix& matrix, const GroupIntEncoding& encoding) {
  if (encoding.bits != kBits)
    refuse(matrix, fmt::format("{} bits, of which it knows only 4", encoding.bits));
  if (encoding.granularity != Granularity::kGroup)
    refuse(matrix, "one scale for a whole row", "quantize with --group-size 128");
  if (encoding.column_groups)
    refuse(matrix, "its groups are not runs of columns", "quantize without act-order");
  if (encoding.scale_dtype != DType::kF16)
    refuse(matrix,
           fmt::format("its scales are {}", to_string(encoding.scale_dtype)),
           "quantize with --scale-dtype F16");
  if (matrix.rows % kInWord != 0)
    refuse(matrix,
           fmt::format("its {} rows are no multiple of 8", matrix.rows),
           "leave it dense with --skip");
  if (matrix.cols % encoding.group_size != 0)
    refuse(matrix,
           fmt::format("its {} columns are no multiple of the group", matrix.cols),
           "use another --group-size, or leave it dense with --skip");
}

class AwqWriter final : public LayoutWriter {
 public:
  explicit AwqWriter(const std::vector<LayoutMatrix>& matrices) {
    const LayoutMatrix* first = nullptr;
    for (const LayoutMatrix& matrix : matrices) {
      const GroupIntEncoding* encoding = int_encoding_of(matrix, kLayoutName);
      if (encoding == nullptr) {
        if (matrix.kind == ParameterKind::kLinear) dense_.push_back(module_of(matrix.name));
        continue;
      }
      check_codes(matrix, *encoding);
      if (first == nullptr) {
        first = &matrix;
        encoding_ = *encoding;
      }
      if (*encoding != encoding_)
        refuse(matrix,
               fmt::format("it has one group size and one kind of zero points for all, and '{}' is "
                           "{}",
                           first->name,
                           to_string(first->encoding)),
               "quantize all in one way, or use --format gptq");
    }
    PITH_CHECK(first != nullptr);
    add_fused_names(dense_);
  }

  std::vector<TensorSpec> tensors_of(const LayoutMatrix& matrix) const override {
    const std::string module = module_of(matrix.name);
    const std::int64_t words = dim(matrix.rows / kInWord);
    const std::int64_t groups = dim(groups_in_row(encoding_, matrix.cols));
    return {{module + ".qweight", DType::kI32, {dim(matrix.cols), words}},
            {module + ".qzeros", DType::kI32, {groups, words}},
            {module + ".scales", DType::kF16, {groups, dim(matrix.rows)}}};
  }

  std::vector<Buffer> pack(const LayoutMatrix& matrix, const PackedMatrix& weight) const override {
    const std::size_t rows = matrix.rows, groups = groups_in_row(encoding_, matrix.cols);
    std::vector<OwnedBuffer> owned;
    for (const TensorSpec& spec : tensors_of(matrix))
      owned.push_back(allocate_buffer({spec.name, spec.dtype, spec.shape}));
    turn_to_nibble_words(
        {matrix.cols, rows, kNibbleOf}, weight.buffer("codes").bytes, owned[0].writable);
    if (encoding_.zero_points == ZeroPoints::kNone)
      std::ranges::fill(owned[1].writable, std::byte{kMiddle * 17});
    else
      turn_to_nibble_words(
          {groups, rows, kNibbleOf}, weight.buffer("zeros").bytes, owned[1].writable);
    turn_elements(weight.buffer("scales").bytes, rows, groups, 2, owned[2].writable);
    std::vector<Buffer> buffers;
    for (OwnedBuffer& buffer : owned) buffers.push_back(std::move(buffer.buffer));
    return buffers;
  }

  Json quantization_config() const override {
    return {{"quant_method", "awq"},
            {"bits", kBits},
            {"group_size", encoding_.group_size},
            {"zero_point", encoding_.zero_points == ZeroPoints::kPacked},
            {"version", "gemm"},
            {"modules_to_not_convert", dense_.empty() ? Json() : Json(dense_)}};
  }

 private:
  GroupIntEncoding encoding_;
  std::vector<std::string> dense_;  // modules of linears that stay as they are
};

}  // namespace

std::unique_ptr<LayoutReader> make_awq_reader(const JsonCursor& config) {
  return std::make_unique<AwqReader>(config);
}

std::unique_ptr<LayoutWriter> make_awq_writer(const DecoderSpec&,
                                              const std::vector<LayoutMatrix>& matrices) {
  return std::make_unique<AwqWriter>(matrices);
}

}  // namespace pith

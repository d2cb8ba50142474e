#include <cstring>

#include "pith/base/error.h"
#include "pith/codec/bit_pack.h"
#include "pith/formats/layouts/ct_layout.h"
#include "pith/formats/layouts/ct_packing.h"
#include "pith/formats/layouts/scalar_tensor.h"

namespace pith {
namespace {

using Shape = std::vector<std::int64_t>;

std::int64_t extent(std::size_t n) { return static_cast<std::int64_t>(n); }

// The class of the module in transformers; "" for what is no matrix of a product.
std::string_view class_of(const LayoutMatrix& matrix) {
  const bool gpt2_block =
      matrix.name.starts_with("transformer.h.") || matrix.name.starts_with("h.");
  switch (matrix.kind) {
    case ParameterKind::kLinear:
      return gpt2_block ? "Conv1D" : "Linear";
    case ParameterKind::kHead:
      return "Linear";
    case ParameterKind::kEmbedding:
    case ParameterKind::kPosition:
      return "Embedding";
    default:
      return "";
  }
}

Buffer view(BufferSpec spec, const StoredTensor& tensor) {
  return {std::move(spec), tensor.bytes, tensor.file};
}

std::int64_t integer_at(const StoredTensor& tensor, std::size_t index) {
  const std::size_t size = size_of(tensor.spec.dtype);
  std::int64_t value = 0;
  std::memcpy(&value, tensor.bytes.data() + index * size, size);
  const int shift = 64 - static_cast<int>(size) * 8;
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(value) << shift) >> shift;
}

// Reads one matrix.
class MatrixReader {
 public:
  MatrixReader(const CtConfig& config,
               const CtScheme& scheme,
               const LayoutMatrix& matrix,
               FolderTensors& tensors)
      : config_(config),
        scheme_(scheme),
        tensors_(tensors),
        module_(module_of(matrix.name)),
        rows_(matrix.rows),
        cols_(matrix.cols) {}

  StoredMatrix read() {
    StoredMatrix stored = scheme_.weights->is_float ? read_float() : read_integers();
    stored.activation = read_activation();
    return stored;
  }

  ActivationQuantization read_activation() {
    ActivationQuantization activation{scheme_.activation};
    const bool is_int8 = scheme_.activation == ActivationScheme::kStaticInt8Tensor;
    if (!is_int8 && scheme_.activation != ActivationScheme::kStaticFp8Tensor) return activation;
    activation.scale =
        positive_scalar(require_scalar(named("input_scale"), kScaleTypes, tensors_), tensors_);
    if (is_int8) activation.zero_point = activation_zero_point();
    return activation;
  }

 private:
  std::string named(std::string_view part) const { return fmt::format("{}.{}", module_, part); }

  std::int32_t activation_zero_point() {
    if (scheme_.symmetric_activation && !tensors_.has(named("input_zero_point"))) return 0;
    const StoredTensor& tensor = require_scalar(named("input_zero_point"), {DType::kI8}, tensors_);
    const std::int64_t zero = integer_at(tensor, 0);
    if (scheme_.symmetric_activation && zero != 0)
      tensors_.fail(
          tensor.spec.name, "0, since the activations are symmetric", fmt::format("{}", zero));
    return static_cast<std::int32_t>(zero);
  }

  std::size_t groups() const {
    const CtWeights& weights = *scheme_.weights;
    return weights.strategy == CtStrategy::kGroup
               ? (cols_ + weights.group_size - 1) / weights.group_size
               : 1;
  }

  const StoredTensor& scales() {
    const CtWeights& weights = *scheme_.weights;
    const auto blocks = [&](std::size_t n) {
      return extent((n + weights.block - 1) / weights.block);
    };
    switch (weights.strategy) {
      case CtStrategy::kTensor:
        return require_scalar(named("weight_scale"), kScaleTypes, tensors_);
      case CtStrategy::kBlock:
        return tensors_.require(named("weight_scale"), {blocks(rows_), blocks(cols_)}, kScaleTypes);
      default:
        return tensors_.require(
            named("weight_scale"), {extent(rows_), extent(groups())}, kScaleTypes);
    }
  }

  Granularity granularity() const {
    switch (scheme_.weights->strategy) {
      case CtStrategy::kTensor:
        return Granularity::kTensor;
      case CtStrategy::kChannel:
        return Granularity::kRow;
      default:
        return Granularity::kGroup;
    }
  }

  // The file's bytes are Pith's.
  StoredMatrix read_float() {
    const StoredTensor& scale = scales();
    const StoredTensor& codes =
        tensors_.require(named("weight"), {extent(rows_), extent(cols_)}, {DType::kF8E4M3});
    const Float8Encoding encoding{
        DType::kF8E4M3, granularity(), scale.spec.dtype, scheme_.weights->block};
    if (const StoredTensor* zeros = tensors_.find(named("weight_zero_point")))
      check_no_zero_points(*zeros);
    std::vector<BufferSpec> specs = buffer_specs(encoding, rows_, cols_);
    std::vector<Buffer> buffers = {view(std::move(specs[0]), codes),
                                   view(std::move(specs[1]), scale)};
    return {codes.spec.name,
            encoding,
            {},
            [encoding, rows = rows_, cols = cols_, buffers = std::move(buffers)] {
              return PackedMatrix(encoding, rows, cols, buffers);
            }};
  }

  void check_no_zero_points(const StoredTensor& zeros) const {
    for (const std::byte byte : zeros.bytes)
      if (byte != std::byte{0})
        tensors_.fail(zeros.spec.name, "zeros, since the weights are symmetric", "others");
  }

  // What `load` needs of a matrix of integers. The tensors are copies; they share the file.
  struct Integers {
    GroupIntEncoding encoding;
    std::size_t rows = 0, cols = 0;
    bool in_words = false, zeros_in_words = false;
    WordPacking packing = WordPacking::kDense;
    StoredTensor codes{}, scales{};
    std::optional<StoredTensor> zeros{}, group_index{};
    std::string place{};
  };

  StoredMatrix read_integers() {
    const CtWeights& weights = *scheme_.weights;
    Integers parts;
    parts.rows = rows_;
    parts.cols = cols_;
    parts.place = tensors_.place();
    parts.scales = scales();
    parts.in_words = scheme_.format == CtFormat::kPacked;
    parts.zeros_in_words = parts.in_words && weights.strategy != CtStrategy::kTensor;
    parts.encoding = {weights.bits,
                      granularity(),
                      weights.group_size,
                      weights.symmetric ? ZeroPoints::kNone : ZeroPoints::kPacked,
                      parts.scales.spec.dtype,
                      false};
    if (parts.in_words) {
      parts.packing = packing();
      parts.codes = packed_codes(parts.packing);
    } else {
      parts.codes = tensors_.require(named("weight"), {extent(rows_), extent(cols_)}, {DType::kI8});
    }
    read_zero_points(parts);
    read_group_index(parts);
    return {parts.codes.spec.name, parts.encoding, {}, [parts] { return load(parts); }};
  }

  // Words of 3, 5, 6 and 7 bits were packed in two ways, told apart by their number; rows too short
  // for that by the version.
  WordPacking packing() {
    const int bits = scheme_.weights->bits;
    const auto fits = [&](const StoredTensor* tensor, std::size_t axis, std::size_t codes) {
      return [=](WordPacking packing) {
        return tensor != nullptr && tensor->spec.shape.size() == 2 &&
               tensor->spec.shape[axis] == extent(words_of(codes, bits, packing));
      };
    };
    const auto codes_fit = fits(tensors_.find(named("weight_packed")), 1, cols_);
    const auto zeros_fit = fits(tensors_.find(named("weight_zero_point")), 0, rows_);
    for (const auto& fit : {codes_fit, zeros_fit}) {
      const bool dense = fit(WordPacking::kDense), gapped = fit(WordPacking::kGapped);
      if (dense != gapped) return dense ? WordPacking::kDense : WordPacking::kGapped;
    }
    return config_.dense_words ? WordPacking::kDense : WordPacking::kGapped;
  }

  const StoredTensor& packed_codes(WordPacking packing) {
    const StoredTensor& shape =
        tensors_.require(named("weight_shape"), {2}, {DType::kI64, DType::kI32});
    const std::int64_t rows = integer_at(shape, 0), cols = integer_at(shape, 1);
    if (rows != extent(rows_) || cols != extent(cols_))
      tensors_.fail(shape.spec.name,
                    fmt::format("the shape of the weight, [{}, {}]", rows_, cols_),
                    fmt::format("[{}, {}]", rows, cols));
    const std::size_t width = words_of(cols_, scheme_.weights->bits, packing);
    return tensors_.require(named("weight_packed"), {extent(rows_), extent(width)}, {DType::kI32});
  }

  void read_zero_points(Integers& parts) {
    const std::string name = named("weight_zero_point");
    if (scheme_.weights->symmetric && !tensors_.has(name)) return;
    const StoredTensor* tensor = tensors_.find(name);
    if (scheme_.weights->symmetric && tensor->spec.dtype != DType::kI32)
      return check_no_zero_points(*tensor);
    if (parts.zeros_in_words) {
      const std::size_t height = words_of(rows_, scheme_.weights->bits, parts.packing);
      parts.zeros = tensors_.require(name, {extent(height), extent(groups())}, {DType::kI32});
    } else {
      parts.zeros = tensors_.require(name, parts.scales.spec.shape, {DType::kI8});
    }
  }

  // Writers of old leave it out, or full of -1, where columns are in order.
  void read_group_index(Integers& parts) {
    const std::string name = named("weight_g_idx");
    if (!scheme_.weights->column_groups && !tensors_.has(name)) return;
    const StoredTensor& tensor = tensors_.require(name, {extent(cols_)}, {DType::kI32});
    if (integer_at(tensor, 0) == -1) return;
    if (scheme_.weights->strategy != CtStrategy::kGroup)
      tensors_.fail(name, "none, since the strategy is not group", "one");
    parts.group_index = tensor;
    parts.encoding.column_groups = true;
  }

  static Buffer load_codes(const Integers& parts, BufferSpec spec) {
    const CodeShape shape{parts.rows, parts.cols, parts.encoding.bits};
    const bool whole_words = parts.cols * static_cast<std::size_t>(shape.bits) % 32 == 0;
    if (parts.in_words && parts.packing == WordPacking::kDense && whole_words)
      return view(std::move(spec), parts.codes);  // then words are Pith's bit stream
    OwnedBuffer owned = allocate_buffer(std::move(spec));
    if (parts.in_words)
      codes_from_words(parts.codes.bytes, shape, parts.packing, owned.writable);
    else
      codes_from_signed(parts.codes.bytes, shape, place_of(parts, parts.codes), owned.writable);
    return std::move(owned.buffer);
  }

  static std::string place_of(const Integers& parts, const StoredTensor& tensor) {
    return fmt::format("{}: tensor '{}'", parts.place, tensor.spec.name);
  }

  static Buffer load_zeros(const Integers& parts, BufferSpec spec) {
    const bool by_tensor = parts.encoding.granularity == Granularity::kTensor;
    const CodeShape shape{
        by_tensor ? 1 : parts.rows, groups_in_row(parts.encoding, parts.cols), parts.encoding.bits};
    OwnedBuffer owned = allocate_buffer(std::move(spec));
    if (parts.zeros_in_words)
      codes_from_tall_words(parts.zeros->bytes, shape, parts.packing, owned.writable);
    else
      codes_from_signed(parts.zeros->bytes, shape, place_of(parts, *parts.zeros), owned.writable);
    return std::move(owned.buffer);
  }

  // Symmetric matrices may have them all the same, each the middle of the range.
  static void check_stored_middle(const Integers& parts) {
    GroupIntEncoding affine = parts.encoding;
    affine.zero_points = ZeroPoints::kPacked;
    const Buffer zeros = load_zeros(parts, buffer_specs(affine, parts.rows, parts.cols)[2]);
    const std::size_t groups = groups_in_row(affine, parts.cols);
    const std::size_t row_bytes = packed_bytes(groups, affine.bits);
    std::vector<std::uint8_t> plain(groups);
    for (std::size_t at = 0; at < zeros.bytes.size(); at += row_bytes) {
      unpack_bits(zeros.bytes.subspan(at, row_bytes), affine.bits, plain);
      for (const std::uint8_t zero : plain)
        if (zero != 1 << (affine.bits - 1))
          throw FormatError(ErrorParts{place_of(parts, *parts.zeros),
                                       "zeros, since the weights are symmetric",
                                       "others",
                                       ""});
    }
  }

  static PackedMatrix load(const Integers& parts) {
    const bool affine = parts.encoding.zero_points == ZeroPoints::kPacked;
    if (parts.zeros && !affine) check_stored_middle(parts);
    std::vector<Buffer> buffers;
    for (BufferSpec& spec : buffer_specs(parts.encoding, parts.rows, parts.cols)) {
      if (spec.part == "codes")
        buffers.push_back(load_codes(parts, std::move(spec)));
      else if (spec.part == "scales")
        buffers.push_back(view(std::move(spec), parts.scales));
      else if (spec.part == "zeros")
        buffers.push_back(load_zeros(parts, std::move(spec)));
      else
        buffers.push_back(view(std::move(spec), *parts.group_index));
    }
    return PackedMatrix(parts.encoding, parts.rows, parts.cols, std::move(buffers));
  }

  const CtConfig& config_;
  const CtScheme& scheme_;
  FolderTensors& tensors_;
  std::string module_;
  std::size_t rows_, cols_;
};

class CtReader final : public LayoutReader {
 public:
  explicit CtReader(const JsonCursor& config)
      : config_(ct_config_from_json(config)), matched_(config_.targets.size(), false) {}

  std::optional<StoredMatrix> find(const LayoutMatrix& dense, FolderTensors& tensors) override {
    const std::string_view module_class = class_of(dense);
    if (module_class.empty()) return std::nullopt;
    const auto target = ct_target_of(config_, module_of(dense.name), module_class, time_, matched_);
    if (!target || module_class == "Conv1D") return std::nullopt;  // their library skips Conv1D
    const CtScheme& scheme = config_.groups[config_.targets[*target].group];
    MatrixReader reader(config_, scheme, dense, tensors);
    if (scheme.weights) return reader.read();
    if (scheme.activation == ActivationScheme::kNone || module_class != "Linear")
      return std::nullopt;
    const StoredTensor* tensor = tensors.find(dense.name);
    if (tensor == nullptr) return std::nullopt;  // its absence is the caller's to tell
    return StoredMatrix{
        dense.name, DenseEncoding{tensor->spec.dtype}, reader.read_activation(), {}};
  }

  // Names that are not there, and groups of which nothing is.
  void check_all_found(const std::string& place) const override {
    std::vector<bool> used(config_.groups.size(), false);
    for (std::size_t i = 0; i < config_.targets.size(); ++i)
      if (matched_[i]) used[config_.targets[i].group] = true;
    for (std::size_t i = 0; i < config_.targets.size(); ++i) {
      const CtConfig::Target& target = config_.targets[i];
      const bool is_name = target.text.find('.') != std::string::npos && !target.pattern;
      if (matched_[i] || (used[target.group] && !is_name)) continue;
      throw FormatError(ErrorParts{
          fmt::format(
              "{}: quantization_config: group '{}'", place, config_.group_names[target.group]),
          "targets that are modules of the model",
          fmt::format("'{}', which matches none", target.text),
          ""});
    }
  }

 private:
  CtConfig config_;
  MatchTime time_;
  std::vector<bool> matched_;
};

}  // namespace

std::unique_ptr<LayoutReader> make_ct_reader(const JsonCursor& config) {
  return std::make_unique<CtReader>(config);
}

}  // namespace pith

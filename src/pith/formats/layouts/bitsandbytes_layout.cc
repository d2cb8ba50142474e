#include "pith/formats/layouts/bitsandbytes_layout.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "pith/base/error.h"
#include "pith/codec/float_convert.h"
#include "pith/codec/quantize.h"
#include "pith/formats/shape_text.h"

namespace pith {
namespace {

using namespace bitsandbytes;

constexpr std::size_t kMaxStateBytes = 4096;  // bitsandbytes writes about 200
constexpr double kDefaultThreshold = 6.0;
constexpr double kMaxF32 = std::numeric_limits<float>::max();

std::string part_of(std::string_view name, std::string_view part) {
  return fmt::format("{}{}", name, part);
}

// What the JSON of a 4-bit weight says.
struct QuantState {
  CodebookEncoding encoding;  // double_quantized: as stored
  std::size_t nested_block = kNestedBlock;
  float nested_offset = 0;
};

// The one quant_state tensor of a weight.
struct StateTensor {
  CodebookTable table;
  const StoredTensor* tensor;
};

StateTensor find_state(const std::string& weight, FolderTensors& tensors) {
  std::vector<StateTensor> found;
  for (const auto& row : enum_table(CodebookTable{}))
    if (const auto* tensor = tensors.find(fmt::format("{}{}{}", weight, kStatePrefix, row.name)))
      found.push_back({row.value, tensor});
  if (found.size() == 1) return found.front();
  tensors.fail(fmt::format("{}{}nf4", weight, kStatePrefix),
               "one description of the 4-bit blocks, of nf4 or of fp4",
               found.empty() ? "none" : "both");
}

void check_shape(const JsonCursor& json, const LayoutMatrix& dense) {
  const JsonCursor shape = json.at("shape");
  std::vector<std::int64_t> numbers;
  for (const JsonCursor& item : shape.items())
    numbers.push_back(item.integer(0, std::int64_t{1} << 40));
  const std::vector<std::int64_t> expected = {static_cast<std::int64_t>(dense.rows),
                                              static_cast<std::int64_t>(dense.cols)};
  if (numbers != expected) shape.fail(shape_text(expected), shape_text(numbers));
}

std::size_t block_at(const JsonCursor& json, std::string_view key) {
  const JsonCursor value = json.at(key);
  const auto block = static_cast<std::size_t>(value.integer(32, 4096));
  if (!std::has_single_bit(block)) value.fail("a power of two from 32 to 4096");
  return block;
}

QuantState read_state(const LayoutMatrix& dense, FolderTensors& tensors) {
  const StateTensor found = find_state(dense.name, tensors);
  const TensorSpec& spec = found.tensor->spec;
  const std::span<const std::byte> bytes = found.tensor->bytes;
  if (spec.dtype != DType::kU8 || bytes.size() > kMaxStateBytes)
    tensors.fail(spec.name,
                 fmt::format("JSON text as U8, at most {} bytes", kMaxStateBytes),
                 fmt::format("{} {}", to_string(spec.dtype), shape_text(spec.shape)));
  const std::string place = fmt::format("{}: tensor '{}'", tensors.place(), spec.name);
  const Json document =
      parse_json({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, place);
  const JsonCursor json(document, place);
  const JsonCursor type = json.at("quant_type");
  if (type.string() != to_string(found.table)) type.fail(to_string(found.table));
  check_shape(json, dense);
  QuantState state;
  state.encoding = {found.table, block_at(json, "blocksize"), json.has("nested_blocksize")};
  if (!state.encoding.double_quantized) return state;
  state.nested_block = block_at(json, "nested_blocksize");
  const std::string nested_dtype = json.string_or("nested_dtype", "float32");
  if (nested_dtype != "float32") json.at("nested_dtype").fail("float32");
  const JsonCursor offset = json.at("nested_offset");
  if (std::abs(offset.number()) > kMaxF32) offset.fail("a number within the range of f32");
  state.nested_offset = static_cast<float>(offset.number());
  return state;
}

Buffer view(std::string_view part, const StoredTensor& tensor) {
  return {BufferSpec{std::string(part), tensor.spec.dtype, tensor.spec.shape},
          tensor.bytes,
          tensor.file};
}

// The codes, whatever type `bnb_4bit_quant_storage` made of their bytes.
Buffer find_codes(const LayoutMatrix& dense, FolderTensors& tensors) {
  const StoredTensor* tensor = tensors.find(dense.name);
  const std::size_t code_bytes = (dense.rows * dense.cols + 1) / 2;
  std::size_t width = 1;
  if (tensor != nullptr && is_float(tensor->spec.dtype)) width = size_of(tensor->spec.dtype);
  const auto length = static_cast<std::int64_t>((code_bytes + width - 1) / width);
  const StoredTensor& found = tensors.require(
      dense.name,
      {length, 1},
      {DType::kU8, DType::kI8, DType::kF16, DType::kBF16, DType::kF32, DType::kF64});
  if (found.bytes.size() != code_bytes)
    tensors.fail(dense.name,
                 fmt::format("{} bytes of 4-bit codes", code_bytes),
                 fmt::format("{}", found.bytes.size()),
                 "this storage type does not divide them");
  return {BufferSpec{"codes", DType::kU8, {static_cast<std::int64_t>(code_bytes)}},
          found.bytes,
          found.file};
}

bool same_bits(std::span<const std::byte> bytes, std::span<const float> values) {
  return bytes.size() == values.size_bytes() &&
         std::memcmp(bytes.data(), values.data(), bytes.size()) == 0;
}

Buffer owned_floats(BufferSpec spec, std::span<const float> values) {
  OwnedBuffer owned = allocate_buffer(std::move(spec));
  PITH_CHECK(owned.writable.size() == values.size_bytes());
  std::memcpy(owned.writable.data(), values.data(), values.size_bytes());
  return owned.buffer;
}

std::vector<float> floats_of(const Buffer& buffer) {
  std::vector<float> values(buffer.bytes.size() / sizeof(float));
  to_f32(DType::kF32, buffer.bytes, values);
  return values;
}

// Second-level statistics as stored.
struct Nested {
  Buffer codes, map, scales;
  std::size_t block = 0;
  float offset = 0;
};

// The absmax values that they stand for, in the order in which bitsandbytes computes them.
Buffer decode_absmax(const Nested& nested) {
  const std::vector<float> map = floats_of(nested.map), scales = floats_of(nested.scales);
  std::vector<float> absmax(nested.codes.bytes.size());
  for (std::size_t i = 0; i < absmax.size(); ++i) {
    const auto code = std::to_integer<std::size_t>(nested.codes.bytes[i]);
    absmax[i] = map[code] * scales[i / nested.block] + nested.offset;
  }
  return owned_floats({"absmax", DType::kF32, nested.codes.spec.shape}, absmax);
}

Nested find_nested(const LayoutMatrix& dense, const QuantState& state, FolderTensors& tensors) {
  const std::size_t block = state.encoding.block_size;
  const std::size_t blocks = (dense.rows * dense.cols + block - 1) / block;
  const std::size_t scales = (blocks + state.nested_block - 1) / state.nested_block;
  const auto part = [&](std::string_view name, std::size_t size, DType dtype, auto as) {
    return view(
        as, tensors.require(part_of(dense.name, name), {static_cast<std::int64_t>(size)}, {dtype}));
  };
  return {part(kAbsmax, blocks, DType::kU8, "absmax"),
          part(kNestedMap, dynamic_map().size(), DType::kF32, "map"),
          part(kNestedAbsmax, scales, DType::kF32, "absmax_scales"),
          state.nested_block,
          state.nested_offset};
}

StoredMatrix find_4bit(const LayoutMatrix& dense, FolderTensors& tensors) {
  const QuantState state = read_state(dense, tensors);
  CodebookEncoding encoding = state.encoding;
  const Buffer codes = find_codes(dense, tensors);
  const std::span<const float> levels = codebook_levels(encoding.table);
  const std::string map_name = part_of(dense.name, kQuantMap);
  if (!same_bits(tensors.require(map_name, {16}, {DType::kF32}).bytes, levels))
    tensors.fail(map_name,
                 fmt::format("the levels of {}", to_string(encoding.table)),
                 "others",
                 "Pith reads the tables of bitsandbytes and no table made to measure");
  StoredMatrix stored{dense.name, encoding, {}, {}};
  if (!encoding.double_quantized) {
    const auto blocks = buffer_specs(encoding, dense.rows, dense.cols).back().shape;
    const Buffer absmax =
        view("absmax", tensors.require(part_of(dense.name, kAbsmax), blocks, {DType::kF32}));
    stored.load = [=, rows = dense.rows, cols = dense.cols] {
      return PackedMatrix(encoding, rows, cols, {codes, absmax});
    };
    return stored;
  }
  const Nested nested = find_nested(dense, state, tensors);
  encoding.double_quantized =
      nested.block == kNestedBlock && same_bits(nested.map.bytes, dynamic_map());
  stored.encoding = encoding;
  stored.load = [=, rows = dense.rows, cols = dense.cols] {
    if (!encoding.double_quantized)
      return PackedMatrix(encoding, rows, cols, {codes, decode_absmax(nested)});
    const Buffer mean = owned_floats({"absmax_mean", DType::kF32, {1}}, {&nested.offset, 1});
    return PackedMatrix(encoding, rows, cols, {codes, nested.codes, nested.scales, mean});
  };
  return stored;
}

// Signed codes as the codec keeps them: plus 128.
Buffer unsigned_codes(const StoredTensor& weight) {
  OwnedBuffer owned = allocate_buffer({"codes", DType::kU8, weight.spec.shape});
  std::ranges::transform(
      weight.bytes, owned.writable.begin(), [](std::byte code) { return code ^ std::byte{0x80}; });
  return owned.buffer;
}

Buffer row_scales(const StoredTensor& maxima, const std::string& place) {
  std::vector<float> scales(maxima.bytes.size() / sizeof(float));
  to_f32(DType::kF32, maxima.bytes, scales);
  for (std::size_t row = 0; row < scales.size(); ++row) {
    if (!std::isfinite(scales[row]))
      throw FormatError(ErrorParts{fmt::format("{}: tensor '{}'", place, maxima.spec.name),
                                   "finite row maxima",
                                   fmt::format("{} in row {}", scales[row], row),
                                   ""});
    scales[row] /= 127.0f;
  }
  return owned_floats({"scales", DType::kF32, {static_cast<std::int64_t>(scales.size()), 1}},
                      scales);
}

StoredMatrix find_8bit(const LayoutMatrix& dense,
                       const ActivationQuantization& activation,
                       FolderTensors& tensors) {
  const std::string module = module_of(dense.name);
  const auto rows = static_cast<std::int64_t>(dense.rows);
  const auto cols = static_cast<std::int64_t>(dense.cols);
  const StoredTensor weight = tensors.require(dense.name, {rows, cols}, {DType::kI8});
  const StoredTensor maxima = tensors.require(part_of(module, kRowMaxima), {rows}, {DType::kF32});
  const std::string format_name = part_of(module, kWeightFormat);
  const StoredTensor* format = tensors.find(format_name, {}, {DType::kU8});
  if (format != nullptr && format->bytes[0] != std::byte{0})
    tensors.fail(format_name,
                 "0 (rows as they are)",
                 fmt::format("{}", std::to_integer<int>(format->bytes[0])),
                 "save the model again with bitsandbytes 0.43 or newer");
  const GroupIntEncoding encoding{8, Granularity::kRow, 0, ZeroPoints::kNone, DType::kF32};
  return {dense.name, encoding, activation, [=, place = tensors.place()] {
            return PackedMatrix(encoding,
                                static_cast<std::size_t>(rows),
                                static_cast<std::size_t>(cols),
                                {unsigned_codes(weight), row_scales(maxima, place)});
          }};
}

ActivationQuantization activation_of(const JsonCursor& config) {
  const double threshold = config.number_or("llm_int8_threshold", kDefaultThreshold);
  if (!(threshold >= 0 && threshold <= kMaxF32))
    config.at("llm_int8_threshold").fail("a number from 0 up");
  ActivationQuantization activation;
  activation.threshold = static_cast<float>(threshold);
  // Without a threshold bitsandbytes keeps no column apart.
  activation.scheme =
      activation.threshold > 0 ? ActivationScheme::kLlmInt8 : ActivationScheme::kDynamicInt8Token;
  return activation;
}

class BitsandbytesReader final : public LayoutReader {
 public:
  explicit BitsandbytesReader(const JsonCursor& config) {
    const bool four = config.boolean_or("load_in_4bit", false);
    four_bits_ = four;
    if (four == config.boolean_or("load_in_8bit", false))
      config.fail("one of load_in_4bit and load_in_8bit to be true", four ? "both" : "neither");
    if (config.boolean_or("llm_int8_has_fp16_weight", false))
      config.at("llm_int8_has_fp16_weight")
          .fail("false", "true", "give the folder of the unquantized model");
    activation_ = activation_of(config);
  }

  std::optional<StoredMatrix> find(const LayoutMatrix& dense, FolderTensors& tensors) override {
    if (dense.kind != ParameterKind::kLinear && dense.kind != ParameterKind::kHead)
      return std::nullopt;
    const StoredTensor* weight = tensors.reader().find(dense.name);
    const auto is = [&](DType dtype) { return weight != nullptr && weight->spec.dtype == dtype; };
    const bool four = is(DType::kU8) || has_blocks(dense.name, tensors);
    const bool eight = is(DType::kI8) || tensors.has(part_of(module_of(dense.name), kRowMaxima));
    if (four_bits_ ? four : eight)
      return four_bits_ ? find_4bit(dense, tensors) : find_8bit(dense, activation_, tensors);
    if (four || eight)
      tensors.fail(dense.name,
                   four_bits_ ? "4-bit blocks, since quantization_config says load_in_4bit"
                              : "int8 rows, since quantization_config says load_in_8bit",
                   four ? "4-bit blocks" : "int8 rows");
    return std::nullopt;
  }

 private:
  static bool has_blocks(const std::string& weight, const FolderTensors& tensors) {
    for (const auto& row : enum_table(CodebookTable{}))
      if (tensors.has(fmt::format("{}{}{}", weight, kStatePrefix, row.name))) return true;
    return tensors.has(part_of(weight, kAbsmax)) || tensors.has(part_of(weight, kQuantMap));
  }

  bool four_bits_ = true;
  ActivationQuantization activation_;
};

}  // namespace

std::unique_ptr<LayoutReader> make_bitsandbytes_reader(const JsonCursor& config) {
  return std::make_unique<BitsandbytesReader>(config);
}

}  // namespace pith

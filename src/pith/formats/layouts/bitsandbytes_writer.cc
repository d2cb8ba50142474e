#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "pith/base/error.h"
#include "pith/codec/float_convert.h"
#include "pith/codec/quantize.h"
#include "pith/formats/layouts/bitsandbytes_layout.h"

namespace pith {
namespace {

using namespace bitsandbytes;

constexpr std::string_view kLayout = "bitsandbytes";
constexpr std::size_t kNumberRoom = 24;  // the longest double in JSON, "-1.1754943508222875e-38"

[[noreturn]] void refuse(const LayoutMatrix& matrix,
                         std::string_view property,
                         std::string_view remedy) {
  fail_inexpressible(kLayout, matrix, property, remedy);
}

bool is_plain(const ActivationQuantization& activation) {
  return activation.scheme == ActivationScheme::kNone;
}

void check(const LayoutMatrix& matrix, const CodebookEncoding&) {
  if (!is_plain(matrix.activation))
    refuse(matrix,
           fmt::format("its activations are {}, those of 4-bit weights stay floats",
                       to_string(matrix.activation)),
           "use the format pith");
}

void check(const LayoutMatrix& matrix, const GroupIntEncoding& rows) {
  if (rows != GroupIntEncoding{8, Granularity::kRow, 0, ZeroPoints::kNone, DType::kF32})
    refuse(matrix,
           "its integers are symmetric 8-bit rows with f32 scales",
           "use the method nf4 or dynamic-int8, or another format");
  const ActivationScheme scheme = matrix.activation.scheme;
  if (scheme != ActivationScheme::kDynamicInt8Token && scheme != ActivationScheme::kLlmInt8)
    refuse(matrix,
           fmt::format("it always meets 8-bit weights with int8 activations a token, here they "
                       "are {}",
                       is_plain(matrix.activation) ? "floats" : to_string(matrix.activation)),
           "use the method dynamic-int8, or another format");
}

void check(const LayoutMatrix& matrix, const DenseEncoding&) {
  if (!is_plain(matrix.activation))
    refuse(matrix,
           fmt::format("its activations are {}, those of unquantized weights stay floats",
                       to_string(matrix.activation)),
           "use the format pith");
}

template <class Other>
void check(const LayoutMatrix& matrix, const Other&) {
  refuse(matrix,
         "it holds nf4, fp4 and int8 rows only",
         "use the method nf4 or dynamic-int8, or another format");
}

// config.json says these once for all matrices.
void check_same(const LayoutMatrix& matrix, const LayoutMatrix& first) {
  const auto* blocks = std::get_if<CodebookEncoding>(&matrix.encoding);
  const auto* first_blocks = std::get_if<CodebookEncoding>(&first.encoding);
  const bool same = blocks != nullptr && first_blocks != nullptr
                        ? blocks->table == first_blocks->table &&
                              blocks->double_quantized == first_blocks->double_quantized
                        : blocks == first_blocks && matrix.activation == first.activation;
  if (!same)
    refuse(
        matrix,
        fmt::format("one kind of weights and activations serves the whole model, and '{}' is {}, "
                    "activations {}",
                    first.name,
                    to_string(first.encoding),
                    to_string(first.activation)),
        "quantize all linears alike or use the format pith");
}

// The type of most unquantized numbers: what the model computes in.
std::string_view main_dtype(const std::vector<LayoutMatrix>& matrices) {
  constexpr DType kTypes[] = {DType::kF32, DType::kBF16, DType::kF16};
  constexpr std::string_view kNames[] = {"float32", "bfloat16", "float16"};
  std::size_t numbers[3] = {};
  for (const LayoutMatrix& matrix : matrices)
    if (const auto* dense = std::get_if<DenseEncoding>(&matrix.encoding))
      numbers[std::ranges::find(kTypes, dense->dtype) - kTypes] += matrix.rows * matrix.cols;
  return kNames[std::ranges::max_element(numbers) - numbers];
}

// JSON of a 4-bit weight, with blanks up to a length that does not depend on the offset: sizes are
// declared before any weight is read.
std::string state_text(const LayoutMatrix& matrix,
                       const CodebookEncoding& blocks,
                       std::string_view dtype,
                       float offset) {
  const auto text = [&](double nested_offset) {
    Json json = {{"quant_type", std::string(to_string(blocks.table))},
                 {"blocksize", blocks.block_size},
                 {"dtype", std::string(dtype)},
                 {"shape", {matrix.rows, matrix.cols}}};
    if (blocks.double_quantized) {
      json["nested_blocksize"] = kNestedBlock;
      json["nested_dtype"] = "float32";
      json["nested_offset"] = nested_offset;
    }
    return json.dump();
  };
  std::string padded = text(static_cast<double>(offset));
  if (blocks.double_quantized) padded.resize(text(0.0).size() + kNumberRoom, ' ');
  return padded;
}

Buffer owned_bytes(std::string_view part, std::span<const std::byte> bytes) {
  OwnedBuffer owned =
      allocate_buffer({std::string(part), DType::kU8, {static_cast<std::int64_t>(bytes.size())}});
  std::ranges::copy(bytes, owned.writable.begin());
  return owned.buffer;
}

float first_float(const Buffer& buffer) {
  float value = 0;
  to_f32(DType::kF32, buffer.bytes.first(sizeof value), {&value, 1});
  return value;
}

class BitsandbytesWriter final : public LayoutWriter {
 public:
  explicit BitsandbytesWriter(const std::vector<LayoutMatrix>& matrices)
      : dtype_(main_dtype(matrices)) {
    bool head_is_dense = true;
    for (const LayoutMatrix& matrix : matrices) {
      const bool linear = matrix.kind == ParameterKind::kLinear;
      if (!is_dense(matrix.encoding) && !linear && matrix.kind != ParameterKind::kHead)
        refuse(matrix, "it compresses linears and the head only", "keep it f16, bf16 or f32");
      std::visit([&](const auto& encoding) { check(matrix, encoding); }, matrix.encoding);
      if (is_dense(matrix.encoding)) {
        if (linear) skipped_.push_back(module_of(matrix.name));
        continue;
      }
      head_is_dense &= linear;
      if (!first_) first_ = matrix;
      check_same(matrix, *first_);
    }
    if (head_is_dense) skipped_.emplace_back("lm_head");  // a tied one too
  }

  std::vector<TensorSpec> tensors_of(const LayoutMatrix& matrix) const override {
    const auto rows = static_cast<std::int64_t>(matrix.rows);
    const auto cols = static_cast<std::int64_t>(matrix.cols);
    const auto* blocks = std::get_if<CodebookEncoding>(&matrix.encoding);
    if (blocks == nullptr) {
      const std::string module = module_of(matrix.name);
      return {{matrix.name, DType::kI8, {rows, cols}},
              {fmt::format("{}{}", module, kRowMaxima), DType::kF32, {rows}},
              {fmt::format("{}{}", module, kWeightFormat), DType::kU8, {}}};
    }
    const std::vector<BufferSpec> specs = buffer_specs(*blocks, matrix.rows, matrix.cols);
    const auto part = [&](std::string_view name) { return fmt::format("{}{}", matrix.name, name); };
    std::vector<TensorSpec> tensors = {
        {matrix.name, DType::kU8, {specs[0].shape[0], 1}},
        {part(kAbsmax), specs[1].dtype, specs[1].shape},
        {part(kQuantMap), DType::kF32, {16}},
        {part(kStatePrefix) + std::string(to_string(blocks->table)),
         DType::kU8,
         {static_cast<std::int64_t>(state_text(matrix, *blocks, dtype_, 0).size())}}};
    if (!blocks->double_quantized) return tensors;
    tensors.push_back({part(kNestedAbsmax), DType::kF32, specs[2].shape});
    tensors.push_back({part(kNestedMap), DType::kF32, {256}});
    return tensors;
  }

  std::vector<Buffer> pack(const LayoutMatrix& matrix, const PackedMatrix& weight) const override {
    const auto* blocks = std::get_if<CodebookEncoding>(&matrix.encoding);
    if (blocks == nullptr) return pack_rows(matrix, weight);
    const bool nested = blocks->double_quantized;
    const float offset = nested ? first_float(weight.buffer("absmax_mean")) : 0;
    const std::string state = state_text(matrix, *blocks, dtype_, offset);
    std::vector<Buffer> packed = {
        weight.buffer("codes"),
        weight.buffer("absmax"),
        owned_bytes(kQuantMap, std::as_bytes(codebook_levels(blocks->table))),
        owned_bytes(kStatePrefix, std::as_bytes(std::span(state)))};
    if (!nested) return packed;
    packed.push_back(weight.buffer("absmax_scales"));
    packed.push_back(owned_bytes(kNestedMap, std::as_bytes(dynamic_map())));
    return packed;
  }

  Json quantization_config() const override {
    const auto* blocks = std::get_if<CodebookEncoding>(&first_->encoding);
    const bool four = blocks != nullptr;
    // llm_int8_threshold must have a decimal point for transformers: a double always has.
    const double threshold = four ? 6.0 : static_cast<double>(first_->activation.threshold);
    return {{"quant_method", std::string(kLayout)},
            {"load_in_4bit", four},
            {"load_in_8bit", !four},
            {"_load_in_4bit", four},
            {"_load_in_8bit", !four},
            {"bnb_4bit_quant_type", std::string(four ? to_string(blocks->table) : "fp4")},
            {"bnb_4bit_use_double_quant", four && blocks->double_quantized},
            {"bnb_4bit_compute_dtype", std::string(dtype_)},
            {"bnb_4bit_quant_storage", "uint8"},
            {"llm_int8_skip_modules", skipped_},
            {"llm_int8_threshold", threshold},
            {"llm_int8_enable_fp32_cpu_offload", false},
            {"llm_int8_has_fp16_weight", false}};
  }

 private:
  static std::vector<Buffer> pack_rows(const LayoutMatrix& matrix, const PackedMatrix& weight) {
    OwnedBuffer codes = allocate_buffer(
        {"weight",
         DType::kI8,
         {static_cast<std::int64_t>(matrix.rows), static_cast<std::int64_t>(matrix.cols)}});
    std::ranges::transform(weight.buffer("codes").bytes,
                           codes.writable.begin(),
                           [](std::byte code) { return code ^ std::byte{0x80}; });
    std::vector<float> maxima(matrix.rows);
    to_f32(DType::kF32, weight.buffer("scales").bytes, maxima);
    for (std::size_t row = 0; row < maxima.size(); ++row) {
      const std::optional<float> maximum = row_maximum_of(maxima[row]);
      if (!maximum)
        refuse(
            matrix,
            fmt::format("row {} has scale {}, which no f32 divided by 127 gives", row, maxima[row]),
            "use the method dynamic-int8 without a search for scales, or another format");
      maxima[row] = *maximum;
    }
    constexpr std::byte kRowMajor{0};
    return {codes.buffer,
            owned_bytes(kRowMaxima, std::as_bytes(std::span(maxima))),
            owned_bytes(kWeightFormat, {&kRowMajor, 1})};
  }

  std::string_view dtype_;
  std::optional<LayoutMatrix> first_;  // of the compressed ones
  std::vector<std::string> skipped_;
};

}  // namespace

std::optional<float> row_maximum_of(float scale) {
  const float guess = scale * 127.0f;
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const float maximum :
       {guess, std::nextafter(guess, kInfinity), std::nextafter(guess, -kInfinity)})
    if (std::isfinite(maximum) && maximum / 127.0f == scale) return maximum;
  return std::nullopt;
}

std::unique_ptr<LayoutWriter> make_bitsandbytes_writer(const DecoderSpec&,
                                                       const std::vector<LayoutMatrix>& matrices) {
  return std::make_unique<BitsandbytesWriter>(matrices);
}

}  // namespace pith

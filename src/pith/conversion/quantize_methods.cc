#include "pith/conversion/quantize_methods.h"

#include <algorithm>
#include <charconv>

#include "pith/base/error.h"
#include "pith/conversion/method_planner.h"

namespace pith {
namespace {

// Methods of later versions, so that their names are not taken for misspellings.
constexpr std::string_view kLaterMethods[] = {
    "static-int8", "smoothquant", "llm-int8", "gptq", "awq", "signround", "gobo", "hqq"};
constexpr std::size_t kMaxGroupColumns = std::size_t{1} << 30;

GroupSize group_size_or(const QuantizeOptions& options, GroupSize otherwise) {
  return options.group_size ? parse_group_size(*options.group_size, "option 'group-size'")
                            : otherwise;
}

int bits_or(const QuantizeOptions& options, int otherwise) {
  const int bits = options.bits.value_or(otherwise);
  require(bits >= 1 && bits <= 8, "option 'bits': expected 1 to 8, found {}", bits);
  return bits;
}

DType scale_dtype_or(const QuantizeOptions& options, DType otherwise) {
  const DType dtype = options.scale_dtype.value_or(otherwise);
  require(dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBF16,
          "option 'scale-dtype': expected F32, F16 or BF16, found {}",
          to_string(dtype));
  return dtype;
}

// The same coding for every block linear.
Planner plan_linears(const QuantizeOptions& options,
                     const DecoderSpec& spec,
                     const ParameterPlan& plan) {
  return plan_with(options, coded_names(options, spec, is_block_linear), [plan](const Parameter&) {
    return plan;
  });
}

struct IntegerFields {
  int bits = 8;
  GroupSize group;
  ZeroPoints zero_points = ZeroPoints::kNone;
  DType scale_dtype = DType::kF32;
};

ParameterPlan integer_plan(const QuantizeOptions& options, const IntegerFields& fields) {
  const bool symmetric = fields.zero_points == ZeroPoints::kNone;
  require(!symmetric || fields.bits >= 2,
          "method '{}': symmetric codes need at least 2 bits, found 1; use affine ones",
          options.method);
  require(symmetric || !options.range,
          "option 'range' is for symmetric units, but those of method '{}' at {} bits have zero "
          "points; add 'symmetric' or leave "
          "out 'range'",
          options.method,
          fields.bits);
  const bool grouped = fields.group.granularity == Granularity::kGroup;
  const GroupIntEncoding encoding{.bits = fields.bits,
                                  .granularity = fields.group.granularity,
                                  .group_size = grouped ? fields.group.columns : 0,
                                  .zero_points = fields.zero_points,
                                  .scale_dtype = scale_dtype_or(options, fields.scale_dtype)};
  RoundOptions round;
  round.symmetric_range = options.range.value_or(SymmetricRange::kAbsmax);
  round.search_range = options.search_range;
  return {.encoding = encoding, .round = round};
}

DType usual_scale_dtype(const GroupSize& group) {
  return group.granularity == Granularity::kGroup ? DType::kF16 : DType::kF32;
}

Planner plan_float(const QuantizeOptions& options, const DecoderSpec& spec, DType dtype) {
  constexpr std::string_view kOptions[] = {"embedding"};
  require_options(options, kOptions);
  return plan_with(
      options, coded_names(options, spec, is_any_parameter), [dtype](const Parameter&) {
        return ParameterPlan{.encoding = DenseEncoding{dtype}, .round = {}};
      });
}

Planner plan_bf16(const QuantizeOptions& options, const DecoderSpec& spec) {
  return plan_float(options, spec, DType::kBF16);
}
Planner plan_fp16(const QuantizeOptions& options, const DecoderSpec& spec) {
  return plan_float(options, spec, DType::kF16);
}

Planner plan_fp8(const QuantizeOptions& options, const DecoderSpec& spec) {
  constexpr std::string_view kOptions[] = {"group-size", "block-size", "embedding", "dtype"};
  require_options(options, kOptions);
  const GroupSize group = group_size_or(options, {.granularity = Granularity::kRow});
  require(
      group.granularity != Granularity::kGroup,
      "option 'group-size': expected row or tensor, since method 'fp8' has no groups, found {}; "
      "use 'block-size' for square blocks",
      group.columns);
  Float8Encoding encoding{.granularity = group.granularity};
  if (options.block_size) {
    require(!options.group_size,
            "options 'group-size' and 'block-size' exclude each other; give one");
    encoding.granularity = Granularity::kGroup;
    encoding.block = *options.block_size;
    in_context("option 'block-size'", [&] { return buffer_specs(encoding, 1, 1); });
  }
  return plan_linears(options, spec, {.encoding = encoding, .round = {}});
}

Planner plan_absmax(const QuantizeOptions& options, const DecoderSpec& spec) {
  constexpr std::string_view kOptions[] = {"bits",
                                           "group-size",
                                           "symmetric",
                                           "range",
                                           "search-range",
                                           "embedding",
                                           "dtype",
                                           "scale-dtype"};
  require_options(options, kOptions);
  const GroupSize group = group_size_or(options, {.granularity = Granularity::kRow});
  return plan_linears(
      options,
      spec,
      integer_plan(
          options,
          {.bits = bits_or(options, 8), .group = group, .scale_dtype = usual_scale_dtype(group)}));
}

Planner plan_affine(const QuantizeOptions& options, const DecoderSpec& spec) {
  constexpr std::string_view kOptions[] = {
      "bits", "group-size", "affine", "search-range", "embedding", "dtype", "scale-dtype"};
  require_options(options, kOptions);
  const GroupSize group = group_size_or(options, {.granularity = Granularity::kRow});
  return plan_linears(options,
                      spec,
                      integer_plan(options,
                                   {.bits = bits_or(options, 8),
                                    .group = group,
                                    .zero_points = ZeroPoints::kPacked,
                                    .scale_dtype = usual_scale_dtype(group)}));
}

// The source documents' own scheme: every matrix symmetric per tensor, LayerNorm weights and all
// biases with the free affine range and an int32 zero point. Source: quantization cards 4
// (algorithm A) and 5a.
Planner plan_documents(const QuantizeOptions& options, const DecoderSpec& spec) {
  constexpr std::string_view kOptions[] = {"lowest-code", "dtype"};
  require_options(options, kOptions);
  const int lowest = options.lowest_code.value_or(-128);
  require(lowest == -128 || lowest == -127,
          "option 'lowest-code': expected -128 or -127, found {}",
          lowest);
  const int left_out = lowest + 128;
  const GroupIntEncoding per_tensor{.bits = 8, .granularity = Granularity::kTensor};
  ParameterPlan matrix{
      .encoding = per_tensor,
      .round = {.symmetric_range = SymmetricRange::kFull, .lowest_code = left_out}};
  GroupIntEncoding with_zero_point = per_tensor;
  with_zero_point.zero_points = ZeroPoints::kInt32;
  ParameterPlan vector{.encoding = with_zero_point,
                       .round = {.affine_range = AffineRange::kFree, .lowest_code = left_out}};
  return plan_with(options,
                   coded_names(options, spec, is_any_parameter),
                   [matrix, vector](const Parameter& parameter) {
                     return is_vector(parameter.kind) ? vector : matrix;
                   });
}

Planner plan_dynamic_int8(const QuantizeOptions& options, const DecoderSpec& spec) {
  constexpr std::string_view kOptions[] = {"embedding", "dtype"};
  require_options(options, kOptions);
  ParameterPlan plan{.encoding = GroupIntEncoding{.bits = 8, .granularity = Granularity::kRow},
                     .round = {}};
  plan.activation.scheme = ActivationScheme::kDynamicInt8Token;
  return plan_linears(options, spec, plan);
}

Planner plan_rtn(const QuantizeOptions& options, const DecoderSpec& spec) {
  constexpr std::string_view kOptions[] = {"bits",
                                           "group-size",
                                           "symmetric",
                                           "affine",
                                           "range",
                                           "search-range",
                                           "embedding",
                                           "dtype",
                                           "scale-dtype"};
  require_options(options, kOptions);
  require(!(options.symmetric && options.affine),
          "options 'symmetric' and 'affine' exclude each other; give one");
  const int bits = bits_or(options, 4);
  const bool symmetric = options.symmetric || (bits == 8 && !options.affine);
  return plan_linears(
      options,
      spec,
      integer_plan(options,
                   {.bits = bits,
                    .group = group_size_or(options, {}),
                    .zero_points = symmetric ? ZeroPoints::kNone : ZeroPoints::kPacked,
                    .scale_dtype = DType::kF16}));
}

Planner plan_codebook(const QuantizeOptions& options,
                      const DecoderSpec& spec,
                      CodebookTable table) {
  constexpr std::string_view kOptions[] = {
      "double-quantization", "block-size", "embedding", "dtype"};
  require_options(options, kOptions);
  const CodebookEncoding encoding{.table = table,
                                  .block_size = options.block_size.value_or(64),
                                  .double_quantized = options.double_quantization};
  in_context("option 'block-size'", [&] { return buffer_specs(encoding, 1, 64); });
  return plan_linears(options, spec, {.encoding = encoding, .round = {}});
}

Planner plan_nf4(const QuantizeOptions& options, const DecoderSpec& spec) {
  return plan_codebook(options, spec, CodebookTable::kNf4);
}
Planner plan_fp4(const QuantizeOptions& options, const DecoderSpec& spec) {
  return plan_codebook(options, spec, CodebookTable::kFp4);
}

constexpr QuantizeMethod kMethods[] = {
    {"bf16", "all parameters as bfloat16", plan_bf16},
    {"fp16", "all parameters as float16", plan_fp16},
    {"fp8", "8-bit floats e4m3 with a scale a row (or tensor, or square block)", plan_fp8},
    {"absmax", "int8, symmetric, a scale a row (or group, or tensor)", plan_absmax},
    {"affine", "int8 with zero points, a scale a row (or group, or tensor)", plan_affine},
    {"documents",
     "the source documents' int8: every parameter, a scale a tensor, zero points for norms and "
     "biases",
     plan_documents},
    {"dynamic-int8",
     "int8 weights a row, activations int8 a token at run time (W8A8)",
     plan_dynamic_int8},
    {"rtn", "round to nearest, 1 to 8 bits in groups (4 bits, groups of 128)", plan_rtn},
    {"nf4", "4-bit normal-float codebook in blocks of 64 (bitsandbytes)", plan_nf4},
    {"fp4", "4-bit float codebook in blocks of 64 (bitsandbytes)", plan_fp4},
};

}  // namespace

DType dtype_of(KeptDtype kept) {
  switch (kept) {
    case KeptDtype::kF32:
      return DType::kF32;
    case KeptDtype::kBf16:
      return DType::kBF16;
    case KeptDtype::kF16:
      return DType::kF16;
  }
  throw InternalError("kept dtype without a type");
}

GroupSize parse_group_size(std::string_view text, std::string_view place) {
  if (text == "row") return {.granularity = Granularity::kRow, .columns = 0};
  if (text == "tensor") return {.granularity = Granularity::kTensor, .columns = 0};
  std::size_t columns = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), columns);
  const bool number = error == std::errc{} && end == text.data() + text.size();
  require(number && columns >= 1 && columns <= kMaxGroupColumns,
          "{}: expected a number of columns from 1 to {}, row or tensor, found '{}'",
          place,
          kMaxGroupColumns,
          text);
  return {.granularity = Granularity::kGroup, .columns = columns};
}

std::span<const QuantizeMethod> quantize_methods() { return kMethods; }

const QuantizeMethod& find_quantize_method(std::string_view name) {
  std::vector<std::string_view> names;
  for (const QuantizeMethod& method : kMethods) {
    if (method.name == name) return method;
    names.push_back(method.name);
  }
  if (std::ranges::find(kLaterMethods, name) != std::end(kLaterMethods))
    fail<UserError>("method '{}' is not built yet; methods are {}", name, join_names(names));
  fail_unknown_name("option 'method'", name, names);
}

std::string quantize_method_help() {
  std::string text = "methods:";
  for (const QuantizeMethod& method : kMethods)
    text += fmt::format("\n  {:<13} {}", method.name, method.summary);
  return text;
}

}  // namespace pith

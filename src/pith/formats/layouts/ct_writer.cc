#include <algorithm>
#include <cstring>

#include "pith/base/error.h"
#include "pith/base/log.h"
#include "pith/formats/layouts/ct_layout.h"
#include "pith/formats/layouts/ct_packing.h"

namespace pith {
namespace {

constexpr std::string_view kLayout = "compressed-tensors";
// The first version that packs 3, 5, 6 and 7 bits as they are written here.
constexpr const char* kVersion = "0.18.0";

[[noreturn]] void refuse(const LayoutMatrix& matrix,
                         std::string_view property,
                         std::string_view remedy = "use --format pith") {
  fail_inexpressible(kLayout, matrix, property, remedy);
}

// What its targets can be: the linear layers of PyTorch.
void check_is_linear(const LayoutMatrix& matrix, Family family) {
  const bool is_embedding =
      matrix.kind == ParameterKind::kEmbedding || matrix.kind == ParameterKind::kPosition;
  if (is_embedding)
    refuse(matrix, "it holds embeddings as floats only", "leave out option 'embedding'");
  if (matrix.kind != ParameterKind::kLinear && matrix.kind != ParameterKind::kHead)
    refuse(matrix, "it compresses the weights of linear layers only");
  if (family == Family::kGpt2 && matrix.kind == ParameterKind::kLinear)
    refuse(matrix, "the layers of GPT-2 are of class Conv1D, which its library does not compress");
}

struct WeightsOf {
  const LayoutMatrix& matrix;

  CtWeights operator()(const GroupIntEncoding& encoding) const {
    if (encoding.zero_points == ZeroPoints::kInt32)
      refuse(matrix, "its zero points are as wide as its codes");
    if (encoding.column_groups)
      refuse(matrix, "act-order was dropped from it in 2026", "use --format gptq");
    CtWeights weights;
    weights.bits = encoding.bits;
    weights.symmetric = encoding.zero_points == ZeroPoints::kNone;
    weights.strategy = strategy_of(encoding.granularity, CtStrategy::kGroup);
    weights.group_size = encoding.group_size;
    if (encoding.group_size != 0 && matrix.cols % encoding.group_size != 0)
      refuse(matrix,
             fmt::format(
                 "its groups of {} do not divide {} columns", encoding.group_size, matrix.cols),
             "choose a --group-size that divides");
    return weights;
  }
  CtWeights operator()(const Float8Encoding& encoding) const {
    if (encoding.format != DType::kF8E4M3) refuse(matrix, "its 8-bit floats are E4M3");
    CtWeights weights;
    weights.is_float = true;
    weights.strategy = strategy_of(encoding.granularity, CtStrategy::kBlock);
    weights.block = encoding.block;
    return weights;
  }
  template <class Other>
  CtWeights operator()(const Other&) const {
    refuse(matrix, "it holds integers and E4M3 with scales only");
  }

  static CtStrategy strategy_of(Granularity granularity, CtStrategy grouped) {
    if (granularity == Granularity::kTensor) return CtStrategy::kTensor;
    return granularity == Granularity::kRow ? CtStrategy::kChannel : grouped;
  }
};

CtScheme scheme_of(const LayoutMatrix& matrix) {
  CtScheme scheme;
  scheme.weights = std::visit(WeightsOf{matrix}, matrix.encoding);
  scheme.activation = matrix.activation.scheme;
  scheme.symmetric_activation = matrix.activation.zero_point == 0;
  if (scheme.activation == ActivationScheme::kLlmInt8)
    refuse(matrix,
           "it has no activations of which some columns stay floats",
           "use --format bitsandbytes");
  const bool plain = scheme.activation == ActivationScheme::kNone;
  scheme.format = scheme.weights->is_float ? CtFormat::kFloat
                  : plain                  ? CtFormat::kPacked
                                           : CtFormat::kInt;
  return scheme;
}

Json weights_to_json(const CtWeights& weights) {
  Json json = {{"num_bits", weights.bits},
               {"type", weights.is_float ? "float" : "int"},
               {"symmetric", weights.symmetric},
               {"strategy", std::string(to_string(weights.strategy))},
               {"group_size", nullptr},
               {"block_structure", nullptr},
               {"dynamic", false},
               {"actorder", nullptr},
               {"observer", "minmax"},
               {"observer_kwargs", Json::object()}};
  if (weights.group_size != 0) json["group_size"] = weights.group_size;
  if (weights.block != 0) json["block_structure"] = {weights.block, weights.block};
  return json;
}

Json activation_to_json(const CtScheme& scheme) {
  if (scheme.activation == ActivationScheme::kNone) return nullptr;
  const bool is_float = scheme.activation == ActivationScheme::kDynamicFp8Token ||
                        scheme.activation == ActivationScheme::kStaticFp8Tensor;
  const bool dynamic = scheme.activation == ActivationScheme::kDynamicFp8Token ||
                       scheme.activation == ActivationScheme::kDynamicInt8Token;
  return {{"num_bits", 8},
          {"type", is_float ? "float" : "int"},
          {"symmetric", scheme.symmetric_activation},
          {"strategy", dynamic ? "token" : "tensor"},
          {"group_size", nullptr},
          {"block_structure", nullptr},
          {"dynamic", dynamic},
          {"actorder", nullptr},
          {"observer", dynamic ? Json(nullptr) : Json("minmax")},
          {"observer_kwargs", Json::object()}};
}

bool has_static_activation(const LayoutMatrix& matrix) {
  return matrix.activation.scheme == ActivationScheme::kStaticInt8Tensor ||
         matrix.activation.scheme == ActivationScheme::kStaticFp8Tensor;
}

template <class T>
Buffer buffer_of(std::string part, DType dtype, const std::vector<T>& values) {
  OwnedBuffer owned =
      allocate_buffer({std::move(part), dtype, {static_cast<std::int64_t>(values.size())}});
  std::memcpy(owned.writable.data(), values.data(), owned.writable.size());
  return std::move(owned.buffer);
}

// How the parts of one matrix look.
class MatrixWriter {
 public:
  explicit MatrixWriter(const LayoutMatrix& matrix)
      : matrix_(matrix),
        scheme_(scheme_of(matrix)),
        shape_{matrix.rows, matrix.cols, scheme_.weights->bits},
        zeros_shape_{scheme_.weights->strategy == CtStrategy::kTensor ? 1 : matrix.rows,
                     groups(),
                     scheme_.weights->bits} {}

  std::vector<TensorSpec> tensors() const {
    const std::vector<BufferSpec> specs =
        buffer_specs(matrix_.encoding, matrix_.rows, matrix_.cols);
    std::vector<TensorSpec> tensors = {codes_tensor()};
    if (in_words()) tensors.push_back(named("weight_shape", DType::kI64, {2}));
    tensors.push_back(named("weight_scale", specs[1].dtype, specs[1].shape));
    if (!scheme_.weights->symmetric) tensors.push_back(zeros_tensor(specs[1].shape));
    if (has_static_activation(matrix_)) tensors.push_back(named("input_scale", DType::kF32, {1}));
    if (!scheme_.symmetric_activation)
      tensors.push_back(named("input_zero_point", DType::kI8, {1}));
    return tensors;
  }

  std::vector<Buffer> pack(const PackedMatrix& weight) const {
    std::vector<Buffer> parts = {codes(weight.buffer("codes"))};
    if (in_words())
      parts.push_back(buffer_of<std::int64_t>(
          "weight_shape",
          DType::kI64,
          {static_cast<std::int64_t>(matrix_.rows), static_cast<std::int64_t>(matrix_.cols)}));
    parts.push_back(weight.buffer("scales"));
    if (!scheme_.weights->symmetric) parts.push_back(zeros(weight.buffer("zeros")));
    if (has_static_activation(matrix_))
      parts.push_back(buffer_of<float>("input_scale", DType::kF32, {matrix_.activation.scale}));
    if (!scheme_.symmetric_activation)
      parts.push_back(
          buffer_of<std::int8_t>("input_zero_point",
                                 DType::kI8,
                                 {static_cast<std::int8_t>(matrix_.activation.zero_point)}));
    return parts;
  }

 private:
  TensorSpec named(std::string_view part, DType dtype, std::vector<std::int64_t> shape) const {
    return {fmt::format("{}.{}", module_of(matrix_.name), part), dtype, std::move(shape)};
  }
  bool in_words() const { return scheme_.format == CtFormat::kPacked; }
  bool zeros_in_words() const {
    return in_words() && scheme_.weights->strategy != CtStrategy::kTensor;
  }
  std::size_t groups() const {
    const std::size_t size = scheme_.weights->group_size;
    return size == 0 ? 1 : matrix_.cols / size;
  }
  static std::int64_t words(std::size_t codes, int bits) {
    return static_cast<std::int64_t>(words_of(codes, bits, WordPacking::kDense));
  }

  TensorSpec codes_tensor() const {
    const auto rows = static_cast<std::int64_t>(matrix_.rows);
    if (in_words())
      return named("weight_packed", DType::kI32, {rows, words(matrix_.cols, shape_.bits)});
    return named("weight",
                 scheme_.weights->is_float ? DType::kF8E4M3 : DType::kI8,
                 {rows, static_cast<std::int64_t>(matrix_.cols)});
  }

  TensorSpec zeros_tensor(const std::vector<std::int64_t>& scales_shape) const {
    if (!zeros_in_words()) return named("weight_zero_point", DType::kI8, scales_shape);
    return named("weight_zero_point",
                 DType::kI32,
                 {words(zeros_shape_.rows, zeros_shape_.bits),
                  static_cast<std::int64_t>(zeros_shape_.cols)});
  }

  Buffer codes(const Buffer& stored) const {
    if (scheme_.weights->is_float) return stored;
    const bool whole_words = matrix_.cols * static_cast<std::size_t>(shape_.bits) % 32 == 0;
    if (in_words() && whole_words) return stored;  // then Pith's bit stream is words
    OwnedBuffer owned = allocate(codes_tensor());
    if (in_words())
      words_from_codes(stored.bytes, shape_, owned.writable);
    else
      signed_from_codes(stored.bytes, shape_, owned.writable);
    return std::move(owned.buffer);
  }

  Buffer zeros(const Buffer& stored) const {
    OwnedBuffer owned = allocate(zeros_tensor({static_cast<std::int64_t>(zeros_shape_.rows),
                                               static_cast<std::int64_t>(zeros_shape_.cols)}));
    if (zeros_in_words())
      tall_words_from_codes(stored.bytes, zeros_shape_, owned.writable);
    else
      signed_from_codes(stored.bytes, zeros_shape_, owned.writable);
    return std::move(owned.buffer);
  }

  static OwnedBuffer allocate(TensorSpec spec) {
    return allocate_buffer({std::move(spec.name), spec.dtype, std::move(spec.shape)});
  }

  const LayoutMatrix& matrix_;
  CtScheme scheme_;
  CodeShape shape_, zeros_shape_;
};

class CtWriter final : public LayoutWriter {
 public:
  CtWriter(const DecoderSpec& spec, const std::vector<LayoutMatrix>& matrices) {
    for (const LayoutMatrix& matrix : matrices) add(matrix, spec.family);
    if (spec.tied_head) ignored_.push_back("lm_head");
    warn_of_readers(matrices);
  }

  std::vector<TensorSpec> tensors_of(const LayoutMatrix& matrix) const override {
    return MatrixWriter(matrix).tensors();
  }

  std::vector<Buffer> pack(const LayoutMatrix& matrix, const PackedMatrix& weight) const override {
    return MatrixWriter(matrix).pack(weight);
  }

  Json quantization_config() const override {
    Json groups = Json::object();
    for (const Group& group : groups_)
      groups[fmt::format("group_{}", groups.size())] = group_to_json(group);
    const bool mixed = std::ranges::any_of(groups_, [&](const Group& group) {
      return group.scheme.format != groups_.front().scheme.format;
    });
    return {{"quant_method", std::string(kLayout)},
            {"format", mixed ? "mixed-precision" : format_name(groups_.front())},
            {"quantization_status", "compressed"},
            {"version", kVersion},
            {"global_compression_ratio", nullptr},
            {"kv_cache_scheme", nullptr},
            {"ignore", ignored_},
            {"config_groups", std::move(groups)}};
  }

 private:
  struct Group {
    CtScheme scheme;
    std::vector<std::string> modules;
  };

  void add(const LayoutMatrix& matrix, Family family) {
    if (is_dense(matrix.encoding)) {
      if (matrix.activation != ActivationQuantization{})
        refuse(matrix, "it quantizes the activations of compressed weights only");
      if (matrix.kind == ParameterKind::kLinear || matrix.kind == ParameterKind::kHead)
        ignored_.push_back(module_of(matrix.name));
      return;
    }
    check_is_linear(matrix, family);
    const CtScheme scheme = scheme_of(matrix);
    auto group = std::ranges::find(groups_, scheme, &Group::scheme);
    if (group == groups_.end()) group = groups_.insert(group, Group{scheme, {}});
    group->modules.push_back(module_of(matrix.name));
  }

  static std::string format_name(const Group& group) {
    return std::string(to_string(group.scheme.format));
  }

  // One scheme is that of all linear layers but the ignored ones.
  Json group_to_json(const Group& group) const {
    const bool is_only = groups_.size() == 1;
    return {{"targets", is_only ? Json::array({"Linear"}) : Json(group.modules)},
            {"weights", weights_to_json(*group.scheme.weights)},
            {"input_activations", activation_to_json(group.scheme)},
            {"output_activations", nullptr},
            {"format", format_name(group)}};
  }

  static void warn_of_readers(const std::vector<LayoutMatrix>& matrices) {
    std::vector<CtScheme> schemes;
    for (const LayoutMatrix& matrix : matrices)
      schemes.push_back(is_dense(matrix.encoding) ? CtScheme{} : scheme_of(matrix));
    const auto has_packed_zeros = [](const CtScheme& scheme) {
      return scheme.format == CtFormat::kPacked && scheme.weights && !scheme.weights->symmetric &&
             scheme.weights->strategy != CtStrategy::kTensor;
    };
    if (std::ranges::any_of(schemes, has_packed_zeros))
      log_warning(
          "compressed-tensors: transformers loads packed zero points with versions to 0.17 of the "
          "package compressed-tensors, or to dequantize; 0.18 to 0.20 refuse them");
  }

  std::vector<Group> groups_;
  std::vector<std::string> ignored_;
};

}  // namespace

std::unique_ptr<LayoutWriter> make_ct_writer(const DecoderSpec& spec,
                                             const std::vector<LayoutMatrix>& matrices) {
  return std::make_unique<CtWriter>(spec, matrices);
}

}  // namespace pith

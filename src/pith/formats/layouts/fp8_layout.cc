#include "pith/formats/layouts/fp8_layout.h"

#include <cstring>
#include <utility>

#include "pith/base/error.h"
#include "pith/base/log.h"
#include "pith/formats/layouts/ct_scheme.h"
#include "pith/formats/layouts/scalar_tensor.h"

namespace pith {
namespace {

constexpr std::string_view kLayout = "fp8";

// What config.json says of all matrices.
struct Fp8Config {
  bool block_known = false;  // weight_block_size is there, if only as null
  std::size_t block = 0;     // 0: a scale a tensor
  bool static_activations = false;
};

std::string choice_at(const JsonCursor& config,
                      std::string_view key,
                      std::initializer_list<std::string_view> known) {
  const std::string value = config.string_or(key, std::string(*known.begin()));
  for (const std::string_view choice : known)
    if (value == choice) return value;
  config.at(key).fail("one of " + join_names(std::vector<std::string_view>(known)),
                      "'" + value + "'");
}

Fp8Config config_of(const JsonCursor& json) {
  Fp8Config config;
  choice_at(json, "fmt", {"e4m3"});
  choice_at(json, "scale_fmt", {"float"});
  config.static_activations =
      choice_at(json, "activation_scheme", {"dynamic", "static"}) == "static";
  config.block_known = json.json().contains("weight_block_size");
  if (const auto block = json.find("weight_block_size")) config.block = square_block_at(*block);
  return config;
}

BufferSpec scale_spec(const Encoding& encoding, std::size_t rows, std::size_t cols) {
  return buffer_specs(encoding, rows, cols)[1];
}

class Fp8Reader final : public LayoutReader {
 public:
  explicit Fp8Reader(const JsonCursor& config) : config_(config_of(config)) {}

  std::optional<StoredMatrix> find(const LayoutMatrix& dense, FolderTensors& tensors) override {
    if (dense.kind != ParameterKind::kLinear && dense.kind != ParameterKind::kHead)
      return std::nullopt;
    const StoredTensor* stored = tensors.reader().find(dense.name);
    if (stored == nullptr || stored->spec.dtype != DType::kF8E4M3) return std::nullopt;
    const StoredTensor& codes = tensors.require(
        dense.name,
        {static_cast<std::int64_t>(dense.rows), static_cast<std::int64_t>(dense.cols)},
        {DType::kF8E4M3});
    const std::string module = module_of(dense.name);
    Float8Encoding encoding{
        DType::kF8E4M3, Granularity::kTensor, DType::kF32, block(module, tensors)};
    if (encoding.block != 0) encoding.granularity = Granularity::kGroup;
    const StoredTensor& scale = scales(module, encoding, dense, tensors);
    encoding.scale_dtype = scale.spec.dtype;
    std::vector<BufferSpec> specs = buffer_specs(encoding, dense.rows, dense.cols);
    std::vector<Buffer> buffers = {{std::move(specs[0]), codes.bytes, codes.file},
                                   {std::move(specs[1]), scale.bytes, scale.file}};
    return StoredMatrix{
        dense.name,
        encoding,
        activation(module, encoding, tensors),
        [encoding, rows = dense.rows, cols = dense.cols, buffers = std::move(buffers)] {
          return PackedMatrix(encoding, rows, cols, buffers);
        }};
  }

 private:
  // transformers' default where the config is silent, unless the scale is that of a tensor.
  std::size_t block(const std::string& module, const FolderTensors& tensors) const {
    constexpr std::size_t kDefaultBlock = 128;
    if (config_.block_known) return config_.block;
    const StoredTensor* scale = tensors.reader().find(module + ".weight_scale_inv");
    return scale != nullptr && scale->spec.shape.size() == 2 ? kDefaultBlock : 0;
  }

  static const StoredTensor& scales(const std::string& module,
                                    const Float8Encoding& encoding,
                                    const LayoutMatrix& dense,
                                    FolderTensors& tensors) {
    const std::string name = module + ".weight_scale_inv";
    if (encoding.block != 0)
      return tensors.require(name, scale_spec(encoding, dense.rows, dense.cols).shape, kScaleTypes);
    return require_scalar(
        tensors.has(name) ? name : module + ".weight_scale", kScaleTypes, tensors);
  }

  ActivationQuantization activation(const std::string& module,
                                    const Float8Encoding& encoding,
                                    FolderTensors& tensors) {
    if (!config_.static_activations) {
      if (encoding.block == 0) return {ActivationScheme::kDynamicFp8Token};
      if (!std::exchange(warned_, true))
        log_warning(
            "fp8: activations stay floats here; its own programs round them to E4M3 in runs of {} "
            "columns",
            encoding.block);
      return {};
    }
    const std::string name = module + ".activation_scale";
    const StoredTensor& scale =
        require_scalar(tensors.has(name) ? name : module + ".input_scale", kScaleTypes, tensors);
    return {ActivationScheme::kStaticFp8Tensor, positive_scalar(scale, tensors)};
  }

  Fp8Config config_;
  bool warned_ = false;
};

[[noreturn]] void refuse(const LayoutMatrix& matrix,
                         std::string_view property,
                         std::string_view remedy) {
  fail_inexpressible(kLayout, matrix, property, remedy);
}

class Fp8Writer final : public LayoutWriter {
 public:
  Fp8Writer(const DecoderSpec& spec, const std::vector<LayoutMatrix>& matrices) {
    for (const LayoutMatrix& matrix : matrices) add(matrix, spec.family);
    if (spec.tied_head) dense_.push_back("lm_head");
  }

  std::vector<TensorSpec> tensors_of(const LayoutMatrix& matrix) const override {
    std::vector<BufferSpec> specs = buffer_specs(matrix.encoding, matrix.rows, matrix.cols);
    const std::string module = module_of(matrix.name);
    std::vector<TensorSpec> tensors = {
        {matrix.name, specs[0].dtype, std::move(specs[0].shape)},
        {module + ".weight_scale_inv", specs[1].dtype, std::move(specs[1].shape)}};
    if (static_) tensors.push_back({module + ".activation_scale", DType::kF32, {1}});
    return tensors;
  }

  std::vector<Buffer> pack(const LayoutMatrix& matrix, const PackedMatrix& weight) const override {
    std::vector<Buffer> parts = {weight.buffer("codes"), weight.buffer("scales")};
    if (!static_) return parts;
    OwnedBuffer scale = allocate_buffer({"activation_scale", DType::kF32, {1}});
    std::memcpy(scale.writable.data(), &matrix.activation.scale, scale.writable.size());
    parts.push_back(std::move(scale.buffer));
    return parts;
  }

  Json quantization_config() const override {
    return {{"quant_method", std::string(kLayout)},
            {"fmt", "e4m3"},
            {"activation_scheme", static_ ? "static" : "dynamic"},
            {"weight_block_size", {block_, block_}},
            {"modules_to_not_convert", dense_}};
  }

 private:
  void add(const LayoutMatrix& matrix, Family family) {
    const bool is_linear =
        matrix.kind == ParameterKind::kLinear || matrix.kind == ParameterKind::kHead;
    if (is_dense(matrix.encoding)) {
      if (matrix.activation != ActivationQuantization{})
        refuse(
            matrix, "it quantizes the activations of compressed weights only", "use --format pith");
      if (is_linear) dense_.push_back(module_of(matrix.name));
      return;
    }
    const auto* float8 = std::get_if<Float8Encoding>(&matrix.encoding);
    if (float8 == nullptr || float8->format != DType::kF8E4M3 || float8->block == 0 ||
        float8->scale_dtype != DType::kF32)
      refuse(matrix,
             "it holds E4M3 in blocks with f32 scales only",
             "use --format compressed-tensors");
    if (!is_linear)
      refuse(matrix, "it compresses the weights of linear layers only", "use --format pith");
    if (family == Family::kGpt2 && matrix.kind == ParameterKind::kLinear)
      refuse(
          matrix, "the layers of GPT-2 are no linear layers of its readers", "use --format pith");
    add_compressed(matrix, float8->block);
  }

  void add_compressed(const LayoutMatrix& matrix, std::size_t block) {
    const ActivationScheme scheme = matrix.activation.scheme;
    const bool is_static = scheme == ActivationScheme::kStaticFp8Tensor;
    if (!is_static && scheme != ActivationScheme::kNone)
      refuse(matrix,
             fmt::format("it has no activations of kind {}", to_string(scheme)),
             "use --format compressed-tensors");
    if (block_ != 0 && (block != block_ || is_static != static_))
      refuse(matrix,
             "its matrices have one block size and one kind of activations",
             "use --format pith");
    warn(matrix, block);
    block_ = block;
    static_ = is_static;
  }

  // Of the first matrix of each kind.
  void warn(const LayoutMatrix& matrix, std::size_t block) {
    constexpr std::size_t kKernelBlock = 128;
    if (block_ == 0 && block != kKernelBlock)
      log_warning("fp8: vLLM has blocks of {} only, found {}", kKernelBlock, block);
    if (block_ == 0 && matrix.activation.scheme == ActivationScheme::kNone)
      log_warning(
          "fp8: transformers and vLLM will round activations to E4M3, in runs of {} columns, which "
          "Pith does not",
          block);
    if (block_ == 0 && matrix.activation.scheme != ActivationScheme::kNone)
      log_warning("fp8: vLLM takes activations that are scaled at run time only");
    if (warned_ || (matrix.rows % block == 0 && matrix.cols % block == 0)) return;
    warned_ = true;
    log_warning("fp8: blocks of {} do not divide '{}' [{}, {}]; transformers reads it on GPUs only",
                block,
                matrix.name,
                matrix.rows,
                matrix.cols);
  }

  std::size_t block_ = 0;
  bool static_ = false, warned_ = false;
  std::vector<std::string> dense_;
};

}  // namespace

std::unique_ptr<LayoutReader> make_fp8_reader(const JsonCursor& config) {
  return std::make_unique<Fp8Reader>(config);
}

std::unique_ptr<LayoutWriter> make_fp8_writer(const DecoderSpec& spec,
                                              const std::vector<LayoutMatrix>& matrices) {
  return std::make_unique<Fp8Writer>(spec, matrices);
}

}  // namespace pith

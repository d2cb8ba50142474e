// Where the parameters lie in a Hugging Face folder, whatever the layout of its compressed weights.
#include <span>

#include "pith/base/log.h"
#include "pith/formats/checkpoint_state.h"
#include "pith/formats/shape_text.h"
#include "pith/formats/tensor_names.h"

namespace pith {
namespace {

class FolderFinder {
 public:
  FolderFinder(const DecoderSpec& spec,
               const SafetensorsReader& reader,
               LayoutReader* layout,
               const std::string& place)
      : spec_(spec), layout_(layout), tensors_(reader, place) {
    for (const auto& [name, tensor] : reader.tensors())
      has_prefix_ |= name.starts_with(kGpt2Prefix);
  }

  LocatedParameter locate(const Parameter& parameter) {
    TensorName name = tensor_name(parameter, spec_.family);
    if (!has_prefix_ && name.name.starts_with(kGpt2Prefix)) name.name.erase(0, kGpt2Prefix.size());
    std::optional<StoredMatrix> stored;
    if (layout_)
      stored = layout_->find(
          {name.name, parameter.kind, parameter.rows, parameter.cols, DenseEncoding{}, {}},
          tensors_);
    if (!stored) return locate_dense(parameter, name);
    if (stored->load)
      return {std::move(stored->first_tensor),
              stored->encoding,
              stored->activation,
              Turn::kNone,
              0,
              {},
              std::move(stored->load)};
    LocatedParameter located = locate_dense(parameter, name);
    if (located.encoding != stored->encoding)
      tensors_.fail(name.name, to_string(stored->encoding), to_string(located.encoding));
    located.activation = stored->activation;
    return located;
  }

  // After all parameters.
  void check_rest() const {
    if (layout_) layout_->check_all_found(tensors_.place());
    std::vector<std::string_view> unknown;
    for (const std::string_view name : tensors_.unused()) {
      refuse_foreign_weight(name);
      refuse_other_layer(name);
      const bool tied_copy = spec_.tied_head && name == "lm_head.weight";
      if (!tied_copy && !is_known_buffer(name, spec_.family)) unknown.push_back(name);
    }
    if (unknown.empty()) return;
    constexpr std::size_t kShown = 3;
    const std::span<const std::string_view> shown(unknown.data(), std::min(kShown, unknown.size()));
    log_warning("{}: {} tensors are no parameters of this {} and are ignored: {}{}",
                tensors_.place(),
                unknown.size(),
                to_string(spec_.family),
                join_names(shown),
                unknown.size() > kShown ? ", ..." : "");
  }

  // Without a layout the parts of compressed weights explain why the weights are missing.
  void refuse_foreign_weights() const {
    if (layout_) return;
    for (const auto& [name, tensor] : tensors_.reader().tensors()) refuse_foreign_weight(name);
  }

 private:
  void refuse_foreign_weight(std::string_view name) const {
    const std::string_view owner = foreign_quantization(name);
    if (!owner.empty())
      tensors_.fail(name,
                    layout_ ? "a part of a weight that quantization_config describes"
                            : "dense weights, since config.json has no quantization_config",
                    fmt::format("a part of a {} weight", owner),
                    "give the folder with the config.json that its writer made");
  }

  // Half a model is another model.
  void refuse_other_layer(std::string_view name) const {
    const std::optional<std::size_t> layer = layer_of_tensor(name);
    if (layer && *layer >= spec_.layers.size())
      tensors_.fail(name,
                    fmt::format("the {} layers of config.json", spec_.layers.size()),
                    fmt::format("a tensor of layer {}", *layer),
                    "the config.json is of another model");
  }

  LocatedParameter locate_dense(const Parameter& parameter, const TensorName& name) {
    std::vector<std::int64_t> shape = dense_shape(parameter);
    if (name.is_conv1d) std::swap(shape[0], shape[1]);
    const StoredTensor* tensor = tensors_.find(name.name);
    if (tensor == nullptr)
      tensors_.fail(name.name,
                    "shape " + shape_text(shape),
                    "no such tensor",
                    name.name == "lm_head.weight"
                        ? "tie_word_embeddings is false, so the head needs a weight of its own"
                        : "");
    if (tensor->spec.shape != shape)
      tensors_.fail(name.name, "shape " + shape_text(shape), shape_text(tensor->spec.shape));
    const DType dtype = tensor->spec.dtype;
    if (dtype != DType::kF32 && dtype != DType::kBF16 && dtype != DType::kF16)
      tensors_.fail(name.name,
                    "F32, BF16 or F16",
                    std::string(to_string(dtype)),
                    "a quantized weight needs a quantization_config that names its layout");
    const std::vector<std::int64_t> matrix_shape =
        shape.size() == 1 ? std::vector<std::int64_t>{1, shape[0]} : shape;
    LocatedParameter located{name.name,
                             DenseEncoding{dtype},
                             {},
                             name.is_conv1d ? Turn::kTranspose : Turn::kNone,
                             0,
                             {},
                             {}};
    located.buffers.push_back({BufferSpec{"", dtype, matrix_shape}, tensor->bytes, tensor->file});
    return located;
  }

  const DecoderSpec& spec_;
  LayoutReader* layout_;
  FolderTensors tensors_;
  bool has_prefix_ = false;
};

}  // namespace

std::vector<std::int64_t> dense_shape(const Parameter& parameter) {
  const auto rows = static_cast<std::int64_t>(parameter.rows),
             cols = static_cast<std::int64_t>(parameter.cols);
  return is_vector(parameter.kind) ? std::vector{cols} : std::vector{rows, cols};
}

std::vector<LocatedParameter> locate_in_folder(const DecoderSpec& spec,
                                               const std::vector<Parameter>& parameters,
                                               const SafetensorsReader& reader,
                                               LayoutReader* layout,
                                               const std::string& place) {
  FolderFinder finder(spec, reader, layout, place);
  finder.refuse_foreign_weights();
  std::vector<LocatedParameter> located;
  located.reserve(parameters.size());
  for (const Parameter& parameter : parameters) located.push_back(finder.locate(parameter));
  finder.check_rest();
  return located;
}

}  // namespace pith

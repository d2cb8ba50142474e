// Where the parameters lie in a Hugging Face folder, Pith's layout included.
#include <set>
#include <span>

#include "pith/base/log.h"
#include "pith/formats/checkpoint_state.h"
#include "pith/formats/tensor_names.h"

namespace pith {
namespace {

class FolderFinder {
 public:
  FolderFinder(const DecoderSpec& spec,
               const SafetensorsReader& reader,
               const PithLayout& layout,
               const std::string& place)
      : spec_(spec), reader_(reader), layout_(layout), place_(place) {
    for (const auto& [name, tensor] : reader.tensors())
      has_prefix_ |= name.starts_with(kGpt2Prefix);
  }

  LocatedParameter locate(const Parameter& parameter) {
    TensorName name = tensor_name(parameter, spec_.family);
    if (!has_prefix_ && name.name.starts_with(kGpt2Prefix)) name.name.erase(0, kGpt2Prefix.size());
    const auto entry = layout_.find(name.name);
    if (entry == layout_.end()) return locate_dense(parameter, name);
    laid_out_.insert(entry->first);
    const auto rows = static_cast<std::size_t>(parameter.rows),
               cols = static_cast<std::size_t>(parameter.cols);
    if (entry->second.rows != rows || entry->second.cols != cols)
      fail_tensor(
          name.name,
          fmt::format("shape [{}, {}]", rows, cols),
          fmt::format("[{}, {}] in quantization_config", entry->second.rows, entry->second.cols));
    return locate_packed(parameter, name, entry->second);
  }

  void refuse_foreign_weights() const {
    for (const auto& [name, tensor] : reader_.tensors()) {
      const std::string_view layout = foreign_quantization(name);
      const bool ours =
          layout_.contains(name.substr(0, name.rfind('.')));  // a part of the same name
      if (!layout.empty() && !ours)
        fail_tensor(name,
                    "weights that are dense or in Pith's layout",
                    fmt::format("a part of a {} weight", layout),
                    "Pith does not read this layout; give it the unquantized model or a GGUF file");
    }
  }
  void check_layout_used() const {
    for (const auto& [name, entry] : layout_)
      if (!laid_out_.contains(name))
        throw FormatError(ErrorParts{fmt::format("{}: quantization_config", place_),
                                     "parameters of the model",
                                     fmt::format("'{}'", name),
                                     ""});
  }
  void warn_of_unknown() const {
    std::vector<std::string_view> unknown;
    for (const auto& [name, tensor] : reader_.tensors()) {
      const bool tied_copy = spec_.tied_head && name == "lm_head.weight";
      if (!used_.contains(name) && !tied_copy && !is_known_buffer(name, spec_.family))
        unknown.push_back(name);
    }
    if (unknown.empty()) return;
    constexpr std::size_t kShown = 3;
    const std::span<const std::string_view> shown(unknown.data(), std::min(kShown, unknown.size()));
    log_warning("{}: {} tensors are no parameters of this {} and are ignored: {}{}",
                place_,
                unknown.size(),
                to_string(spec_.family),
                join_names(shown),
                unknown.size() > kShown ? ", ..." : "");
  }

 private:
  [[noreturn]] void fail_tensor(std::string_view name,
                                std::string expected,
                                std::string found,
                                std::string remedy = "") const {
    throw FormatError(ErrorParts{fmt::format("{}: tensor '{}'", place_, name),
                                 std::move(expected),
                                 std::move(found),
                                 std::move(remedy)});
  }

  const StoredTensor& find(const std::string& name, const std::vector<std::int64_t>& shape) {
    const StoredTensor* tensor = reader_.find(name);
    if (!tensor)
      fail_tensor(name,
                  "shape " + shape_text(shape),
                  "no such tensor",
                  name == "lm_head.weight"
                      ? "tie_word_embeddings is false, so the head needs a weight of its own"
                      : "");
    if (tensor->spec.shape != shape)
      fail_tensor(name, "shape " + shape_text(shape), shape_text(tensor->spec.shape));
    used_.insert(tensor->spec.name);
    return *tensor;
  }

  LocatedParameter locate_dense(const Parameter& parameter, const TensorName& name) {
    std::vector<std::int64_t> shape = dense_shape(parameter);
    if (name.is_conv1d) std::swap(shape[0], shape[1]);
    const StoredTensor& tensor = find(name.name, shape);
    const DType dtype = tensor.spec.dtype;
    if (dtype != DType::kF32 && dtype != DType::kBF16 && dtype != DType::kF16)
      fail_tensor(name.name,
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
                             {}};
    located.buffers.push_back({BufferSpec{"", dtype, matrix_shape}, tensor.bytes, tensor.file});
    return located;
  }

  LocatedParameter locate_packed(const Parameter& parameter,
                                 const TensorName& name,
                                 const LayoutEntry& entry) {
    if (is_dense(entry.encoding)) {  // listed for its activations
      LocatedParameter located = locate_dense(parameter, name);
      if (located.encoding != entry.encoding)
        fail_tensor(name.name, to_string(entry.encoding), to_string(located.encoding));
      located.activation = entry.activation;
      return located;
    }
    LocatedParameter located{"", entry.encoding, entry.activation, Turn::kNone, 0, {}};
    for (BufferSpec& spec : specs_of(name.name, entry)) {
      const std::string part_name = fmt::format("{}.{}", name.name, spec.part);
      const StoredTensor& tensor = find(part_name, spec.shape);
      if (tensor.spec.dtype != spec.dtype)
        fail_tensor(part_name,
                    std::string(to_string(spec.dtype)),
                    std::string(to_string(tensor.spec.dtype)));
      if (located.stored_name.empty()) located.stored_name = part_name;
      located.buffers.push_back({std::move(spec), tensor.bytes, tensor.file});
    }
    return located;
  }

  // What the codec refuses is here the file's fault, not the user's.
  std::vector<BufferSpec> specs_of(const std::string& name, const LayoutEntry& entry) const {
    try {
      return buffer_specs(entry.encoding, entry.rows, entry.cols);
    } catch (const UserError& error) {
      fail<FormatError>("{}: tensor '{}': {}", place_, name, error.what());
    }
  }

  const DecoderSpec& spec_;
  const SafetensorsReader& reader_;
  const PithLayout& layout_;
  const std::string& place_;
  bool has_prefix_ = false;
  std::set<std::string_view> used_, laid_out_;
};

}  // namespace

std::string shape_text(const std::vector<std::int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

std::vector<std::int64_t> dense_shape(const Parameter& parameter) {
  const auto rows = static_cast<std::int64_t>(parameter.rows),
             cols = static_cast<std::int64_t>(parameter.cols);
  const bool is_vector =
      parameter.kind == ParameterKind::kNorm || parameter.kind == ParameterKind::kBias;
  return is_vector ? std::vector{cols} : std::vector{rows, cols};
}

std::vector<LocatedParameter> locate_in_folder(const DecoderSpec& spec,
                                               const std::vector<Parameter>& parameters,
                                               const SafetensorsReader& reader,
                                               const PithLayout& layout,
                                               const std::string& place) {
  FolderFinder finder(spec, reader, layout, place);
  finder.refuse_foreign_weights();
  std::vector<LocatedParameter> located;
  located.reserve(parameters.size());
  for (const Parameter& parameter : parameters) located.push_back(finder.locate(parameter));
  finder.check_layout_used();
  finder.warn_of_unknown();
  return located;
}

}  // namespace pith

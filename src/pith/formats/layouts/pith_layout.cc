#include "pith/formats/layouts/pith_layout.h"

#include <algorithm>
#include <limits>
#include <set>

#include "pith/base/error.h"

namespace pith {
namespace {

constexpr const char* kMethod = "pith";
constexpr std::int64_t kMaxDimension = std::int64_t{1} << 31;
constexpr std::int64_t kMaxGroup = std::int64_t{1} << 31;
constexpr DType kScaleDtypes[] = {DType::kF32, DType::kF16, DType::kBF16};

DType dtype_at(const JsonCursor& json, std::string_view key, std::span<const DType> allowed) {
  const DType dtype = json.at(key).one_of<DType>();
  if (std::find(allowed.begin(), allowed.end(), dtype) != allowed.end()) return dtype;
  std::vector<std::string_view> names;
  for (const DType choice : allowed) names.push_back(to_string(choice));
  json.at(key).fail("one of " + join_names(names));
}

template <class T>
std::string name_of(T value) {
  return std::string(to_string(value));
}

struct ToJson {
  Json operator()(const DenseEncoding& dense) const {
    return {{"kind", "dense"}, {"dtype", name_of(dense.dtype)}};
  }
  Json operator()(const Float8Encoding& float8) const {
    return {{"kind", "float8"},
            {"format", name_of(float8.format)},
            {"granularity", name_of(float8.granularity)},
            {"scale_dtype", name_of(float8.scale_dtype)},
            {"block", float8.block}};
  }
  Json operator()(const GroupIntEncoding& group_int) const {
    Json json = {{"kind", "group_int"},
                 {"bits", group_int.bits},
                 {"granularity", name_of(group_int.granularity)}};
    if (group_int.granularity == Granularity::kGroup) json["group_size"] = group_int.group_size;
    json["zero_points"] = name_of(group_int.zero_points);
    json["scale_dtype"] = name_of(group_int.scale_dtype);
    if (group_int.column_groups) json["column_groups"] = true;
    return json;
  }
  Json operator()(const CodebookEncoding& codebook) const {
    return {{"kind", "codebook"},
            {"table", name_of(codebook.table)},
            {"block_size", codebook.block_size},
            {"double_quantized", codebook.double_quantized}};
  }
  Json operator()(const GgmlEncoding& ggml) const {
    return {{"kind", "ggml_block"}, {"type", name_of(ggml.type)}};
  }
};

Encoding float8_from_json(const JsonCursor& json) {
  Float8Encoding encoding;
  constexpr DType kFormats[] = {DType::kF8E4M3, DType::kF8E5M2};
  encoding.format = dtype_at(json, "format", kFormats);
  encoding.granularity = json.at("granularity").one_of<Granularity>();
  if (json.has("scale_dtype")) encoding.scale_dtype = dtype_at(json, "scale_dtype", kScaleDtypes);
  if (encoding.granularity == Granularity::kGroup)
    encoding.block = static_cast<std::size_t>(json.at("block").integer(1, kMaxGroup));
  return encoding;
}

Encoding group_int_from_json(const JsonCursor& json) {
  GroupIntEncoding encoding;
  encoding.bits = static_cast<int>(json.at("bits").integer(1, 8));
  encoding.granularity = json.at("granularity").one_of<Granularity>();
  if (encoding.granularity == Granularity::kGroup)
    encoding.group_size = static_cast<std::size_t>(json.at("group_size").integer(1, kMaxGroup));
  encoding.zero_points = json.at("zero_points").one_of<ZeroPoints>();
  encoding.scale_dtype = dtype_at(json, "scale_dtype", kScaleDtypes);
  if (json.has("column_groups")) encoding.column_groups = json.at("column_groups").boolean();
  return encoding;
}

Encoding codebook_from_json(const JsonCursor& json) {
  CodebookEncoding encoding;
  encoding.table = json.at("table").one_of<CodebookTable>();
  encoding.block_size = static_cast<std::size_t>(json.at("block_size").integer(1, kMaxGroup));
  encoding.double_quantized = json.at("double_quantized").boolean();
  return encoding;
}

// "activation" is the scheme; its numbers lie beside it.
ActivationQuantization activation_from_json(const JsonCursor& json) {
  ActivationQuantization activation{json.at("activation").one_of<ActivationScheme>()};
  const auto positive = [&](std::string_view key) {
    const double value = json.at(key).number();
    if (!(value > 0 && value <= std::numeric_limits<float>::max()))
      json.at(key).fail("a positive f32");
    return static_cast<float>(value);
  };
  switch (activation.scheme) {
    case ActivationScheme::kStaticInt8Tensor:
      activation.zero_point =
          static_cast<std::int32_t>(json.at("activation_zero_point").integer(-128, 127));
      [[fallthrough]];
    case ActivationScheme::kStaticFp8Tensor:
      activation.scale = positive("activation_scale");
      break;
    case ActivationScheme::kLlmInt8:
      activation.threshold = positive("activation_threshold");
      break;
    default:
      break;
  }
  return activation;
}

void add_activation(const ActivationQuantization& activation, Json& json) {
  if (activation.scheme == ActivationScheme::kNone) return;
  json["activation"] = name_of(activation.scheme);
  if (activation.scheme == ActivationScheme::kStaticInt8Tensor)
    json["activation_zero_point"] = activation.zero_point;
  if (activation.scale != 0) json["activation_scale"] = static_cast<double>(activation.scale);
  if (activation.threshold != 0)
    json["activation_threshold"] = static_cast<double>(activation.threshold);
}

LayoutEntry entry_from_json(const JsonCursor& json, const std::vector<Encoding>& encodings) {
  LayoutEntry entry;
  const JsonCursor index = json.at("encoding");
  if (encodings.empty()) index.fail("the index of an encoding, of which there are none");
  entry.encoding = encodings[static_cast<std::size_t>(
      index.integer(0, static_cast<std::int64_t>(encodings.size()) - 1))];
  entry.rows = static_cast<std::size_t>(json.at("rows").integer(1, kMaxDimension));
  entry.cols = static_cast<std::size_t>(json.at("cols").integer(1, kMaxDimension));
  if (json.has("activation")) entry.activation = activation_from_json(json);
  return entry;
}

}  // namespace

Json encoding_to_json(const Encoding& encoding) { return std::visit(ToJson{}, encoding); }

Encoding encoding_from_json(const JsonCursor& json) {
  struct Kind {
    std::string_view name;
    Encoding (*read)(const JsonCursor&);
  };
  static constexpr Kind kKinds[] = {
      {"dense",
       [](const JsonCursor& dense) -> Encoding {
         return DenseEncoding{dtype_at(dense, "dtype", kScaleDtypes)};
       }},
      {"float8", float8_from_json},
      {"group_int", group_int_from_json},
      {"codebook", codebook_from_json},
      {"ggml_block",
       [](const JsonCursor& ggml) -> Encoding {
         return GgmlEncoding{ggml.at("type").one_of<GgmlType>()};
       }},
  };
  const JsonCursor kind_at = json.at("kind");
  const std::string name = kind_at.string();
  std::vector<std::string_view> names;
  for (const Kind& kind : kKinds) {
    if (kind.name == name) return kind.read(json);
    names.push_back(kind.name);
  }
  kind_at.fail("one of " + join_names(names), "'" + name + "'");
}

Json layout_to_json(const PithLayout& layout) {
  std::vector<Encoding> encodings;
  Json matrices = Json::object();
  for (const auto& [name, entry] : layout) {
    auto found = std::find(encodings.begin(), encodings.end(), entry.encoding);
    if (found == encodings.end()) found = encodings.insert(encodings.end(), entry.encoding);
    Json json = {
        {"encoding", found - encodings.begin()}, {"rows", entry.rows}, {"cols", entry.cols}};
    add_activation(entry.activation, json);
    matrices[name] = std::move(json);
  }
  Json table = Json::array();
  for (const Encoding& encoding : encodings) table.push_back(encoding_to_json(encoding));
  return {{"quant_method", kMethod},
          {"version", kPithLayoutVersion},
          {"encodings", std::move(table)},
          {"matrices", std::move(matrices)}};
}

PithLayout layout_from_json(const JsonCursor& quantization_config) {
  const JsonCursor version = quantization_config.at("version");
  if (version.integer(1, 1 << 30) > kPithLayoutVersion)
    version.fail(fmt::format("at most {}", kPithLayoutVersion),
                 version.json().dump(),
                 "the folder was written by a newer Pith; update this one");
  std::vector<Encoding> encodings;
  for (const JsonCursor& json : quantization_config.at("encodings").items())
    encodings.push_back(encoding_from_json(json));
  PithLayout layout;
  for (const auto& [name, json] : quantization_config.at("matrices").members())
    layout.emplace(name, entry_from_json(json, encodings));
  return layout;
}

namespace {

std::string part_name(const std::string& tensor, const std::string& part) {
  return part.empty() ? tensor : fmt::format("{}.{}", tensor, part);
}

class PithReader final : public LayoutReader {
 public:
  explicit PithReader(const JsonCursor& config)
      : layout_(layout_from_json(config)), place_(config.place()) {}

  std::optional<StoredMatrix> find(const LayoutMatrix& dense, FolderTensors& tensors) override {
    const auto entry = layout_.find(dense.name);
    if (entry == layout_.end()) return std::nullopt;
    found_.insert(entry->first);
    const LayoutEntry& held = entry->second;
    if (held.rows != dense.rows || held.cols != dense.cols)
      tensors.fail(dense.name,
                   fmt::format("shape [{}, {}]", dense.rows, dense.cols),
                   fmt::format("[{}, {}] in quantization_config", held.rows, held.cols));
    StoredMatrix stored{"", held.encoding, held.activation, {}};
    if (is_dense(held.encoding)) return stored;
    std::vector<Buffer> buffers;
    for (BufferSpec& spec : specs_of(dense.name, held, tensors)) {
      const std::string name = part_name(dense.name, spec.part);
      const StoredTensor& tensor = tensors.require(name, spec.shape, {spec.dtype});
      if (stored.first_tensor.empty()) stored.first_tensor = name;
      buffers.push_back({std::move(spec), tensor.bytes, tensor.file});
    }
    stored.load = [encoding = held.encoding,
                   rows = held.rows,
                   cols = held.cols,
                   buffers = std::move(buffers)] {
      return PackedMatrix(encoding, rows, cols, buffers);
    };
    return stored;
  }

  void check_all_found(const std::string& place) const override {
    for (const auto& [name, entry] : layout_)
      if (!found_.contains(name))
        throw FormatError(ErrorParts{fmt::format("{}: quantization_config", place),
                                     "parameters of the model",
                                     fmt::format("'{}'", name),
                                     ""});
  }

 private:
  // What the codec refuses is here the file's fault, not the user's.
  static std::vector<BufferSpec> specs_of(const std::string& name,
                                          const LayoutEntry& entry,
                                          const FolderTensors& tensors) {
    try {
      return buffer_specs(entry.encoding, entry.rows, entry.cols);
    } catch (const UserError& error) {
      fail<FormatError>("{}: tensor '{}': {}", tensors.place(), name, error.what());
    }
  }

  PithLayout layout_;
  std::string place_;
  std::set<std::string_view> found_;
};

class PithWriter final : public LayoutWriter {
 public:
  explicit PithWriter(const std::vector<LayoutMatrix>& matrices) {
    for (const LayoutMatrix& matrix : matrices)
      if (!is_dense(matrix.encoding) || matrix.activation != ActivationQuantization{})
        layout_[matrix.name] = {matrix.encoding, matrix.rows, matrix.cols, matrix.activation};
  }

  std::vector<TensorSpec> tensors_of(const LayoutMatrix& matrix) const override {
    std::vector<TensorSpec> tensors;
    for (BufferSpec& spec : buffer_specs(matrix.encoding, matrix.rows, matrix.cols))
      tensors.push_back({part_name(matrix.name, spec.part), spec.dtype, std::move(spec.shape)});
    return tensors;
  }

  std::vector<Buffer> pack(const LayoutMatrix&, const PackedMatrix& weight) const override {
    return {weight.buffers().begin(), weight.buffers().end()};
  }

  Json quantization_config() const override { return layout_to_json(layout_); }

 private:
  PithLayout layout_;
};

}  // namespace

std::unique_ptr<LayoutReader> make_pith_reader(const JsonCursor& config) {
  return std::make_unique<PithReader>(config);
}

std::unique_ptr<LayoutWriter> make_pith_writer(const DecoderSpec&,
                                               const std::vector<LayoutMatrix>& matrices) {
  return std::make_unique<PithWriter>(matrices);
}

}  // namespace pith

#include "pith/formats/pith_layout.h"

#include <algorithm>

#include "pith/base/error.h"

namespace pith {
namespace {

constexpr const char* kMethod = "pith";
constexpr std::int64_t kMaxDimension = std::int64_t{1} << 31;
constexpr std::int64_t kMaxGroup = std::int64_t{1} << 31;

template <class E>
E enum_at(const JsonCursor& json, std::string_view key) {
  const JsonCursor value = json.at(key);
  const std::string name = value.string();
  for (const auto& row : enum_table(E{}))
    if (row.name == name) return row.value;
  value.fail("one of " + join_names(enum_names<E>()), "'" + name + "'");
}

DType dtype_at(const JsonCursor& json, std::string_view key, std::initializer_list<DType> allowed) {
  const DType dtype = enum_at<DType>(json, key);
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
            {"granularity", name_of(float8.granularity)}};
  }
  Json operator()(const GroupIntEncoding& group_int) const {
    Json json = {{"kind", "group_int"},
                 {"bits", group_int.bits},
                 {"granularity", name_of(group_int.granularity)}};
    if (group_int.granularity == Granularity::kGroup) json["group_size"] = group_int.group_size;
    json["zero_points"] = name_of(group_int.zero_points);
    json["scale_dtype"] = name_of(group_int.scale_dtype);
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
  encoding.format = dtype_at(json, "format", {DType::kF8E4M3, DType::kF8E5M2});
  encoding.granularity = enum_at<Granularity>(json, "granularity");
  if (encoding.granularity == Granularity::kGroup) json.at("granularity").fail("tensor or row");
  return encoding;
}

Encoding group_int_from_json(const JsonCursor& json) {
  GroupIntEncoding encoding;
  encoding.bits = static_cast<int>(json.at("bits").integer(1, 8));
  encoding.granularity = enum_at<Granularity>(json, "granularity");
  if (encoding.granularity == Granularity::kGroup)
    encoding.group_size = static_cast<std::size_t>(json.at("group_size").integer(1, kMaxGroup));
  encoding.zero_points = enum_at<ZeroPoints>(json, "zero_points");
  encoding.scale_dtype = dtype_at(json, "scale_dtype", {DType::kF32, DType::kF16, DType::kBF16});
  return encoding;
}

Encoding codebook_from_json(const JsonCursor& json) {
  CodebookEncoding encoding;
  encoding.table = enum_at<CodebookTable>(json, "table");
  encoding.block_size = static_cast<std::size_t>(json.at("block_size").integer(1, kMaxGroup));
  encoding.double_quantized = json.at("double_quantized").boolean();
  return encoding;
}

LayoutEntry entry_from_json(const JsonCursor& json, const std::vector<Encoding>& encodings) {
  LayoutEntry entry;
  const JsonCursor index = json.at("encoding");
  if (encodings.empty()) index.fail("the index of an encoding, of which there are none");
  entry.encoding = encodings[static_cast<std::size_t>(
      index.integer(0, static_cast<std::int64_t>(encodings.size()) - 1))];
  entry.rows = static_cast<std::size_t>(json.at("rows").integer(1, kMaxDimension));
  entry.cols = static_cast<std::size_t>(json.at("cols").integer(1, kMaxDimension));
  if (json.has("activation"))
    entry.activation = enum_at<ActivationQuantization>(json, "activation");
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
         return DenseEncoding{dtype_at(dense, "dtype", {DType::kF32, DType::kBF16, DType::kF16})};
       }},
      {"float8", float8_from_json},
      {"group_int", group_int_from_json},
      {"codebook", codebook_from_json},
      {"ggml_block",
       [](const JsonCursor& ggml) -> Encoding {
         return GgmlEncoding{enum_at<GgmlType>(ggml, "type")};
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
    if (entry.activation != ActivationQuantization::kNone)
      json["activation"] = name_of(entry.activation);
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
  const JsonCursor method = quantization_config.at("quant_method");
  if (method.string() != kMethod)
    method.fail("'pith'",
                "'" + method.string() + "'",
                "Pith does not read this layout; give it the unquantized model or a GGUF file");
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

}  // namespace pith

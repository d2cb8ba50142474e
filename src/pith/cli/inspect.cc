// pith inspect: every check that a load makes, and what the model is made of.
#include <fmt/format.h>

#include <map>

#include "pith/base/error.h"
#include "pith/cli/commands.h"
#include "pith/formats/checkpoint.h"
#include "pith/formats/config.h"
#include "pith/report/size.h"
#include "pith/report/table.h"
#include "pith/text/tokenizer.h"

namespace pith {
namespace {

// "gguf", "hf", or the layout of compressed weights.
std::string_view stored_as(const Checkpoint& model) {
  return model.layout().empty() ? to_string(model.container()) : model.layout();
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

// A lone .safetensors file has no config: its tensors are all there is to say.
int inspect_safetensors(const std::filesystem::path& path, bool json) {
  const SafetensorsReader file = SafetensorsReader::open_file(path);
  Json tensors = Json::array();
  Table table{path.string(), {"tensor", "type", "shape", "bytes"}, {}};
  for (const auto& [name, tensor] : file.tensors()) {
    tensors.push_back({{"name", name},
                       {"dtype", std::string(to_string(tensor.spec.dtype))},
                       {"shape", tensor.spec.shape},
                       {"bytes", tensor.bytes.size()}});
    table.rows.push_back({name,
                          std::string(to_string(tensor.spec.dtype)),
                          shape_text(tensor.spec.shape),
                          fmt::to_string(tensor.bytes.size())});
  }
  if (json)
    fmt::print("{}\n", Json{{"path", path.string()}, {"tensors", tensors}}.dump(2));
  else
    fmt::print("{}", to_text(table));
  return 0;
}

struct EncodingTotal {
  std::size_t parameters = 0, elements = 0, bytes = 0;
};

// By part ("embedding", "linear", ...) and encoding.
std::map<std::pair<std::string, std::string>, EncodingTotal> totals_of(const Checkpoint& model) {
  std::map<std::pair<std::string, std::string>, EncodingTotal> totals;
  for (const Parameter& parameter : model.parameters()) {
    const Encoding& encoding = model.encoding(parameter.name);
    EncodingTotal& total = totals[{std::string(to_string(parameter.kind)), to_string(encoding)}];
    ++total.parameters;
    total.elements += parameter.rows * parameter.cols;
    total.bytes += storage_bytes(encoding, parameter.rows, parameter.cols);
  }
  return totals;
}

std::string tokenizer_text(const Checkpoint& model) {
  try {
    return Tokenizer::of(model).description();
  } catch (const FormatError& error) {
    return std::string("unusable: ") + error.what();  // weights alone are still a model
  }
}

Json spec_to_json(const DecoderSpec& spec) {
  const LayerSpec& layer = spec.layers.front();
  bool uniform = true;
  for (const LayerSpec& other : spec.layers) uniform = uniform && other == layer;
  Json json{{"family", std::string(to_string(spec.family))},
            {"parameters", parameter_count(spec)},
            {"vocab", spec.vocab},
            {"hidden", spec.hidden},
            {"layers", spec.layers.size()},
            {"context", spec.context}};
  if (uniform) {
    json["heads"] = layer.heads;
    json["kv_heads"] = layer.kv_heads;
    json["head_dim"] = layer.qk_dim;
    json["ffn"] = layer.ffn;
    json["window"] = layer.window;
  }
  json["norm"] = std::string(to_string(spec.norm));
  json["position"] = std::string(to_string(spec.position));
  json["mlp"] = std::string(to_string(spec.mlp));
  json["activation"] = std::string(to_string(spec.activation));
  json["tied_head"] = spec.tied_head;
  if (spec.position == PositionKind::kRotary) {
    json["rope_theta"] = spec.rope.theta;
    json["rope_scaling"] = std::string(to_string(spec.rope.scaling));
  }
  return json;
}

Json tensors_to_json(const Checkpoint& model) {
  Json tensors = Json::array();
  for (const Parameter& parameter : model.parameters()) {
    const Encoding& encoding = model.encoding(parameter.name);
    tensors.push_back({{"name", parameter.name},
                       {"stored_name", model.stored_name(parameter.name)},
                       {"kind", std::string(to_string(parameter.kind))},
                       {"rows", parameter.rows},
                       {"cols", parameter.cols},
                       {"encoding", to_string(encoding)},
                       {"bytes", storage_bytes(encoding, parameter.rows, parameter.cols)}});
  }
  return tensors;
}

void print_text(const Checkpoint& model, const Json& spec, const SizeReport& size) {
  fmt::print("{} ({})\n", model.path().string(), stored_as(model));
  for (const auto& [key, value] : spec.items())
    fmt::print("  {:<13} {}\n", key, value.is_string() ? value.get<std::string>() : value.dump());
  fmt::print("  {:<13} {}\n", "tokenizer", tokenizer_text(model));
  Table table{"", {"part", "encoding", "tensors", "parameters", "bytes", "bits/weight"}, {}};
  for (const auto& [key, total] : totals_of(model))
    table.rows.push_back({key.first,
                          key.second,
                          fmt::to_string(total.parameters),
                          fmt::to_string(total.elements),
                          fmt::to_string(total.bytes),
                          fmt::format("{:.3f}",
                                      8.0 * static_cast<double>(total.bytes) /
                                          static_cast<double>(total.elements))});
  fmt::print("{}", to_text(table));
  fmt::print("all files: {:.2f} MB, {:.3f} bits per weight\n",
             static_cast<double>(size.total_bytes) / 1e6,
             size.bits_per_weight);
}

}  // namespace

int run_inspect(const InspectOptions& options, const GlobalOptions& global) {
  const bool lone_file =
      options.model.extension() == ".safetensors" && !std::filesystem::is_directory(options.model);
  if (lone_file) return inspect_safetensors(options.model, global.json);
  const Checkpoint model = Checkpoint::open(options.model);
  const Json spec = spec_to_json(model.spec());
  const SizeReport size = measure_size(model);
  if (!global.json) {
    print_text(model, spec, size);
    return 0;
  }
  Json parts = Json::object();
  for (const auto& [part, bytes] : size.parts) parts[part] = bytes;
  const Json json{{"path", model.path().string()},
                  {"container", std::string(stored_as(model))},
                  {"spec", spec},
                  {"tokenizer", tokenizer_text(model)},
                  {"size_bytes", size.total_bytes},
                  {"bits_per_weight", size.bits_per_weight},
                  {"parts", parts},
                  {"tensors", tensors_to_json(model)}};
  fmt::print("{}\n", json.dump(2));
  return 0;
}

}  // namespace pith

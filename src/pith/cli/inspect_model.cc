// pith inspect MODEL: what the model is made of.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "pith/cli/inspect.h"
#include "pith/cli/inspect_tokenizer.h"
#include "pith/formats/shape_text.h"
#include "pith/report/model_summary.h"
#include "pith/report/size.h"
#include "pith/report/table.h"
#include "pith/report/terminal.h"

namespace pith {
namespace {

std::string bits_text(std::uint64_t bytes, std::uint64_t parameters) {
  if (parameters == 0) return "";
  return fmt::format("{:.3f}", 8.0 * static_cast<double>(bytes) / static_cast<double>(parameters));
}

std::string attention_text(const LayerSpec& layer) {
  std::string text = layer.kv_heads == layer.heads
                         ? fmt::format("{} heads of {}", layer.heads, layer.qk_dim)
                         : fmt::format("{} heads of {} over {} key-value heads",
                                       layer.heads,
                                       layer.qk_dim,
                                       layer.kv_heads);
  if (layer.v_dim != layer.qk_dim) text += fmt::format(", values of {}", layer.v_dim);
  if (layer.window > 0)
    text += fmt::format(", window {}", with_commas(static_cast<std::uint64_t>(layer.window)));
  return text;
}

std::string count_text(std::int64_t number) {
  return with_commas(static_cast<std::uint64_t>(number));
}

// Widths, one line for each run of equal layers.
void add_layers(const DecoderSpec& spec, std::vector<Fact>& facts) {
  facts.push_back({"layers", count_text(static_cast<std::int64_t>(spec.layers.size()))});
  for (std::size_t first = 0; first < spec.layers.size();) {
    const LayerSpec& layer = spec.layers[first];
    std::size_t end = first + 1;
    while (end < spec.layers.size() && spec.layers[end] == layer) ++end;
    const bool uniform = end - first == spec.layers.size();
    const std::string name =
        end - first == 1 ? fmt::format("  {}", first) : fmt::format("  {}-{}", first, end - 1);
    const std::string mlp = fmt::format(
        "{} wide, {} {}", count_text(layer.ffn), to_string(spec.mlp), to_string(spec.activation));
    if (uniform) {
      facts.push_back({"attention", attention_text(layer)});
      facts.push_back({"mlp", mlp});
    } else {
      facts.push_back({name, attention_text(layer) + "; mlp " + mlp});
    }
    first = end;
  }
}

std::string position_text(const DecoderSpec& spec) {
  std::string text(to_string(spec.position));
  if (spec.position == PositionKind::kRotary) {
    text += fmt::format(", theta {}", spec.rope.theta);
    if (spec.rope.scaling != RopeScalingKind::kNone)
      text += fmt::format(", {} scaling by {}", to_string(spec.rope.scaling), spec.rope.factor);
  }
  return text + fmt::format(", context {}", count_text(spec.context));
}

std::string bias_text(const DecoderSpec& spec) {
  std::vector<std::string_view> with;
  if (spec.qkv_bias) with.push_back("q, k, v");
  if (spec.output_bias) with.push_back("attention output");
  if (spec.mlp_bias) with.push_back("mlp");
  return with.empty() ? "none" : fmt::format("{}", fmt::join(with, ", "));
}

std::string quantization_text(const Checkpoint& model,
                              const std::vector<EncodingTotal>& encodings) {
  std::string text = model.format() == "hf" ? "" : "layout " + model.format() + ": ";
  std::uint64_t parameters = 0;
  for (const EncodingTotal& total : encodings) parameters += total.parameters;
  for (std::size_t i = 0; i < encodings.size(); ++i)
    text += fmt::format(
        "{}{} ({} {}, {})",
        i == 0 ? "" : "; ",
        encodings[i].encoding,
        encodings[i].tensors,
        encodings[i].tensors == 1 ? "tensor" : "tensors",
        percent(static_cast<double>(encodings[i].parameters), static_cast<double>(parameters)));
  return text;
}

std::vector<Fact> spec_facts(const Checkpoint& model, const SizeReport& size) {
  const DecoderSpec& spec = model.spec();
  std::vector<Fact> facts;
  facts.push_back({"architecture", std::string(to_string(spec.family))});
  facts.push_back({"parameters", count_text(parameter_count(spec))});
  facts.push_back({"hidden", count_text(spec.hidden)});
  add_layers(spec, facts);
  facts.push_back({"position", position_text(spec)});
  facts.push_back({"norm",
                   fmt::format("{}, epsilon {:g}{}",
                               to_string(spec.norm),
                               spec.norm_epsilon,
                               spec.qk_norm ? ", also of q and k" : "")});
  facts.push_back({"biases", bias_text(spec)});
  facts.push_back({"vocabulary",
                   count_text(spec.vocab) +
                       (spec.tied_head ? ", head tied to the embedding" : ", a head of its own")});
  facts.push_back({"quantization", quantization_text(model, totals_by_encoding(model))});
  facts.push_back({"size",
                   fmt::format("{}, {:.3f} bits per weight with all files",
                               format_size(size.total_bytes),
                               size.bits_per_weight)});
  return facts;
}

Table parts_table(const Checkpoint& model) {
  Table table{"", {"parameters of", "tensors", "number", "share", "bytes", "bits/weight"}, {}};
  const auto all = static_cast<double>(parameter_count(model.spec()));
  for (const PartTotal& total : totals_by_part(model)) {
    const bool is_tied = total.part == "head" && model.spec().tied_head;
    table.rows.push_back({is_tied ? "head (the embedding)" : total.part,
                          fmt::to_string(total.tensors),
                          with_commas(total.parameters),
                          percent(static_cast<double>(total.parameters), all),
                          format_size(total.bytes),
                          bits_text(total.bytes, total.parameters)});
  }
  return table;
}

Table groups_table(const Checkpoint& model) {
  Table table{
      "", {"tensor", "layers", "encoding", "shape", "parameters", "bytes", "bits/weight"}, {}};
  constexpr std::size_t kLayerColumns = 22;
  for (const TensorGroup& group : tensor_groups(model))
    table.rows.push_back({group.stem,
                          shortened(runs_text(group.layers), kLayerColumns),
                          to_string(group.encoding),
                          shape_text(group.rows, group.cols),
                          with_commas(group.parameters()),
                          format_size(group.bytes),
                          bits_text(group.bytes, group.parameters())});
  return table;
}

Table bytes_table(const Checkpoint& model, const SizeReport& size) {
  const std::uint64_t metadata = size.parts.at("headers") + size.parts.at("config"),
                      tokenizer = size.parts.at("tokenizer");
  Table table{"", {"bytes of", "number", "share"}, {}};
  const auto add = [&](const char* name, std::uint64_t bytes) {
    table.rows.push_back(
        {name,
         with_commas(bytes),
         percent(static_cast<double>(bytes), static_cast<double>(size.total_bytes))});
  };
  add("weights", size.total_bytes - metadata - tokenizer);
  if (model.container() == Container::kGguf) {
    add("metadata, with the tokenizer", metadata);
  } else {
    add("headers and config", metadata);
    add("tokenizer files", tokenizer);
  }
  add("all files", size.total_bytes);
  return table;
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

Json totals_to_json(const Checkpoint& model) {
  Json parts = Json::array();
  for (const PartTotal& total : totals_by_part(model))
    parts.push_back({{"part", total.part},
                     {"tensors", total.tensors},
                     {"parameters", total.parameters},
                     {"bytes", total.bytes}});
  return parts;
}

Json quantization_to_json(const Checkpoint& model) {
  Json encodings = Json::array();
  for (const EncodingTotal& total : totals_by_encoding(model))
    encodings.push_back({{"encoding", total.encoding},
                         {"tensors", total.tensors},
                         {"parameters", total.parameters},
                         {"bytes", total.bytes}});
  return {{"layout", model.format()}, {"encodings", encodings}};
}

Json groups_to_json(const Checkpoint& model) {
  Json groups = Json::array();
  for (const TensorGroup& group : tensor_groups(model))
    groups.push_back({{"name", group.stem},
                      {"layers", group.layers},
                      {"encoding", to_string(group.encoding)},
                      {"rows", group.rows},
                      {"cols", group.cols},
                      {"bytes", group.bytes}});
  return groups;
}

Json model_to_json(const Checkpoint& model,
                   const TokenizerLook& tokenizer,
                   const SizeReport& size) {
  Json parts = Json::object();
  for (const auto& [part, bytes] : size.parts) parts[part] = bytes;
  return {{"path", model.path().string()},
          {"container", model.format()},
          {"spec", spec_to_json(model.spec())},
          {"tokenizer", description_of(tokenizer)},
          {"tokenizer_facts", to_json(tokenizer, model)},
          {"size_bytes", size.total_bytes},
          {"bits_per_weight", size.bits_per_weight},
          {"parts", parts},
          {"parameters_by_part", totals_to_json(model)},
          {"quantization", quantization_to_json(model)},
          {"tensors", tensors_to_json(model)},
          {"tensor_groups", groups_to_json(model)}};
}

}  // namespace

void inspect_model(const Checkpoint& model, const GlobalOptions& global) {
  const SizeReport size = measure_size(model);
  const TokenizerLook tokenizer = look_at_tokenizer(model);
  if (global.json) return print_json(model_to_json(model, tokenizer, size));
  fmt::print("{} ({})\n", terminal_safe(model.path().string()), model.format());
  std::vector<Fact> facts = spec_facts(model, size);
  for (Fact& fact : facts_of(tokenizer, model)) facts.push_back(std::move(fact));
  fmt::print("{}\n", to_text(facts));
  fmt::print("{}\n", to_text(parts_table(model)));
  fmt::print("{}\n", to_text(groups_table(model)));
  fmt::print("{}", to_text(bytes_table(model, size)));
}

}  // namespace pith

// pith inspect MODEL --tensor NAME, and lone .safetensors files.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "pith/cli/inspect.h"
#include "pith/formats/shape_text.h"
#include "pith/report/model_summary.h"
#include "pith/report/packed_statistics.h"
#include "pith/report/table.h"
#include "pith/report/tensor_statistics.h"
#include "pith/report/terminal.h"

namespace pith {
namespace {

std::string count_of(std::uint64_t part, std::uint64_t whole) {
  if (part == 0) return "0";
  return fmt::format(
      "{} ({})", with_commas(part), percent(static_cast<double>(part), static_cast<double>(whole)));
}

std::string range_text(const ValueStatistics& values) {
  return fmt::format("{} to {}", short_number(values.min), short_number(values.max));
}

void add_facts(const ValueStatistics& values, std::vector<Fact>& facts) {
  facts.push_back({"values", with_commas(values.count)});
  facts.push_back({"min to max", range_text(values)});
  facts.push_back(
      {"mean",
       fmt::format(
           "{}, of magnitudes {}", short_number(values.mean), short_number(values.mean_absolute))});
  facts.push_back({"deviation", short_number(values.deviation)});
  facts.push_back({"kurtosis",
                   values.kurtosis ? short_number(*values.kurtosis) + " (normal values: 3)"
                                   : "none, all values are equal"});
  facts.push_back(
      {"outliers", count_of(values.outliers, values.count) + " beyond 6 deviations from the mean"});
  facts.push_back({"zeros", count_of(values.zeros, values.count)});
  facts.push_back(
      {"NaN, Inf",
       fmt::format("{}, {}", with_commas(values.nans), with_commas(values.infinities))});
}

std::string units_text(const ValueStatistics& units) {
  std::string text = fmt::format("{}: {}, mean {}, deviation {}",
                                 with_commas(units.count),
                                 range_text(units),
                                 short_number(units.mean),
                                 short_number(units.deviation));
  if (units.zeros > 0) text += fmt::format(", {} zero", with_commas(units.zeros));
  const std::uint64_t broken = units.nans + units.infinities;
  if (broken > 0) text += fmt::format(", {} NaN or Inf", with_commas(broken));
  return text;
}

void add_facts(const PackedStatistics& packed, const Encoding& encoding, std::vector<Fact>& facts) {
  if (packed.scales) facts.push_back({"scales", units_text(*packed.scales)});
  if (packed.offsets)
    facts.push_back({std::holds_alternative<GgmlEncoding>(encoding) ? "minima" : "zero points",
                     units_text(*packed.offsets)});
  if (!packed.codes) return;
  const CodeUse& codes = *packed.codes;
  std::string text = fmt::format("{} of {} used, entropy {:.2f} of {} bits",
                                 codes.used(),
                                 codes.counts.size(),
                                 codes.entropy_bits(),
                                 codes.bits);
  if (!std::holds_alternative<Float8Encoding>(encoding))  // there they are NaN
    text += fmt::format(", {} at the two ends", percent(codes.ends_share(), 1));
  facts.push_back({"codes", text});
  facts.push_back({"", sparkline(codes.counts)});
}

Json to_json(const ValueStatistics& values) {
  return {{"count", values.count},
          {"min", values.min},
          {"max", values.max},
          {"mean", values.mean},
          {"mean_absolute", values.mean_absolute},
          {"standard_deviation", values.deviation},
          {"kurtosis", values.kurtosis ? Json(*values.kurtosis) : Json(nullptr)},
          {"outliers", values.outliers},
          {"zeros", values.zeros},
          {"nan", values.nans},
          {"infinite", values.infinities}};
}

Json to_json(const Histogram& histogram) {
  return {{"low", histogram.low},
          {"high", histogram.high},
          {"counts", histogram.bins},
          {"below", histogram.below},
          {"above", histogram.above}};
}

Json to_json(const CodeUse& codes) {
  return {{"bits", codes.bits},
          {"used", codes.used()},
          {"entropy_bits", codes.entropy_bits()},
          {"ends_share", codes.ends_share()},
          {"counts", codes.counts}};
}

void add_json(const TensorStatistics& statistics, const PackedStatistics& packed, Json& json) {
  json["statistics"] = to_json(statistics.values);
  json["histogram"] = to_json(statistics.histogram);
  json["scales"] = packed.scales ? to_json(*packed.scales) : Json(nullptr);
  json["offsets"] = packed.offsets ? to_json(*packed.offsets) : Json(nullptr);
  json["codes"] = packed.codes ? to_json(*packed.codes) : Json(nullptr);
}

void print_tensor(const std::string& name,
                  std::span<const Fact> facts,
                  const Histogram& histogram) {
  fmt::print("{}\n{}", terminal_safe(name), to_text(facts));
  if (!histogram.bins.empty()) fmt::print("\n{}", to_text(histogram));
}

void inspect_lone_tensor(const SafetensorsReader& file,
                         const InspectOptions& options,
                         const GlobalOptions& global) {
  const StoredTensor* tensor = file.find(*options.tensor);
  if (tensor == nullptr) {
    std::vector<std::string> names;
    for (const auto& [name, other] : file.tensors()) names.push_back(name);
    fail_unknown_tensor(options.model.string(), *options.tensor, names);
  }
  const std::string dtype(to_string(tensor->spec.dtype));
  const TensorStatistics statistics = tensor_statistics(source_of(*tensor));
  if (global.json) {
    Json json{{"path", options.model.string()},
              {"name", tensor->spec.name},
              {"dtype", dtype},
              {"shape", tensor->spec.shape},
              {"bytes", tensor->bytes.size()}};
    add_json(statistics, {}, json);
    return print_json(json);
  }
  std::vector<Fact> facts = {{"shape", shape_text(tensor->spec.shape)},
                             {"type", dtype},
                             {"bytes", with_commas(tensor->bytes.size())}};
  add_facts(statistics.values, facts);
  print_tensor(tensor->spec.name, facts, statistics.histogram);
}

}  // namespace

void inspect_tensor(const Checkpoint& model, std::string_view name, const GlobalOptions& global) {
  const Parameter& parameter = model.parameter(find_parameter(model, name));
  const PackedMatrix matrix = model.load(parameter.name);
  const TensorStatistics statistics = tensor_statistics(source_of(matrix));
  const PackedStatistics packed = packed_statistics(matrix);
  const std::string stored_name = model.stored_name(parameter.name),
                    encoding = to_string(matrix.encoding());
  if (global.json) {
    Json json{{"path", model.path().string()},
              {"name", parameter.name},
              {"stored_name", stored_name},
              {"kind", std::string(to_string(parameter.kind))},
              {"rows", parameter.rows},
              {"cols", parameter.cols},
              {"encoding", encoding},
              {"bytes", matrix.storage_bytes()}};
    add_json(statistics, packed, json);
    return print_json(json);
  }
  std::vector<Fact> facts = {
      {"in the file", terminal_safe(stored_name)},
      {"shape", shape_text(parameter.rows, parameter.cols)},
      {"encoding", encoding},
      {"bytes",
       fmt::format("{}, {:.3f} bits per weight",
                   with_commas(matrix.storage_bytes()),
                   8.0 * static_cast<double>(matrix.storage_bytes()) /
                       static_cast<double>(parameter.rows * parameter.cols))}};
  add_facts(statistics.values, facts);
  add_facts(packed, matrix.encoding(), facts);
  print_tensor(parameter.name, facts, statistics.histogram);
}

void inspect_safetensors(const InspectOptions& options, const GlobalOptions& global) {
  const SafetensorsReader file = SafetensorsReader::open_file(options.model);
  if (options.tensor) return inspect_lone_tensor(file, options, global);
  Json tensors = Json::array();
  Table table{terminal_safe(options.model.string()), {"tensor", "type", "shape", "bytes"}, {}};
  for (const auto& [name, tensor] : file.tensors()) {
    const std::string dtype(to_string(tensor.spec.dtype));
    tensors.push_back({{"name", name},
                       {"dtype", dtype},
                       {"shape", tensor.spec.shape},
                       {"bytes", tensor.bytes.size()}});
    table.rows.push_back({terminal_safe(name),
                          dtype,
                          shape_text(tensor.spec.shape),
                          with_commas(tensor.bytes.size())});
  }
  if (global.json)
    print_json({{"path", options.model.string()}, {"tensors", tensors}});
  else
    fmt::print("{}", to_text(table));
}

}  // namespace pith

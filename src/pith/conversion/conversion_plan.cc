#include "pith/conversion/conversion_plan.h"

#include "pith/base/error.h"
#include "pith/codec/transcode.h"

namespace pith {

std::vector<StoredParameter> ConversionPlan::stored() const {
  std::vector<StoredParameter> result;
  for (const PlannedParameter& planned : parameters)
    result.push_back({planned.parameter.name, planned.plan.encoding, planned.plan.activation});
  return result;
}

ConversionPlan make_conversion_plan(const Checkpoint& source,
                                    const Planner& planner,
                                    const ConversionOptions& options) {
  ConversionPlan plan;
  if (options.permute_seed) plan.permutation.emplace(source.spec(), *options.permute_seed);
  for (const Parameter& parameter : source.parameters()) {
    const Encoding& stored = source.encoding(parameter.name);
    const ParameterPlan wanted = planner(parameter, stored);
    in_context(place_of(source, parameter),
               [&] { return buffer_specs(wanted.encoding, parameter.rows, parameter.cols); });
    const bool in_place = !plan.permutation;
    plan.parameters.push_back({parameter,
                               wanted,
                               in_place && wanted.encoding == stored,
                               in_place && equivalent_of(stored) == wanted.encoding});
  }
  return plan;
}

WeightSource planned_source(const ConversionPlan& plan,
                            const Parameter& parameter,
                            const PackedMatrix& stored) {
  const WeightSource source = source_of(stored);
  return plan.permutation ? plan.permutation->apply(parameter, source) : source;
}

std::string place_of(const Checkpoint& source, const Parameter& parameter) {
  return fmt::format("{}: tensor '{}' ({})",
                     source.path().string(),
                     source.stored_name(parameter.name),
                     parameter.name);
}

}  // namespace pith

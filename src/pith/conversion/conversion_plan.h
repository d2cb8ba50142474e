// What a conversion is going to do with every parameter; shared by the run and its forecast.
#pragma once

#include <optional>
#include <vector>

#include "pith/conversion/convert.h"
#include "pith/conversion/permute.h"

namespace pith {

struct PlannedParameter {
  Parameter parameter;
  ParameterPlan plan;
  bool copied = false;  // bit for bit: neither the encoding nor the order of its elements changes
  bool transcoded = false;  // the same numbers in an equivalent encoding
};

struct ConversionPlan {
  std::optional<ModelPermutation> permutation;
  std::vector<PlannedParameter> parameters;     // in the order of a forward pass
  std::vector<StoredParameter> stored() const;  // what the writer is told
};
// Throws UserError naming the parameter if its new encoding cannot hold it.
ConversionPlan make_conversion_plan(const Checkpoint& source,
                                    const Planner& planner,
                                    const ConversionOptions& options);

// The parameter in the order in which it is to be stored.
WeightSource planned_source(const ConversionPlan& plan,
                            const Parameter& parameter,
                            const PackedMatrix& stored);

// "model.safetensors: tensor 'model.layers.0.mlp.up_proj.weight' (layers.0.mlp.up)", the start of
// errors about a parameter.
std::string place_of(const Checkpoint& source, const Parameter& parameter);

}  // namespace pith

// From a method's coding of one weight to a plan for the whole model: which parameters are coded
// and what becomes of the rest.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>

#include "pith/conversion/quantize_methods.h"

namespace pith {

// UserError for each option that was set (differs from its default) and is not among `allowed`;
// method, layers and skip always are.
void require_options(const QuantizeOptions& options, std::span<const std::string_view> allowed);

// Names of parameters to be coded.
struct CodedNames {
  std::set<std::string> by_method;
  std::set<std::string> by_embedding;  // by option `embedding`
};
// `codes` tells whether the method codes a parameter when it is asked for no particular layers.
// UserError for a malformed expression and for one that finds nothing.
using CodesParameter = bool (*)(const Parameter& parameter);
CodedNames coded_names(const QuantizeOptions& options,
                       const DecoderSpec& spec,
                       CodesParameter codes);

// Names of the parameters that `pattern` finds; UserError for a malformed expression and for one
// that finds nothing. `option` names it in errors.
std::set<std::string> names_found(const std::string& pattern,
                                  std::string_view option,
                                  const DecoderSpec& spec);

bool is_block_linear(const Parameter& parameter);
bool is_any_parameter(const Parameter& parameter);

// The planner of a method: `code` for its parameters, groups of 32 for embedding and head when
// asked, dense for the rest.
using CodePlan = std::function<ParameterPlan(const Parameter& parameter)>;
Planner plan_with(const QuantizeOptions& options, CodedNames names, CodePlan code);

}  // namespace pith

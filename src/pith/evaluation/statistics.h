// Order statistics and moments of measured numbers.
#pragma once

#include <span>

namespace pith {

double mean(std::span<const double> values);  // pre: not empty

// The value that the fraction `share` (0 to 1) of `values` lies below, linear between neighbours as
// in numpy; exact, by selection. Reorders `values`. Pre: not empty, no NaN.
double quantile(std::span<double> values, double share);
double quantile(std::span<float> values, double share);

}  // namespace pith

// Running a recipe: check everything, run the stages, evaluate what was written, report.
#pragma once

#include <filesystem>

#include "pith/pipeline/recipe.h"
#include "pith/report/report.h"

namespace pith {

struct RecipeOutcome {
  bool finished_before = false;  // the output of this very recipe was there already
  RunReport report;
};
// Writes recipe.output. Throws UserError or FormatError.
RecipeOutcome run_recipe(const Recipe& recipe);

}  // namespace pith

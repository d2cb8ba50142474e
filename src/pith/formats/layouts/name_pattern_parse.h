// Inside of NamePattern: from text to program.
#pragma once

#include "pith/formats/layouts/name_pattern.h"

namespace pith {

// See NamePattern's constructor.
NamePattern::Program parse_name_pattern(std::string_view pattern, const JsonCursor& at);

}  // namespace pith

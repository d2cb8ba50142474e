// The RoPE keys of config.json. Source: formats.md 2.3, 2.4.
#pragma once

#include "pith/base/json.h"
#include "pith/formats/spec.h"

namespace pith {

// From `rope_parameters` (transformers 5) or `rope_theta` and `rope_scaling` (4). `context` is the
// model's. FormatError for kinds that Pith does not compute.
RopeSpec rope_from_config(const JsonCursor& config, std::int64_t context);

// Sets the keys of both spellings.
void put_rope(const RopeSpec& rope, Json& config);

}  // namespace pith

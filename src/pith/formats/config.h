// config.json <-> DecoderSpec, in the spellings of transformers 4 and 5. Source: formats.md 2 and
// 8b.
#pragma once

#include "pith/base/json.h"
#include "pith/formats/spec.h"

namespace pith {

// Throws FormatError with the path inside the document: keys absent, of the wrong type, out of
// range or contradictory; an unknown architecture (lists the known ones).
DecoderSpec spec_from_config(const JsonCursor& config);

// A config.json that transformers (4 and 5) loads: both spellings of the RoPE and dtype keys.
// `dtype_name` is float32, bfloat16 or float16. Throws UserError if the family's config cannot
// express the spec (per-layer widths).
Json config_from_spec(const DecoderSpec& spec, std::string_view dtype_name);

}  // namespace pith

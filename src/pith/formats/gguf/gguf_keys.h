// A network as the metadata keys of a GGUF file: the way back from spec_from_gguf(). Source:
// formats.md 4.3.
#pragma once

#include <string_view>
#include <vector>

#include "pith/formats/gguf/gguf_metadata.h"
#include "pith/formats/spec.h"

namespace pith {

// llama for llama and mistral, else the family's own name.
std::string_view gguf_architecture(Family family);

// Refuses what no GGUF file of the family's architecture can say (UserError that names the
// property, and the parameter where there is one): dynamic RoPE, YaRN without truncation, another
// activation or norm, biases that the architecture lacks, unscaled attention scores, head widths or
// windows that differ between layers. Warns of what llama.cpp does not load though the format has
// it: heads or MLP widths that differ between layers.
void check_gguf_expresses(const DecoderSpec& spec);

// general.architecture and all keys of the architecture. Pre: check_gguf_expresses(spec).
void set_spec_keys(const DecoderSpec& spec, GgufMetadata& metadata);

// tokenizer.ggml.bos_token_id, eos, eot, eom and padding of the spec, unless `metadata` has any of
// them already.
void set_token_id_keys(const DecoderSpec& spec, GgufMetadata& metadata);

// rope_freqs.weight [qk_dim / 2]: what llama3 scaling divides the plain frequencies by. Empty for
// other scalings, which are keys.
std::vector<float> rope_divisors(const DecoderSpec& spec);

}  // namespace pith

// What this processor offers to vector code.
#pragma once

#include <string>

namespace pith {

// The best unit that code of Pith may use here: "amx-int8", "avx512-vnni", "avx512", "avx-vnni",
// "avx2" or "baseline".
std::string isa_name();

}  // namespace pith

#include "pith/base/isa.h"

#include <cpuid.h>

namespace pith {
namespace {

struct CpuidLeaf {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
};

CpuidLeaf cpuid(unsigned leaf, unsigned subleaf) {
  CpuidLeaf out;
  __get_cpuid_count(leaf, subleaf, &out.eax, &out.ebx, &out.ecx, &out.edx);
  return out;
}

bool bit(unsigned word, int index) { return ((word >> index) & 1u) != 0; }

}  // namespace

std::string isa_name() {
  // __builtin_cpu_supports also asks whether the operating system saves the wide registers. It does
  // not know of AVX-VNNI and AMX under clang 16 and gcc 12 alike, hence cpuid for these two.
  if (!__builtin_cpu_supports("avx2")) return "baseline";
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512vl");
  if (avx512 && bit(cpuid(7, 0).edx, 25)) return "amx-int8";
  if (avx512 && __builtin_cpu_supports("avx512vnni")) return "avx512-vnni";
  if (avx512) return "avx512";
  return bit(cpuid(7, 1).eax, 4) ? "avx-vnni" : "avx2";
}

}  // namespace pith

#include "pith/base/isa.h"

#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>

namespace pith {
namespace {

// The kernel's own list, which leaves out what it does not let programs use.
std::set<std::string> kernel_flags() {
  std::ifstream file("/proc/cpuinfo");
  std::set<std::string> flags;
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("flags")) continue;
    std::istringstream words(line);
    for (std::string word; words >> word;) flags.insert(word);
    break;
  }
  return flags;
}

TEST(IsaName, AgreesWithTheKernel) {
  const std::set<std::string> flags = kernel_flags();
  const bool avx512 =
      flags.contains("avx512f") && flags.contains("avx512bw") && flags.contains("avx512vl");
  std::string expected = "baseline";
  if (flags.contains("avx2")) expected = flags.contains("avx_vnni") ? "avx-vnni" : "avx2";
  if (avx512) expected = flags.contains("avx512_vnni") ? "avx512-vnni" : "avx512";
  if (avx512 && flags.contains("amx_int8")) expected = "amx-int8";
  EXPECT_EQ(isa_name(), expected);
}

}  // namespace
}  // namespace pith

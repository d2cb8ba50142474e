#include "pith/report/size.h"

#include <cstdint>

#include "pith/base/error.h"
#include "pith/conversion/size_report.h"

namespace pith {

SizeReport measure_size(const Checkpoint& checkpoint) {
  const SizeReport report = size_report(checkpoint);
  std::uint64_t sum = 0;
  for (const auto& [part, bytes] : report.parts) sum += bytes;
  PITH_CHECK(sum == report.total_bytes && sum == checkpoint.file_bytes());
  return report;
}

SizeReport measure_size(const std::filesystem::path& model) {
  return measure_size(Checkpoint::open(model));
}

}  // namespace pith

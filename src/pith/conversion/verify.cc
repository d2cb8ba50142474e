#include "pith/conversion/verify.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <span>

#include "pith/base/error.h"
#include "pith/base/size.h"
#include "pith/conversion/checksum.h"
#include "pith/conversion/forward_probe.h"
#include "pith/conversion/size_report.h"
#include "pith/formats/checkpoint.h"
#include "pith/formats/shape_text.h"

namespace pith {
namespace {

constexpr const char* kRemedy =
    "the disk or the memory is at fault; run the command again, on another disk if it recurs";

// Configurations round the numbers of the rotary embedding.
constexpr double kForwardTolerance = 1e-4;

[[noreturn]] void fail_difference(const Checkpoint& checkpoint,
                                  const std::string& name,
                                  const std::string& expected,
                                  const std::string& found) {
  throw FormatError(
      ErrorParts{.place = fmt::format("{}: verifying '{}'", checkpoint.path().string(), name),
                 .expected = expected,
                 .found = found,
                 .remedy = kRemedy});
}

void compare(const Checkpoint& checkpoint,
             const WrittenParameter& written,
             const PackedMatrix& found) {
  if (found.rows() != written.rows || found.cols() != written.cols)
    fail_difference(checkpoint,
                    written.name,
                    shape_text(written.rows, written.cols),
                    shape_text(found.rows(), found.cols()));
  if (found.encoding() != written.encoding)
    fail_difference(
        checkpoint, written.name, to_string(written.encoding), to_string(found.encoding()));
  if (found.activation != written.activation)
    fail_difference(checkpoint,
                    written.name,
                    fmt::format("activation {}", to_string(written.activation)),
                    fmt::format("{}", to_string(found.activation)));
  const std::uint64_t sum = checksum(found);
  if (sum != written.checksum)
    fail_difference(checkpoint,
                    written.name,
                    fmt::format("the bytes that were written (checksum {:016x})", written.checksum),
                    fmt::format("other bytes ({:016x})", sum));
}

// The largest difference as a share of the largest value; infinite if sizes differ, or if a value
// is not finite and the other not the same.
double difference(std::span<const float> found, std::span<const float> expected) {
  if (found.size() != expected.size()) return std::numeric_limits<double>::infinity();
  double apart = 0, largest = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    const double value = std::abs(double{expected[i]});
    if (std::isfinite(value)) largest = std::max(largest, value);
    if (std::bit_cast<std::uint32_t>(found[i]) == std::bit_cast<std::uint32_t>(expected[i]))
      continue;
    const double distance = std::abs(double{found[i]} - double{expected[i]});
    if (!std::isfinite(distance)) return std::numeric_limits<double>::infinity();
    apart = std::max(apart, distance);
  }
  return apart == 0 ? 0 : apart / largest;
}

}  // namespace

WrittenParameter note_of(const std::string& name, const PackedMatrix& weight) {
  return {
      name, weight.rows(), weight.cols(), weight.encoding(), weight.activation, checksum(weight)};
}

std::string verify_model(const std::filesystem::path& model, const WrittenModel& written) {
  const Checkpoint checkpoint = Checkpoint::open(model);
  if (checkpoint.parameters().size() != written.parameters.size())
    fail<FormatError>("{}: expected {} parameters, found {}; {}",
                      model.string(),
                      written.parameters.size(),
                      checkpoint.parameters().size(),
                      kRemedy);
  const std::uint64_t file_bytes = weight_file_bytes(checkpoint);
  if (file_bytes != written.file_bytes)
    fail<FormatError>("{}: expected weight files of {} bytes, found {}; {}",
                      model.string(),
                      written.file_bytes,
                      file_bytes,
                      kRemedy);
  std::uint64_t compared = 0;
  ForwardProbe probe(checkpoint.spec());
  for (const WrittenParameter& parameter : written.parameters) {
    const PackedMatrix found = checkpoint.load(parameter.name);
    compare(checkpoint, parameter, found);
    probe.take(checkpoint.parameter(parameter.name), found);
    compared += found.storage_bytes();
  }
  const double apart = difference(probe.result(), written.forward);
  if (!(apart <= kForwardTolerance))
    fail_difference(checkpoint,
                    "a forward pass",
                    fmt::format("outputs within {:g} of those in memory", kForwardTolerance),
                    fmt::format("a difference of {:.3g} of the largest", apart));
  return fmt::format(
      "reread from the files: {} parameters, shapes, encodings and all {} of codes and values "
      "equal those in memory; a forward pass of {} tokens {}; the weight files have the declared "
      "{} "
      "bytes",
      written.parameters.size(),
      format_size(compared),
      ForwardProbe::kTokens,
      apart == 0 ? "is bit-identical" : fmt::format("agrees to {:.1g}", apart),
      file_bytes);
}

}  // namespace pith

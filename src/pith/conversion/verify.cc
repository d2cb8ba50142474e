#include "pith/conversion/verify.h"

#include <atomic>

#include "pith/base/error.h"
#include "pith/base/size.h"
#include "pith/base/threads.h"
#include "pith/conversion/checksum.h"
#include "pith/conversion/size_report.h"
#include "pith/formats/checkpoint.h"

namespace pith {
namespace {

constexpr const char* kRemedy =
    "the disk or the memory is at fault; run the command again, on another disk if it recurs";

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

std::string shape_text(std::size_t rows, std::size_t cols) {
  return fmt::format("[{}, {}]", rows, cols);
}

// Returns the bytes compared.
std::uint64_t verify_parameter(const Checkpoint& checkpoint, const WrittenParameter& written) {
  const PackedMatrix found = checkpoint.load(written.name);
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
  return found.storage_bytes();
}

std::uint64_t weight_file_bytes(const Checkpoint& checkpoint) {
  std::uint64_t bytes = 0;
  for (const std::filesystem::path& file : checkpoint.files())
    if (holds_weights(file)) bytes += std::filesystem::file_size(file);
  return bytes;
}

}  // namespace

WrittenParameter note_of(const std::string& name, const PackedMatrix& weight) {
  return {
      name, weight.rows(), weight.cols(), weight.encoding(), weight.activation, checksum(weight)};
}

std::string verify_folder(const std::filesystem::path& folder,
                          const std::vector<WrittenParameter>& written,
                          std::uint64_t declared_file_bytes) {
  const Checkpoint checkpoint = Checkpoint::open(folder);
  if (checkpoint.parameters().size() != written.size())
    fail<FormatError>("{}: expected {} parameters, found {}; {}",
                      folder.string(),
                      written.size(),
                      checkpoint.parameters().size(),
                      kRemedy);
  const std::uint64_t file_bytes = weight_file_bytes(checkpoint);
  if (file_bytes != declared_file_bytes)
    fail<FormatError>("{}: expected weight files of {} bytes, found {}; {}",
                      folder.string(),
                      declared_file_bytes,
                      file_bytes,
                      kRemedy);
  std::atomic<std::uint64_t> compared{0};
  parallel_for(written.size(), 1, [&](std::size_t first, std::size_t last) {
    for (std::size_t i = first; i < last; ++i) compared += verify_parameter(checkpoint, written[i]);
  });
  return fmt::format(
      "reread from the files: {} parameters, shapes, encodings and all {} of codes and values "
      "equal those in memory; "
      "the weight files have the declared {} bytes",
      written.size(),
      format_size(compared),
      file_bytes);
}

}  // namespace pith

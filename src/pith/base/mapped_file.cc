#include "pith/base/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "pith/base/error.h"
#include "pith/base/file_descriptor.h"

namespace pith {
namespace {

const char* kind_name(mode_t mode) {
  if (S_ISDIR(mode)) return "a folder";
  if (S_ISCHR(mode) || S_ISBLK(mode)) return "a device";
  if (S_ISFIFO(mode)) return "a pipe";
  if (S_ISSOCK(mode)) return "a socket";
  return "something else";
}

enum class Rounding { kOutward, kInward };

// Advises on the pages that cover `range` (outward) or lie wholly in it (inward).
void advise(std::span<const std::byte> file,
            std::span<const std::byte> range,
            Rounding rounding,
            int advice) {
  if (range.empty()) return;
  PITH_CHECK(range.data() >= file.data() &&
             range.data() + range.size() <= file.data() + file.size());
  const auto page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
  auto first = reinterpret_cast<std::uintptr_t>(range.data());
  auto last = first + range.size();
  if (rounding == Rounding::kOutward) {
    first -= first % page;
  } else {
    first += (page - first % page) % page;
    const bool ends_file = range.data() + range.size() == file.data() + file.size();
    if (!ends_file) last -= last % page;  // nobody else reads the rest of the last page
  }
  // Advice only: a kernel that refuses it costs speed or memory, not correctness.
  // NOLINTNEXTLINE(performance-no-int-to-ptr): whole pages are found by their numbers
  if (first < last) madvise(reinterpret_cast<void*>(first), last - first, advice);
}

}  // namespace

FileDescriptor::~FileDescriptor() {
  if (value_ >= 0) ::close(value_);
}

OpenedFile open_regular_file(const std::filesystem::path& path) {
  // Without O_NONBLOCK opening a pipe would wait for a writer.
  FileDescriptor descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!descriptor.valid()) fail_errno(path.string(), "cannot open");
  struct stat status {};
  if (::fstat(descriptor.get(), &status) != 0)
    fail_errno(path.string(), "cannot read its attributes");
  if (!S_ISREG(status.st_mode)) {
    throw FormatError(ErrorParts{.place = path.string(),
                                 .expected = "a file",
                                 .found = kind_name(status.st_mode),
                                 .remedy = ""});
  }
  return {std::move(descriptor), static_cast<std::uint64_t>(status.st_size)};
}

MappedFile::MappedFile(const std::filesystem::path& path) : path_(path) {
  const OpenedFile file = open_regular_file(path);
  if (file.bytes == 0) return;
  void* start = ::mmap(nullptr, file.bytes, PROT_READ, MAP_PRIVATE, file.descriptor.get(), 0);
  if (start == MAP_FAILED) fail_errno(path.string(), "cannot map into memory");
  bytes_ = {static_cast<const std::byte*>(start), file.bytes};
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

void MappedFile::will_need(std::span<const std::byte> range) const {
  advise(bytes_, range, Rounding::kOutward, MADV_WILLNEED);
}

void MappedFile::dont_need(std::span<const std::byte> range) const {
  advise(bytes_, range, Rounding::kInward, MADV_DONTNEED);
}

std::string read_text_file(const std::filesystem::path& path, std::size_t max_bytes) {
  const OpenedFile file = open_regular_file(path);
  if (file.bytes > max_bytes) {
    throw FormatError(ErrorParts{.place = path.string(),
                                 .expected = fmt::format("at most {} bytes", max_bytes),
                                 .found = fmt::format("{} bytes", file.bytes),
                                 .remedy = ""});
  }
  std::string text(file.bytes, '\0');
  std::size_t filled = 0;
  while (filled < text.size()) {
    const ssize_t count = ::read(file.descriptor.get(), text.data() + filled, text.size() - filled);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail_errno(path.string(), "cannot read");
    if (count == 0) break;  // the file has shrunk since
    filled += static_cast<std::size_t>(count);
  }
  text.resize(filled);
  return text;
}

}  // namespace pith

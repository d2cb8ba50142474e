// What the fuzz targets share: which exceptions are answers, and inputs as files.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "pith/base/error.h"

namespace pith::fuzz {

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// Messages go to terminals and logs, so what stands in a file must not steer those.
inline void check_message(std::string_view message) {
  PITH_CHECK(!message.empty());
  for (const char c : message)
    PITH_CHECK((static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) || c == '\n');
}

// A reader returns or says what is wrong with its input. Anything else that leaves it,
// InternalError and std::bad_alloc included, ends the process, which libFuzzer reports.
template <class Body>
void may_refuse(Body&& body) {
  try {
    body();
  } catch (const UserError& error) {
    check_message(error.what());
  } catch (const FormatError& error) {
    check_message(error.what());
  }
}

// One input: what LLVMFuzzerTestOneInput returns. More than a second for it is a finding, of the
// processor's time, since on a busy machine the clock would accuse inputs that only waited.
template <class Body>
int run(Body&& body) {
  constexpr double kMaxSeconds = 1.0;
  const auto now = [] {
    timespec time{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
  };
  const double start = now();
  may_refuse(std::forward<Body>(body));
  PITH_CHECK(now() - start < kMaxSeconds);
  return 0;
}

// Reads every byte, so that a view past its end meets AddressSanitizer or the end of the mapping.
inline volatile std::byte touched{};
inline void touch(std::span<const std::byte> bytes) {
  std::byte sum{};
  for (const std::byte byte : bytes) sum ^= byte;
  touched = sum;
}

// A file without a disk, for readers that take a path; one for all inputs, since making one takes
// longer than most of them.
class MemoryFile {
 public:
  MemoryFile() : descriptor_(::memfd_create("fuzz", MFD_CLOEXEC)) { PITH_CHECK(descriptor_ >= 0); }
  ~MemoryFile() { ::close(descriptor_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  std::filesystem::path holding(std::string_view bytes) const {
    PITH_CHECK(::ftruncate(descriptor_, 0) == 0);
    const auto written = ::pwrite(descriptor_, bytes.data(), bytes.size(), 0);
    PITH_CHECK(written == static_cast<ssize_t>(bytes.size()));
    return "/proc/self/fd/" + std::to_string(descriptor_);
  }

 private:
  int descriptor_;
};

// A folder in memory where the system has such a place; gone with the process unless that is
// killed.
class Folder {
 public:
  Folder() {
    constexpr const char* kMemory = "/dev/shm";
    const std::filesystem::path parent = ::access(kMemory, W_OK) == 0
                                             ? std::filesystem::path(kMemory)
                                             : std::filesystem::temp_directory_path();
    std::string pattern = (parent / "pith-fuzz-XXXXXX").string();
    PITH_CHECK(::mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  void write(const char* name, std::string_view text) const {
    std::ofstream(path_ / name, std::ios::binary) << text;
  }

 private:
  std::filesystem::path path_;
};

}  // namespace pith::fuzz

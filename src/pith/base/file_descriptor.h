// An owned file descriptor; for the sources of this room.
#pragma once

#include <cstdint>
#include <filesystem>
#include <utility>

namespace pith {

class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int value) : value_(value) {}
  ~FileDescriptor();
  FileDescriptor(FileDescriptor&& other) noexcept : value_(std::exchange(other.value_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&&) = delete;

  int get() const { return value_; }
  bool valid() const { return value_ >= 0; }

 private:
  int value_ = -1;
};

struct OpenedFile {
  FileDescriptor descriptor;
  std::uint64_t bytes = 0;
};

// Opens a regular file for reading. Throws FormatError if it is missing, unreadable or anything
// else (folder, device, pipe); never blocks on a pipe.
OpenedFile open_regular_file(const std::filesystem::path& path);

}  // namespace pith

// Read-only memory-mapped files.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

namespace pith {

// Owns a private read-only mapping of a whole regular file; an empty file gives an empty span.
// Share it with std::shared_ptr<const MappedFile> when views outlive the opener.
class MappedFile {
 public:
  // Throws FormatError if the path is missing, not a regular file (a folder, a device, a pipe) or
  // unreadable.
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return bytes_; }
  const std::filesystem::path& path() const { return path_; }
  // Tells the kernel that a range of bytes() will be read soon, or is no longer needed.
  void will_need(std::span<const std::byte> range) const;
  void dont_need(std::span<const std::byte> range) const;

 private:
  std::filesystem::path path_;
  std::span<const std::byte> bytes_;
};

// The whole of a file as text. Throws FormatError as MappedFile does, or if it is larger than
// `max_bytes`.
std::string read_text_file(const std::filesystem::path& path, std::size_t max_bytes);

}  // namespace pith

// Files and folders that appear under their name only when complete.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>

namespace pith {

// A file written under a temporary name beside the target; commit() syncs it, renames it over the
// target and syncs the folder. Without commit() the destructor removes the temporary. All errors
// are FormatError naming the path and the cause ("No space left on device").
class AtomicFile {
 public:
  explicit AtomicFile(std::filesystem::path target);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::span<const std::byte> bytes);  // appends
  void write(std::string_view text);             // appends
  void write_at(std::uint64_t offset,
                std::span<const std::byte> bytes);  // anywhere; the file grows as needed
  void reserve(
      std::uint64_t bytes);  // allocates disk space now, so that a full disk shows before the work
  void sync();  // what is written so far reaches the disk, still under the temporary name
  void commit();

 private:
  std::filesystem::path target_, temporary_;
  int descriptor_ = -1;
  std::uint64_t end_ = 0;
};

void write_file_atomically(const std::filesystem::path& path, std::string_view text);

// A folder filled under a temporary name beside the target and renamed when complete. Opening
// throws FormatError if the target exists (whatever it is) or its parent is missing or not
// writable. Without commit() the destructor removes the temporary with all it holds. Handlers of
// SIGINT and SIGTERM may call remove_unfinished_outputs().
class AtomicFolder {
 public:
  explicit AtomicFolder(std::filesystem::path target);
  ~AtomicFolder();
  AtomicFolder(const AtomicFolder&) = delete;
  AtomicFolder& operator=(const AtomicFolder&) = delete;

  const std::filesystem::path& path() const { return temporary_; }  // write here
  const std::filesystem::path& target() const { return target_; }
  void commit();

 private:
  std::filesystem::path target_, temporary_;
  bool committed_ = false;
};

// Renames a file that is complete, synced with its folder, within one file system. FormatError.
void move_durably(const std::filesystem::path& from, const std::filesystem::path& to);

// Removes the temporaries of all AtomicFolders and AtomicFiles that are still open in this process;
// for the thread that serves termination signals. The objects must not be used afterwards.
void remove_unfinished_outputs() noexcept;

}  // namespace pith

#include "pith/base/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <optional>
#include <utility>

#include "pith/base/error.h"
#include "pith/base/file_descriptor.h"
#include "pith/base/unfinished_outputs.h"

namespace pith {
namespace fs = std::filesystem;
namespace {

enum class Links { kFollow, kShow };

// What stands under a name; nothing if it is free (or its folder is not there, which check_parent
// tells). Throws FormatError if that cannot be known, as for a name that is too long.
std::optional<struct stat> status_of(const fs::path& path, Links links) {
  struct stat status {};
  if ((links == Links::kFollow ? ::stat(path.c_str(), &status) : ::lstat(path.c_str(), &status)) ==
      0)
    return status;
  if (errno != ENOENT && errno != ENOTDIR) fail_errno(path.string(), "cannot use this name");
  return std::nullopt;
}

void check_parent(const fs::path& target) {
  const fs::path parent = fs::absolute(target).parent_path();
  struct stat status {};
  if (::stat(parent.c_str(), &status) != 0)
    fail_errno(target.string(), "cannot use its folder " + parent.string());
  if (!S_ISDIR(status.st_mode))
    fail<FormatError>("{}: {} is not a folder", target.string(), parent.string());
}

void sync_descriptor(int descriptor, const fs::path& named) {
  // Some file systems have nothing to sync for folders and say so with EINVAL.
  if (::fsync(descriptor) != 0 && errno != EINVAL)
    fail_errno(named.string(), "cannot write to disk");
}

void sync_path(const fs::path& path, const fs::path& named) {
  const FileDescriptor descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!descriptor.valid()) fail_errno(named.string(), "cannot open for syncing");
  sync_descriptor(descriptor.get(), named);
}

// Links and special files are not followed: only what was written here matters.
void sync_tree(const fs::path& folder, const fs::path& target) {
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_symlink() || !(entry.is_regular_file() || entry.is_directory())) continue;
    sync_path(entry.path(), target / entry.path().lexically_relative(folder));
  }
  sync_path(folder, target);
}

// Renames and refuses an existing name, even where the file system lacks RENAME_NOREPLACE.
void rename_to_free_name(const fs::path& from, const fs::path& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return;
  if (errno == EINVAL || errno == ENOSYS) {
    if (status_of(to, Links::kShow))
      errno = EEXIST;
    else if (::rename(from.c_str(), to.c_str()) == 0)
      return;
  }
  fail_errno(to.string(), "cannot move the finished folder to its name");
}

// "out/" names the same folder as "out".
fs::path without_trailing_slash(fs::path path) {
  if (!path.has_filename() && path.has_relative_path()) path = path.parent_path();
  return path;
}

}  // namespace

AtomicFile::AtomicFile(fs::path target) : target_(std::move(target)) {
  if (!target_.has_filename())
    fail<FormatError>("'{}': expected the name of a file", target_.string());
  const auto status = status_of(target_, Links::kFollow);
  // A rename over a device such as /dev/null would destroy it.
  if (status && !S_ISREG(status->st_mode))
    fail<FormatError>("{}: expected a file or a free name, found {}",
                      target_.string(),
                      S_ISDIR(status->st_mode) ? "a folder" : "a device or pipe");
  check_parent(target_);
  do {
    if (descriptor_ >= 0) ::close(descriptor_);
    temporary_ = temporary_beside(target_);
    descriptor_ = ::open(temporary_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor_ < 0) fail_errno(target_.string(), "cannot create");
  } while (!add_unfinished(temporary_));
}

AtomicFile::~AtomicFile() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  discard_unfinished(temporary_);
}

void AtomicFile::write(std::span<const std::byte> bytes) { write_at(end_, bytes); }

void AtomicFile::write(std::string_view text) { write(std::as_bytes(std::span(text))); }

void AtomicFile::write_at(std::uint64_t offset, std::span<const std::byte> bytes) {
  PITH_CHECK(descriptor_ >= 0);
  while (!bytes.empty()) {
    const ssize_t count =
        ::pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) fail_errno(target_.string(), "cannot write");
    offset += static_cast<std::uint64_t>(count);
    bytes = bytes.subspan(static_cast<std::size_t>(count));
    end_ = std::max(end_, offset);
  }
}

void AtomicFile::reserve(std::uint64_t bytes) {
  PITH_CHECK(descriptor_ >= 0);
  if (bytes == 0) return;
  const std::string what = fmt::format("cannot reserve {} bytes", bytes);
  // Asked first: some file systems fill the disk before they find that it does not suffice.
  struct statvfs disk {};
  if (::fstatvfs(descriptor_, &disk) == 0 && bytes / disk.f_frsize > disk.f_bavail) {
    errno = ENOSPC;
    fail_errno(target_.string(), what);
  }
  int result = 0;
  do {
    result = ::fallocate(descriptor_, FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(bytes));
  } while (result != 0 && errno == EINTR);
  if (result != 0 && errno != EOPNOTSUPP) fail_errno(target_.string(), what);
}

void AtomicFile::sync() {
  PITH_CHECK(descriptor_ >= 0);
  sync_descriptor(descriptor_, target_);
}

void AtomicFile::commit() {
  PITH_CHECK(descriptor_ >= 0);
  // Gives back what reserve() allocated beyond the end.
  if (::ftruncate(descriptor_, static_cast<off_t>(end_)) != 0)
    fail_errno(target_.string(), "cannot set its size");
  sync_descriptor(descriptor_, target_);
  finish(temporary_, target_.string(), [this] {
    if (::rename(temporary_.c_str(), (temporary_.parent_path() / target_.filename()).c_str()) != 0)
      fail_errno(target_.string(), "cannot move the finished file to its name");
  });
  ::close(std::exchange(descriptor_, -1));
  sync_path(temporary_.parent_path(), target_);
}

void write_file_atomically(const fs::path& path, std::string_view text) {
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

AtomicFolder::AtomicFolder(fs::path target) : target_(without_trailing_slash(std::move(target))) {
  if (target_.empty()) fail<FormatError>("'': expected the name of a folder");
  if (const auto status = status_of(target_, Links::kShow))
    fail<FormatError>("{}: expected a free name, found {}; choose another name or remove it",
                      target_.string(),
                      S_ISDIR(status->st_mode) ? "a folder" : "a file");
  check_parent(target_);
  do {
    temporary_ = temporary_beside(target_);
    if (::mkdir(temporary_.c_str(), 0777) != 0) fail_errno(target_.string(), "cannot create");
  } while (!add_unfinished(temporary_));
}

AtomicFolder::~AtomicFolder() {
  if (!committed_) discard_unfinished(temporary_);
}

void AtomicFolder::commit() {
  PITH_CHECK(!committed_);
  try {
    sync_tree(temporary_, target_);
  } catch (const fs::filesystem_error& error) {
    fail<FormatError>("{}: cannot sync its files: {}", target_.string(), error.code().message());
  }
  const fs::path parent = temporary_.parent_path();
  finish(temporary_, target_.string(), [&] {
    rename_to_free_name(temporary_, parent / target_.filename());
  });
  committed_ = true;
  sync_path(parent, target_);
}

void move_durably(const fs::path& from, const fs::path& to) {
  sync_path(from, to);
  std::error_code error;
  fs::rename(from, to, error);
  if (error) fail<FormatError>("{}: cannot give it its name: {}", to.string(), error.message());
  sync_path(to.has_parent_path() ? to.parent_path() : fs::path("."), to);
}

}  // namespace pith

#include "pith/base/unfinished_outputs.h"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>
#include <fstream>
#include <map>
#include <mutex>
#include <random>
#include <utility>

#include "pith/base/atomic_file.h"
#include "pith/base/error.h"
#include "pith/base/file_descriptor.h"

namespace pith {
namespace fs = std::filesystem;
namespace {

struct Unfinished {
  std::mutex mutex;
  std::map<fs::path, FileDescriptor> temporaries;  // with what holds the lock
};

Unfinished& unfinished() {
  // Never destroyed: the thread that serves signals may need it while statics go.
  static auto& list = *new Unfinished;
  return list;
}

void remove_tree(const fs::path& path) noexcept {
  constexpr int kAttempts = 8;  // other threads may still create files in it
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    std::error_code error;
    fs::remove_all(path, error);
    if (!error) return;
  }
}

// Locks are known to the processes of one machine, so only what was made on it is looked at.
std::string boot_name() {
  std::string id;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> id;
  return id.substr(0, id.find('-'));
}

// ".NAME.partial-BOOT-"
std::string start_of_temporaries(const fs::path& target) {
  constexpr std::size_t kMaxNameBytes = 200;  // of the 255 that file systems allow
  const std::string name = target.filename().string().substr(0, kMaxNameBytes);
  return fmt::format(".{}.partial-{}-", name, boot_name());
}

FileDescriptor open_to_lock(const fs::path& path) {
  return FileDescriptor(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
}

// Those that nobody has a lock on.
void remove_abandoned(const fs::path& folder, const std::string& start) {
  std::error_code error;  // of a folder that cannot be listed: whoever writes there will tell
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    const fs::path& path = entry->path();
    if (!path.filename().string().starts_with(start)) continue;
    const FileDescriptor opened = open_to_lock(path);
    if (opened.valid() && ::flock(opened.get(), LOCK_EX | LOCK_NB) == 0) remove_tree(path);
  }
}

}  // namespace

fs::path temporary_beside(const fs::path& target) {
  const std::string start = start_of_temporaries(target);
  const fs::path folder = fs::absolute(target).parent_path();
  remove_abandoned(folder, start);
  return folder / fmt::format("{}{:08x}", start, std::random_device{}());
}

bool add_unfinished(const fs::path& temporary) {
  FileDescriptor opened = open_to_lock(temporary);
  // Where files cannot be locked, nobody takes them for abandoned either.
  const bool taken = opened.valid()
                         ? ::flock(opened.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK
                         : errno == ENOENT;
  if (taken) return false;
  const std::lock_guard lock(unfinished().mutex);
  unfinished().temporaries.emplace(temporary, std::move(opened));
  return true;
}

void discard_unfinished(const fs::path& temporary) noexcept {
  {
    const std::lock_guard lock(unfinished().mutex);
    if (unfinished().temporaries.erase(temporary) == 0) return;
  }
  remove_tree(temporary);
}

void finish(const fs::path& temporary,
            const std::string& target,
            const std::function<void()>& rename) {
  const std::lock_guard lock(unfinished().mutex);
  if (!unfinished().temporaries.contains(temporary))
    fail<FormatError>("{}: interrupted before it was complete", target);
  rename();
  unfinished().temporaries.erase(temporary);
}

void remove_unfinished_outputs() noexcept {
  const std::lock_guard lock(unfinished().mutex);
  for (const auto& [temporary, lock_of_it] : unfinished().temporaries) remove_tree(temporary);
  unfinished().temporaries.clear();
}

}  // namespace pith

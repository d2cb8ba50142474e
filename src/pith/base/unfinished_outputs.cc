#include "pith/base/unfinished_outputs.h"

#include <unistd.h>

#include <mutex>
#include <random>
#include <set>

#include "pith/base/atomic_file.h"
#include "pith/base/error.h"

namespace pith {
namespace fs = std::filesystem;
namespace {

struct Unfinished {
  std::mutex mutex;
  std::set<fs::path> temporaries;
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

}  // namespace

fs::path temporary_beside(const fs::path& target) {
  constexpr std::size_t kMaxNameBytes = 200;  // of the 255 that file systems allow
  const std::string name = target.filename().string().substr(0, kMaxNameBytes);
  const std::string temporary =
      fmt::format(".{}.partial-{}-{:08x}", name, ::getpid(), std::random_device{}());
  return fs::absolute(target).parent_path() / temporary;
}

void add_unfinished(const fs::path& temporary) {
  const std::lock_guard lock(unfinished().mutex);
  unfinished().temporaries.insert(temporary);
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
  for (const fs::path& temporary : unfinished().temporaries) remove_tree(temporary);
  unfinished().temporaries.clear();
}

}  // namespace pith

#include "pith/base/memory.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "pith/base/background_thread.h"
#include "pith/base/file_descriptor.h"

namespace pith {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kSampleInterval = std::chrono::milliseconds(2);
constexpr auto kTreeInterval = std::chrono::milliseconds(50);
// Looking for children reads a file for each process of the machine: let it take at most a fiftieth
// of the time.
constexpr int kTreeCostFactor = 50;

// A file of /proc; "" if the process is gone. 4 KiB hold every file read here.
std::string_view read_proc(int descriptor, std::array<char, 4096>& buffer) {
  const ssize_t count = descriptor < 0 ? -1 : ::pread(descriptor, buffer.data(), buffer.size(), 0);
  return {buffer.data(), count < 0 ? 0 : static_cast<std::size_t>(count)};
}

std::string_view read_proc(const char* path, std::array<char, 4096>& buffer) {
  const FileDescriptor file(::open(path, O_RDONLY | O_CLOEXEC));
  return read_proc(file.get(), buffer);
}

std::uint64_t leading_number(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// "RssAnon:      123 kB" in bytes; 0 where there is none (kernel threads).
std::uint64_t status_bytes(std::string_view status, std::string_view field) {
  const std::size_t at = status.find(field);
  return at == std::string_view::npos ? 0 : leading_number(status.substr(at + field.size())) * 1024;
}

MemoryUse use_of(const char* process) {
  std::array<char, 4096> buffer;
  const std::string_view status =
      read_proc(fmt::format("/proc/{}/status", process).c_str(), buffer);
  return {
      .resident_bytes = status_bytes(status, "\nRssAnon:") + status_bytes(status, "\nRssShmem:"),
      .mapped_file_bytes = status_bytes(status, "\nRssFile:")};
}

struct Process {
  int id, parent;
};

// The fields after the name, which may hold anything, also ")": "12 (a) b) S 1 ...".
std::optional<Process> process_of(const char* id) {
  std::array<char, 4096> buffer;
  const std::string_view stat = read_proc(fmt::format("/proc/{}/stat", id).c_str(), buffer);
  const std::size_t name_end = stat.rfind(')');
  if (name_end == std::string_view::npos || stat.size() < name_end + 4) return std::nullopt;
  return Process{static_cast<int>(leading_number(id)),
                 static_cast<int>(leading_number(stat.substr(name_end + 4)))};
}

// All descendants of this process. Read from /proc/PID/stat, since many kernels have no
// /proc/PID/task/TID/children.
std::vector<int> descendants() {
  std::vector<Process> processes;
  DIR* folder = ::opendir("/proc");
  if (folder == nullptr) return {};
  while (const dirent* entry = ::readdir(folder)) {
    if (entry->d_name[0] < '1' || entry->d_name[0] > '9') continue;
    if (const auto process = process_of(entry->d_name)) processes.push_back(*process);
  }
  ::closedir(folder);
  std::vector<int> family{::getpid()};
  for (std::size_t i = 0; i < family.size(); ++i)
    for (const Process& process : processes)
      if (process.parent == family[i] && process.id != family[0]) family.push_back(process.id);
  family.erase(family.begin());
  return family;
}

MemoryUse use_of_descendants() {
  MemoryUse total;
  for (const int id : descendants()) {
    const MemoryUse use = use_of(std::to_string(id).c_str());
    total.resident_bytes += use.resident_bytes;
    total.mapped_file_bytes += use.mapped_file_bytes;
  }
  return total;
}

// Samples this process by /proc/self/statm, a tenth of the cost of status, and adds what statm does
// not tell (RssShmem) and the children, read less often.
class Meter {
 public:
  std::uint64_t sample() {
    const std::lock_guard lock(mutex_);
    const auto now = Clock::now();
    if (now >= next_tree_) look_around(now);
    raise(private_bytes() + beside_);
    return peak_;
  }

  MemoryUse look() {
    const std::lock_guard lock(mutex_);
    return look_around(Clock::now());
  }

  void reset() {
    const std::lock_guard lock(mutex_);
    peak_ = 0;
    look_around(Clock::now());
  }

 private:
  // resident - shared of statm: RssAnon.
  std::uint64_t private_bytes() {
    std::array<char, 4096> buffer;
    std::string_view text = read_proc(statm_.get(), buffer);
    std::array<std::uint64_t, 3> pages{};  // size, resident, shared
    for (std::uint64_t& field : pages) {
      field = leading_number(text);
      text.remove_prefix(std::min(text.find(' '), text.size()));
      text.remove_prefix(std::min<std::size_t>(1, text.size()));
    }
    return (pages[1] - std::min(pages[1], pages[2])) * page_bytes_;
  }

  MemoryUse look_around(Clock::time_point now) {
    const MemoryUse self = use_of("self"), others = use_of_descendants();
    const MemoryUse all{.resident_bytes = self.resident_bytes + others.resident_bytes,
                        .mapped_file_bytes = self.mapped_file_bytes + others.mapped_file_bytes};
    const std::uint64_t own = private_bytes();
    beside_ = all.resident_bytes - std::min(own, self.resident_bytes);
    raise(all.resident_bytes);
    const auto done = Clock::now();
    next_tree_ = done + std::max<Clock::duration>(kTreeInterval, kTreeCostFactor * (done - now));
    return all;
  }

  void raise(std::uint64_t bytes) { peak_ = std::max(peak_, bytes); }

  std::mutex mutex_;
  FileDescriptor statm_{::open("/proc/self/statm", O_RDONLY | O_CLOEXEC)};
  std::uint64_t page_bytes_ = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  std::uint64_t beside_ =
      0;  // RssShmem of this process and all of its children, when last looked at
  std::uint64_t peak_ = 0;
  Clock::time_point next_tree_{};
};

Meter& meter() {
  // Never destroyed: the sampling thread runs until the process ends.
  static auto& the_meter = *new Meter;
  return the_meter;
}

}  // namespace

MemoryUse memory_now() { return meter().look(); }

void start_memory_meter() {
  static std::once_flag once;
  std::call_once(once, [] {
    meter().reset();
    try {
      start_background_thread([] {
        for (;; std::this_thread::sleep_for(kSampleInterval)) meter().sample();
      }).detach();
    } catch (const std::system_error&) {
      // No thread left: the peak is then what the calls themselves see.
    }
  });
}

std::uint64_t memory_peak_bytes() { return meter().sample(); }

void reset_memory_peak() { meter().reset(); }

}  // namespace pith

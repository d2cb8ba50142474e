#include "pith/base/threads.h"

#include <sched.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <exception>
#include <fstream>
#include <mutex>
#include <set>
#include <string>
#include <system_error>
#include <vector>

#include "pith/base/background_thread.h"
#include "pith/base/error.h"

namespace pith {
namespace {

constexpr int kMaxThreads = 1024;
// About 2 microseconds: catches the next of a row of short calls, yet leaves the core to other
// pools (OpenMP of torch).
constexpr int kSpins = 64;
// Ranges a thread gets on average: enough to even out cores of different speed.
constexpr std::size_t kRangesPerThread = 8;

thread_local bool inside_parallel_for = false;

void pause_briefly() { __builtin_ia32_pause(); }

// The processors in this process's affinity mask.
std::vector<int> allowed_processors() {
  for (std::size_t count = 1024; count <= std::size_t{1} << 20; count *= 2) {
    std::vector<cpu_set_t> mask(count / (8 * sizeof(cpu_set_t)));
    const std::size_t bytes = mask.size() * sizeof(cpu_set_t);
    if (::sched_getaffinity(0, bytes, mask.data()) != 0) {
      if (errno == EINVAL) continue;  // the kernel knows more processors than the mask holds
      break;
    }
    std::vector<int> processors;
    for (std::size_t i = 0; i < count; ++i)
      if (CPU_ISSET_S(i, bytes, mask.data())) processors.push_back(static_cast<int>(i));
    return processors;
  }
  return {};
}

// The hyper-threads that share a core with `processor`, "0,4"; its own number where the kernel does
// not tell.
std::string core_name(int processor) {
  std::ifstream file(
      fmt::format("/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list", processor));
  std::string siblings;
  if (!std::getline(file, siblings) || siblings.empty()) return fmt::format("only {}", processor);
  return siblings;
}

struct Job {
  const std::function<void(std::size_t, std::size_t)>* body;
  std::size_t count;
  std::size_t range;  // items a call of body gets
  std::atomic<std::size_t> next{0};
  std::mutex mutex{};
  std::exception_ptr failure{};  // guarded by mutex
};

// Takes ranges until none is left. After a failure the rest is skipped.
void work(Job& job) {
  const bool was_inside = std::exchange(inside_parallel_for, true);
  for (;;) {
    const std::size_t first = job.next.fetch_add(job.range, std::memory_order_relaxed);
    if (first >= job.count) break;
    try {
      (*job.body)(first, first + std::min(job.range, job.count - first));
    } catch (...) {
      const std::lock_guard lock(job.mutex);
      if (!job.failure) job.failure = std::current_exception();
      job.next.store(job.count, std::memory_order_relaxed);
    }
  }
  inside_parallel_for = was_inside;
}

// Sleeping helpers and one job at a time. Whoever sees the job may join it; the caller waits only
// for those who did, so a helper that wakes late costs nothing.
class Pool {
 public:
  // False if another thread's job is running.
  bool run(Job& job, int threads) {
    const std::unique_lock busy(busy_, std::try_to_lock);
    if (!busy.owns_lock()) return false;
    hire(threads - 1);
    {
      const std::lock_guard lock(mutex_);
      job_ = &job;
      wanted_ = threads - 1;
      generation_.fetch_add(1, std::memory_order_release);
    }
    wake_.notify_all();
    work(job);
    dismiss();
    return true;
  }

 private:
  // Helpers are never fewer than asked unless the system has no thread left.
  void hire(int helpers) {
    try {
      for (; helpers_ < helpers; ++helpers_) start_background_thread([this] { serve(); }).detach();
    } catch (const std::system_error&) {
    }
  }

  void serve() {
    std::uint64_t seen = 0;
    for (;;) {
      for (int i = 0; i < kSpins && generation_.load(std::memory_order_acquire) == seen; ++i)
        pause_briefly();
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [&] { return generation_.load(std::memory_order_relaxed) != seen; });
      seen = generation_.load(std::memory_order_relaxed);
      if (job_ == nullptr || wanted_ == 0) continue;
      --wanted_;
      Job& job = *job_;
      active_.fetch_add(1, std::memory_order_relaxed);
      lock.unlock();
      work(job);
      lock.lock();
      if (active_.fetch_sub(1, std::memory_order_release) == 1) idle_.notify_one();
    }
  }

  void dismiss() {
    for (int i = 0; i < kSpins && active_.load(std::memory_order_relaxed) != 0; ++i)
      pause_briefly();
    std::unique_lock lock(mutex_);
    job_ = nullptr;
    idle_.wait(lock, [&] { return active_.load(std::memory_order_acquire) == 0; });
  }

  std::mutex busy_;  // held while a job runs
  int helpers_ = 0;  // guarded by busy_

  std::mutex mutex_;
  std::condition_variable wake_, idle_;
  std::atomic<std::uint64_t> generation_{0};  // changed under mutex_
  std::atomic<int> active_{0};                // helpers inside job_; changed under mutex_
  Job* job_ = nullptr;                        // guarded by mutex_
  int wanted_ = 0;                            // helpers that may still join; guarded by mutex_
};

Pool& pool() {
  // Never destroyed: exit() from the thread that serves signals must not wait for a running job.
  static auto& the_pool = *new Pool;
  return the_pool;
}

std::atomic<int>& thread_setting() {
  static std::atomic<int> threads{physical_cores()};
  return threads;
}

}  // namespace

std::thread start_background_thread(std::function<void()> body) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    std::thread thread(std::move(body));
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return thread;
  } catch (...) {
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    throw;
  }
}

int physical_cores() {
  std::set<std::string> cores;
  for (const int processor : allowed_processors()) cores.insert(core_name(processor));
  return std::clamp(static_cast<int>(cores.size()), 1, kMaxThreads);
}

int num_threads() { return thread_setting().load(std::memory_order_relaxed); }

void set_num_threads(int n) {
  require(n >= 1 && n <= kMaxThreads, "threads: expected 1 to {}, found {}", kMaxThreads, n);
  thread_setting().store(n, std::memory_order_relaxed);
}

void parallel_for(std::size_t count,
                  std::size_t grain,
                  const std::function<void(std::size_t, std::size_t)>& body) {
  if (count == 0) return;
  grain = std::max<std::size_t>(grain, 1);
  const std::size_t grains = (count - 1) / grain + 1;
  const auto threads = std::min(static_cast<std::size_t>(num_threads()), grains);
  if (threads == 1 || inside_parallel_for) return body(0, count);
  const std::size_t grains_per_range =
      std::max<std::size_t>(1, grains / (threads * kRangesPerThread));
  Job job{.body = &body, .count = count, .range = grains_per_range * grain};
  if (!pool().run(job, static_cast<int>(threads))) return body(0, count);
  if (job.failure) std::rethrow_exception(job.failure);
}

}  // namespace pith

#include "pith/base/threads.h"

#include <gmock/gmock.h>
#include <sched.h>
#include <time.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "pith/base/background_thread.h"
#include "pith/base/error.h"
#include "pith/base/test_support.h"

namespace pith {
namespace {

class ThreadsTest : public testing::TestWithParam<int> {
 protected:
  void SetUp() override { set_num_threads(GetParam()); }
  void TearDown() override { set_num_threads(physical_cores()); }
};
INSTANTIATE_TEST_SUITE_P(Counts, ThreadsTest, testing::Values(1, 2, 3, 8));

TEST_P(ThreadsTest, RangesCoverEachIndexOnce) {
  for (const std::size_t count : {0, 1, 2, 7, 64, 1000, 10007})
    for (const std::size_t grain : {0, 1, 3, 64, 20000}) {
      SCOPED_TRACE(fmt::format("count={} grain={}", count, grain));
      std::vector<std::atomic<int>> seen(count);
      parallel_for(count, grain, [&](std::size_t first, std::size_t last) {
        EXPECT_LT(first, last);
        if (grain > 0) {
          EXPECT_EQ(first % grain, 0u);
          EXPECT_TRUE(last == count || last % grain == 0);
        }
        for (std::size_t i = first; i < last; ++i) ++seen[i];
      });
      for (std::size_t i = 0; i < count; ++i) ASSERT_EQ(seen[i], 1) << i;
    }
}

TEST_P(ThreadsTest, ManyShortCallsInARow) {
  std::atomic<std::size_t> sum{0};
  for (int round = 0; round < 5000; ++round)
    parallel_for(16, 1, [&](std::size_t first, std::size_t last) { sum += last - first; });
  EXPECT_EQ(sum, 16u * 5000);
}

TEST_P(ThreadsTest, ExceptionsReachTheCallerAfterAllHaveEnded) {
  for (int round = 0; round < 100; ++round) {
    std::atomic<int> inside{0};
    const std::string message = message_of<FormatError>([&] {
      parallel_for(1000, 1, [&](std::size_t, std::size_t last) {
        ++inside;
        const auto leave = [&](int* count) { (void)count, --inside; };
        int token = 0;
        const std::unique_ptr<int, decltype(leave)> guard(&token, leave);
        if (last > 100) fail<FormatError>("tensor is broken");
      });
    });
    EXPECT_EQ(message, "tensor is broken");
    EXPECT_EQ(inside, 0);
  }
  int calls = 0;
  parallel_for(1, 1, [&](std::size_t, std::size_t) { ++calls; });  // the pool still works
  EXPECT_EQ(calls, 1);
}

TEST_P(ThreadsTest, NestedCallsRunInline) {
  std::atomic<int> sum{0};
  parallel_for(20, 1, [&](std::size_t first, std::size_t last) {
    for (std::size_t i = first; i < last; ++i) {
      const auto outer = std::this_thread::get_id();
      parallel_for(10, 1, [&](std::size_t from, std::size_t to) {
        EXPECT_TRUE(GetParam() == 1 || std::this_thread::get_id() == outer);
        sum += static_cast<int>(to - from);
      });
    }
  });
  EXPECT_EQ(sum, 200);
}

TEST_P(ThreadsTest, CallersOnSeveralThreadsDoNotDisturbEachOther) {
  std::atomic<std::size_t> sum{0};
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i)
    callers.emplace_back([&] {
      for (int round = 0; round < 200; ++round)
        parallel_for(100, 3, [&](std::size_t first, std::size_t last) { sum += last - first; });
    });
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(sum, 4u * 200 * 100);
}

TEST_P(ThreadsTest, UsesAsManyThreadsAsAsked) {
  std::mutex mutex;
  std::set<std::thread::id> ids;
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  // Each range waits until all threads have come, so that none can take two.
  parallel_for(GetParam(), 1, [&](std::size_t, std::size_t) {
    const auto all_here = [&] {
      const std::lock_guard lock(mutex);
      ids.insert(std::this_thread::get_id());
      return ids.size() == static_cast<std::size_t>(GetParam());
    };
    while (!all_here() && std::chrono::steady_clock::now() < give_up) std::this_thread::yield();
  });
  EXPECT_EQ(ids.size(), static_cast<std::size_t>(GetParam()));
}

double processor_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

TEST(Threads, IdleHelpersSleep) {
  set_num_threads(4);
  parallel_for(1000, 1, [](std::size_t, std::size_t) {});
  const double before = processor_seconds();
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  EXPECT_LT(processor_seconds() - before, 0.05);  // three spinning helpers would burn 0.4 to 0.6 s
  set_num_threads(physical_cores());
}

TEST(Threads, TheSettingIsBounded) {
  const int before = num_threads();
  EXPECT_EQ(before, physical_cores());
  EXPECT_EQ(message_of<UserError>([] { set_num_threads(0); }),
            "threads: expected 1 to 1024, found 0");
  EXPECT_EQ(message_of<UserError>([] { set_num_threads(1025); }),
            "threads: expected 1 to 1024, found 1025");
  EXPECT_EQ(num_threads(), before);
}

TEST(Threads, PhysicalCoresFollowTheAffinityMask) {
  cpu_set_t before;
  ASSERT_EQ(::sched_getaffinity(0, sizeof(before), &before), 0);
  EXPECT_GE(physical_cores(), 1);
  EXPECT_LE(physical_cores(), CPU_COUNT(&before));
  cpu_set_t one;
  CPU_ZERO(&one);
  for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++i)
    if (CPU_ISSET(i, &before)) CPU_SET(i, &one);
  ASSERT_EQ(::sched_setaffinity(0, sizeof(one), &one), 0);
  EXPECT_EQ(physical_cores(), 1);
  ASSERT_EQ(::sched_setaffinity(0, sizeof(before), &before), 0);
}

TEST(BackgroundThread, TakesNoSignals) {
  sigset_t before, inside, after;
  ASSERT_EQ(pthread_sigmask(SIG_SETMASK, nullptr, &before), 0);
  start_background_thread([&] { pthread_sigmask(SIG_SETMASK, nullptr, &inside); }).join();
  ASSERT_EQ(pthread_sigmask(SIG_SETMASK, nullptr, &after), 0);
  EXPECT_EQ(sigismember(&inside, SIGINT), 1);
  EXPECT_EQ(sigismember(&inside, SIGTERM), 1);
  EXPECT_EQ(sigismember(&after, SIGINT), sigismember(&before, SIGINT));
}

}  // namespace
}  // namespace pith

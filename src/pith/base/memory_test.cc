#include "pith/base/memory.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <thread>

#include "pith/base/mapped_file.h"
#include "pith/base/test_support.h"

namespace pith {
namespace {

constexpr std::size_t kBlock = std::size_t{64} << 20;
constexpr std::size_t kSlack = std::size_t{8}
                               << 20;  // what the rest of the process may come and go by

// A mapping of its own, so that freeing it gives the pages back at once.
class Pages {
 public:
  explicit Pages(int sharing)
      : start_(::mmap(nullptr, kBlock, PROT_READ | PROT_WRITE, sharing | MAP_ANONYMOUS, -1, 0)) {
    std::memset(start_, 1, kBlock);
  }
  ~Pages() { ::munmap(start_, kBlock); }

 private:
  void* start_;
};

TEST(Memory, CountsPrivateAndSharedPages) {
  const std::uint64_t before = memory_now().resident_bytes;
  for (const int sharing : {MAP_PRIVATE, MAP_SHARED}) {
    const Pages pages(sharing);
    const std::uint64_t with = memory_now().resident_bytes;
    EXPECT_NEAR(static_cast<double>(with - before), kBlock, kSlack);
  }
  EXPECT_LT(memory_now().resident_bytes, before + kSlack);
}

TEST(Memory, FilePagesAreApart) {
  const TestFolder folder;
  write_plainly(folder / "file", std::string(kBlock, 'x'));
  const MemoryUse before = memory_now();
  const MappedFile file(folder / "file");
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < kBlock; i += 4096) sum += static_cast<std::uint64_t>(file.bytes()[i]);
  EXPECT_EQ(sum, kBlock / 4096 * 'x');
  const MemoryUse with = memory_now();
  EXPECT_LT(with.resident_bytes, before.resident_bytes + kSlack);
  EXPECT_NEAR(
      static_cast<double>(with.mapped_file_bytes - before.mapped_file_bytes), kBlock, kSlack);
  file.dont_need(file.bytes());
  EXPECT_LT(memory_now().mapped_file_bytes, before.mapped_file_bytes + kSlack);
}

TEST(Memory, CountsChildren) {
  const std::uint64_t before = memory_now().resident_bytes;
  int ready[2], leave[2];
  ASSERT_EQ(::pipe(ready), 0);
  ASSERT_EQ(::pipe(leave), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    void* start =
        ::mmap(nullptr, kBlock, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    std::memset(start, 1, kBlock);
    char c = 0;
    if (::write(ready[1], &c, 1) != 1 || ::read(leave[0], &c, 1) != 1) ::_exit(1);
    ::_exit(0);
  }
  char c = 0;
  ASSERT_EQ(::read(ready[0], &c, 1), 1);
  EXPECT_GT(memory_now().resident_bytes, before + kBlock - kSlack);
  ASSERT_EQ(::write(leave[1], &c, 1), 1);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  for (const int end : {ready[0], ready[1], leave[0], leave[1]}) ::close(end);
}

TEST(MemoryMeter, SeesAShortPeakAndForgetsItAtReset) {
  start_memory_meter();
  start_memory_meter();  // once a process: the second call does nothing
  reset_memory_peak();
  const std::uint64_t before = memory_now().resident_bytes;
  {
    const Pages pages(MAP_PRIVATE);
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
  }
  EXPECT_NEAR(static_cast<double>(memory_peak_bytes() - before), kBlock, kSlack);
  reset_memory_peak();
  EXPECT_LT(memory_peak_bytes(), before + kSlack);
  EXPECT_GE(memory_peak_bytes() + kSlack, memory_now().resident_bytes);
}

TEST(MemoryMeter, SamplingIsCheap) {
  start_memory_meter();
  timespec before{}, after{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
  const double seconds = static_cast<double>(after.tv_sec - before.tv_sec) +
                         1e-9 * static_cast<double>(after.tv_nsec - before.tv_nsec);
  EXPECT_LT(seconds, 0.05);  // a tenth of a core would be far too much; about 0.01 s here
}

}  // namespace
}  // namespace pith

#include "pith/base/progress.h"

#include <gmock/gmock.h>
#include <pty.h>
#include <unistd.h>

#include <thread>

#include "pith/base/log.h"

namespace pith {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

TEST(ProgressLine, ShowsAllParts) {
  EXPECT_EQ(progress_line({.label = "quantize",
                           .unit = "matrices",
                           .done = 12,
                           .total = 210,
                           .seconds = 4,
                           .memory_bytes = 214u << 20,
                           .peak_bytes = 301u << 20}),
            "quantize [=>                  ] 12/210 matrices  3.00/s  ETA 1:06  mem 214 MiB (peak "
            "301 MiB)");
}

TEST(ProgressLine, EdgesAreSane) {
  EXPECT_EQ(progress_line({.unit = "x", .done = 0, .total = 5}),
            "[>                   ] 0/5 x  mem 0 B (peak 0 B)");
  EXPECT_THAT(progress_line({.unit = "x", .done = 5, .total = 5, .seconds = 1}),
              StartsWith("[====================] 5/5 x  5.00/s  ETA 0:00"));
  EXPECT_THAT(progress_line({.unit = "x", .done = 7, .total = 5, .seconds = 1}),
              HasSubstr("] 5/5 x"));
  EXPECT_THAT(progress_line({.unit = "x", .done = 0, .total = 0, .seconds = 1}),
              StartsWith("[====================] 0/0 x  mem"));
  EXPECT_THAT(progress_line({.unit = "x", .done = 1, .total = 3601, .seconds = 2}),
              HasSubstr("0.50/s  ETA 2:00:00"));
  EXPECT_THAT(progress_line({.unit = "x", .done = 1, .total = ~std::uint64_t{0}, .seconds = 1e9}),
              HasSubstr("ETA 277777:46:40"));
}

// Makes stderr a terminal (or a pipe) and hands over what was written to it.
class CapturedStderr {
 public:
  enum class As { kTerminal, kPipe };
  explicit CapturedStderr(As as) : saved_(::dup(STDERR_FILENO)) {
    int ends[2];
    const int result = as == As::kTerminal
                           ? ::openpty(&ends[0], &ends[1], nullptr, nullptr, nullptr)
                           : ::pipe(ends);
    if (result != 0) throw std::runtime_error("no terminal to test with");
    ::dup2(ends[1], STDERR_FILENO);
    ::close(ends[1]);
    reader_ = std::thread([this, end = ends[0]] {
      char buffer[4096];
      for (ssize_t count; (count = ::read(end, buffer, sizeof buffer)) > 0;)
        text_.append(buffer, static_cast<std::size_t>(count));
      ::close(end);
    });
  }
  std::string finish() {
    std::fflush(stderr);
    ::dup2(saved_, STDERR_FILENO);
    ::close(saved_);
    reader_.join();
    return text_;
  }

 private:
  int saved_;
  std::thread reader_;
  std::string text_;
};

TEST(Progress, DrawsOnATerminal) {
  CapturedStderr captured(CapturedStderr::As::kTerminal);
  {
    Progress progress("walk", 3, "blocks");
    for (int i = 0; i < 3; ++i) progress.advance();
    log_warning("[walk] block={}", 2);
  }
  const std::string text = captured.finish();
  EXPECT_THAT(text, HasSubstr("\r\x1b[Kwalk [====================] 3/3 blocks"));
  EXPECT_THAT(text, HasSubstr("warning: [walk] block=2"));
  EXPECT_THAT(text, EndsWith("\n"));
}

TEST(Progress, DrawsAtMostTenTimesASecond) {
  CapturedStderr captured(CapturedStderr::As::kTerminal);
  const auto start = std::chrono::steady_clock::now();
  {
    Progress progress("", 1 << 20, "x");
    while (std::chrono::steady_clock::now() - start < std::chrono::milliseconds(250))
      progress.advance();
  }
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  const std::string text = captured.finish();
  const auto drawings =
      std::count(text.begin(), text.end(), '[') / 2;  // the erasure and the bar have one each
  EXPECT_GE(drawings, 2);
  EXPECT_LE(drawings, elapsed.count() * 10 + 1);  // and the last one, at the end
}

TEST(Progress, ALogLineTakesTheDrawnLineAway) {
  CapturedStderr captured(CapturedStderr::As::kTerminal);
  {
    Progress progress("", 2, "x");
    std::this_thread::sleep_for(std::chrono::milliseconds(110));
    progress.advance();
    log_info("[a] b=1");
  }
  EXPECT_THAT(captured.finish(), HasSubstr(")\r\x1b[K[a] b=1\r\n"));
}

TEST(Progress, IsQuietElsewhere) {
  CapturedStderr captured(CapturedStderr::As::kPipe);
  { Progress("walk", 3, "blocks").advance(3); }
  EXPECT_EQ(captured.finish(), "");
}

TEST(Progress, IsQuietWhenDisabled) {
  CapturedStderr captured(CapturedStderr::As::kTerminal);
  set_progress_enabled(false);
  { Progress("walk", 3, "blocks").advance(3); }
  set_progress_enabled(true);
  EXPECT_EQ(captured.finish(), "");
}

}  // namespace
}  // namespace pith

#include "pith/base/log.h"

#include <gtest/gtest.h>

namespace pith {
namespace {

TEST(Log, LinesGoToStderrWithTheirLevel) {
  testing::internal::CaptureStderr();
  log_info("[stage] key={} {{}}", 1);
  log_warning("[stage] lost={}", 2);
  log_line(LogLevel::kError, "100% {} %v");  // no format of anybody
  log_line(LogLevel::kDebug, "unseen by default");
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "[stage] key=1 {}\nwarning: [stage] lost=2\nerror: 100% {} %v\n");
}

TEST(Log, TheLevelFilters) {
  testing::internal::CaptureStderr();
  set_log_level(LogLevel::kWarning);
  log_info("unseen");
  log_warning("seen");
  set_log_level(LogLevel::kDebug);
  log_line(LogLevel::kDebug, "seen");
  set_log_level(LogLevel::kInfo);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "warning: seen\ndebug: seen\n");
}

}  // namespace
}  // namespace pith

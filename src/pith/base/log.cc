#include "pith/base/log.h"

#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <memory>

#include "pith/base/progress.h"

namespace pith {
namespace {

struct LevelRow {
  LogLevel level;
  spdlog::level::level_enum spdlog_level;
  std::string_view prefix;
};
constexpr LevelRow kLevels[] = {
    {LogLevel::kDebug, spdlog::level::debug, "debug: "},
    {LogLevel::kInfo, spdlog::level::info, ""},
    {LogLevel::kWarning, spdlog::level::warn, "warning: "},
    {LogLevel::kError, spdlog::level::err, "error: "},
};

const LevelRow& row_of(LogLevel level) { return kLevels[static_cast<std::size_t>(level)]; }

spdlog::logger& logger() {
  // Never destroyed: threads may log while statics go.
  static spdlog::logger& the_logger = []() -> spdlog::logger& {
    auto* created = new spdlog::logger("pith", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    created->set_pattern("%v");
    created->flush_on(spdlog::level::debug);
    return *created;
  }();
  return the_logger;
}

}  // namespace

void set_log_level(LogLevel level) { logger().set_level(row_of(level).spdlog_level); }

void log_line(LogLevel level, std::string_view text) {
  const LevelRow& row = row_of(level);
  if (!logger().should_log(row.spdlog_level)) return;
  erase_progress_line();
  logger().log(row.spdlog_level, fmt::format("{}{}", row.prefix, text));
}

}  // namespace pith

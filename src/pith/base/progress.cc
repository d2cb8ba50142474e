#include "pith/base/progress.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>

#include <fmt/format.h>

#include "pith/base/memory.h"
#include "pith/base/size.h"

namespace pith {
namespace {

constexpr auto kRedrawInterval = std::chrono::milliseconds(100);
constexpr std::size_t kBarCells = 20;
constexpr std::string_view kEraseLine = "\r\x1b[K";

std::atomic<bool>& allowed() {
  static std::atomic<bool> allowed{true};
  return allowed;
}

std::atomic<bool>& line_is_drawn() {
  static std::atomic<bool> drawn{false};
  return drawn;
}

void print(const std::string& text) {
  std::fputs(text.c_str(), stderr);
  std::fflush(stderr);
}

std::string bar(double fraction) {
  const auto filled = static_cast<std::size_t>(fraction * kBarCells);
  std::string cells(filled, '=');
  if (filled < kBarCells) cells += '>';
  cells.resize(kBarCells, ' ');
  return cells;
}

// "1:04", "2:00:09"
std::string clock_text(double seconds) {
  const auto whole = static_cast<std::uint64_t>(std::ceil(std::min(seconds, 1e9)));
  const std::uint64_t hours = whole / 3600, minutes = whole / 60 % 60;
  if (hours > 0) return fmt::format("{}:{:02}:{:02}", hours, minutes, whole % 60);
  return fmt::format("{}:{:02}", minutes, whole % 60);
}

// Three figures: "0.31", "3.10", "31.0", "3100".
std::string rate_text(double rate) {
  return fmt::format("{:.{}f}", rate, rate < 9.995 ? 2 : rate < 99.95 ? 1 : 0);
}

}  // namespace

std::string progress_line(const ProgressState& state) {
  const std::uint64_t done = std::min(state.done, state.total);
  const double fraction =
      state.total == 0 ? 1.0 : static_cast<double>(done) / static_cast<double>(state.total);
  const double rate = state.seconds > 0 ? static_cast<double>(done) / state.seconds : 0.0;
  std::string line = state.label.empty() ? "" : state.label + " ";
  line += fmt::format("[{}] {}/{} {}", bar(fraction), done, state.total, state.unit);
  if (rate > 0) {
    line += fmt::format("  {}/s  ETA {}",
                        rate_text(rate),
                        clock_text(static_cast<double>(state.total - done) / rate));
  }
  line += fmt::format(
      "  mem {} (peak {})", format_size(state.memory_bytes), format_size(state.peak_bytes));
  return line;
}

void set_progress_enabled(bool enabled) { allowed() = enabled; }

void erase_progress_line() {
  if (line_is_drawn().exchange(false)) print(std::string(kEraseLine));
}

Progress::Progress(std::string label, std::uint64_t total, std::string unit)
    : label_(std::move(label)),
      unit_(std::move(unit)),
      total_(total),
      start_(std::chrono::steady_clock::now()),
      drawn_(start_),
      enabled_(allowed() && ::isatty(STDERR_FILENO) == 1) {}

Progress::~Progress() {
  if (!enabled_) return;
  draw();
  line_is_drawn() = false;
  print("\n");
}

void Progress::advance(std::uint64_t count) {
  done_ += count;
  if (!enabled_) return;
  const auto now = std::chrono::steady_clock::now();
  if (now - drawn_ < kRedrawInterval) return;
  drawn_ = now;
  draw();
}

void Progress::draw() {
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start_;
  const std::uint64_t peak = memory_peak_bytes();
  const std::string line = progress_line({.label = label_,
                                          .unit = unit_,
                                          .done = done_,
                                          .total = total_,
                                          .seconds = elapsed.count(),
                                          .memory_bytes = memory_now().resident_bytes,
                                          .peak_bytes = peak});
  line_is_drawn() = true;
  print(std::string(kEraseLine) + line);
}

}  // namespace pith

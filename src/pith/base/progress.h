// A progress line on stderr: bar, rate, time left, memory now and peak.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace pith {

// Draws at most ten times a second and only when stderr is a terminal (set_progress_enabled(false)
// silences it too). The destructor ends the line. Not for use by several threads at once.
class Progress {
 public:
  Progress(std::string label, std::uint64_t total, std::string unit);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void advance(std::uint64_t count = 1);

 private:
  void draw();
  std::string label_, unit_;
  std::uint64_t total_, done_ = 0;
  std::chrono::steady_clock::time_point start_, drawn_;
  bool enabled_;
};

void set_progress_enabled(bool enabled);

// Takes a drawn line off the terminal, so that something else can be printed; it comes back with
// the next drawing.
void erase_progress_line();

// "[====>    ] 12/210 matrices  3.1/s  ETA 1:04  mem 214 MiB (peak 301 MiB)"; exposed for tests.
struct ProgressState {
  std::string label{}, unit{};
  std::uint64_t done = 0, total = 0;
  double seconds = 0;
  std::uint64_t memory_bytes = 0, peak_bytes = 0;
};
std::string progress_line(const ProgressState& state);

}  // namespace pith

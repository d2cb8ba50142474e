// pith bench start: from the start of `pith generate` to its end after one token, in fresh
// processes.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "pith/base/isa.h"
#include "pith/base/threads.h"
#include "pith/cli/commands.h"

namespace pith {
namespace {

// Seconds of one run; throws if it fails.
double time_one_token(const std::string& model, const std::string& threads) {
  const auto start = std::chrono::steady_clock::now();
  const pid_t child = fork();
  if (child == 0) {
    const int null = open("/dev/null", O_WRONLY);
    dup2(null, STDOUT_FILENO);
    dup2(null, STDERR_FILENO);
    execl("/proc/self/exe",
          "pith",
          "generate",
          model.c_str(),
          "--prompt",
          "The",
          "--max-tokens",
          "1",
          "--ignore-eos",
          "--threads",
          threads.c_str(),
          static_cast<char*>(nullptr));
    _exit(1);
  }
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status) ||
      WEXITSTATUS(status) != 0)
    fail<FormatError>("{}: 'pith generate' failed on it; run it by hand to see why", model);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

int run_bench_start(const BenchOptions& options, const GlobalOptions& global) {
  require(options.repeats >= 1, "--repeats is {}, expected 1 or more", options.repeats);
  const std::string threads = std::to_string(num_threads());
  time_one_token(options.model->string(), threads);  // warms the page cache
  std::vector<double> seconds;
  for (int i = 0; i < options.repeats; ++i)
    seconds.push_back(time_one_token(options.model->string(), threads));
  std::sort(seconds.begin(), seconds.end());
  const Json json{{"seconds", seconds[seconds.size() / 2]},
                  {"best", seconds.front()},
                  {"repeats", options.repeats},
                  {"threads", num_threads()},
                  {"isa", isa_name()}};
  if (global.json)
    fmt::print("{}\n", json.dump(2));
  else
    fmt::print("start to the end of one token: {:.3f} s median, {:.3f} s best of {} ({} threads)\n",
               seconds[seconds.size() / 2],
               seconds.front(),
               options.repeats,
               num_threads());
  return 0;
}

}  // namespace pith

#include "pith/cli/hand_over.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "pith/base/error.h"

namespace pith {
namespace {

// What the dynamic loader says about the libraries of `program`, without starting it:
// LD_TRACE_LOADED_OBJECTS makes it list them and stop. Asked of a child, since after exec nobody is
// left to explain a failure.
std::string loaded_objects(const std::string& program) {
  int ends[2];
  if (pipe(ends) != 0) return {};
  const pid_t child = fork();
  if (child == 0) {
    setenv("LD_TRACE_LOADED_OBJECTS", "1", 1);
    dup2(ends[1], STDOUT_FILENO);
    dup2(ends[1], STDERR_FILENO);
    close(ends[0]);
    close(ends[1]);
    execl(program.c_str(), program.c_str(), static_cast<char*>(nullptr));
    _exit(1);
  }
  close(ends[1]);
  std::string text;
  char piece[4096];
  for (ssize_t n = 0; (n = read(ends[0], piece, sizeof piece)) > 0;)
    text.append(piece, static_cast<std::size_t>(n));
  close(ends[0]);
  if (child > 0) waitpid(child, nullptr, 0);
  return text;
}

}  // namespace

int hand_over(char** argv, int threads) {
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe");
  const std::string program = (self.parent_path() / "pith-torch").string();
  if (access(program.c_str(), X_OK) != 0)
    fail<FormatError>(
        "{}: this command needs torch, and pith-torch is not beside pith; build it with 'make "
        "build'",
        program);
  setenv("OMP_NUM_THREADS", std::to_string(threads).c_str(), 1);
  setenv("OMP_WAIT_POLICY", "passive", 1);
  if (loaded_objects(program).find("not found") != std::string::npos)
    fail<FormatError>(
        "{}: its LibTorch is missing; run scripts/setup.sh, or see 'ldd {}'", program, program);
  execv(program.c_str(), argv);
  fail_errno(program, "cannot be started");
}

}  // namespace pith

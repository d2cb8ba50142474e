#include "pith/cli/signals.h"

#include <signal.h>
#include <unistd.h>

#include <thread>

#include "pith/base/atomic_file.h"

namespace pith {

void serve_signals() {
  signal(SIGPIPE, SIG_IGN);
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&signals, number);
  // Blocked here and so in all later threads; only the thread below takes them, outside a handler's
  // limits.
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::thread([signals] {
    int number = 0;
    while (sigwait(&signals, &number) != 0) {
    }
    remove_unfinished_outputs();
    _exit(128 + number);
  }).detach();
}

}  // namespace pith

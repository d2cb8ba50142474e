// SIGINT, SIGTERM and SIGHUP: unfinished outputs are removed and the process ends with 128 +
// signal.
#pragma once

namespace pith {

// Call once, before any thread starts. SIGPIPE is ignored: writing then fails with an error of its
// own.
void serve_signals();

}  // namespace pith

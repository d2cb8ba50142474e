// Threads that serve Pith in the background; for the sources of this room.
#pragma once

#include <functional>
#include <thread>

namespace pith {

// A thread that receives no asynchronous signals, so that SIGINT and SIGTERM reach the threads that
// handle them. Throws std::system_error if the system has no thread left.
std::thread start_background_thread(std::function<void()> body);

}  // namespace pith

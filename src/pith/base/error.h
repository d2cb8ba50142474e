// The three ways Pith fails, and how a message is put together: place, expected, found, remedy.
#pragma once

#include <fmt/format.h>

#include <exception>
#include <string>
#include <string_view>
#include <utility>

namespace pith {

// The parts of a message; empty parts are left out:
// "place: expected E, found F; remedy".
struct ErrorParts {
  std::string place{};
  std::string expected{};
  std::string found{};
  std::string remedy{};
};

// Base of all errors that Pith throws. Lower-case start, no final stop. On the way up a caller may
// put its own context in front: "while loading 'layers.3.mlp.up': ...". Names out of files may
// stand in messages as they are: what is not text (control characters, bytes that are not UTF-8)
// becomes \xNN, and the middle of a message that takes screens is left out.
class Error : public std::exception {
 public:
  explicit Error(std::string_view message);
  explicit Error(const ErrorParts& parts);
  const char* what() const noexcept override { return message_.c_str(); }
  void add_context(const std::string& context);

 private:
  std::string message_;
};

// A wrong command line, option or recipe: exit code 2.
class UserError : public Error {
 public:
  using Error::Error;
};

// A file or folder that cannot be used (malformed, missing, unreadable, unwritable, full disk):
// exit code 1.
class FormatError : public Error {
 public:
  using Error::Error;
};

// A broken invariant of Pith itself: exit code 1.
class InternalError : public Error {
 public:
  using Error::Error;
};

// Throws `E` with a formatted message.
template <class E, class... Args>
[[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) {
  throw E(fmt::format(format, std::forward<Args>(args)...));
}

// Throws UserError unless `ok`.
template <class... Args>
void require(bool ok, fmt::format_string<Args...> format, Args&&... args) {
  if (!ok) fail<UserError>(format, std::forward<Args>(args)...);
}

// Runs `body`; an Error that leaves it gets `context` put in front.
template <class Body>
decltype(auto) in_context(const std::string& context, Body&& body) {
  try {
    return std::forward<Body>(body)();
  } catch (Error& error) {
    error.add_context(context);
    throw;
  }
}

// Throws FormatError "path: what: strerror(errno)"; `what` reads like "cannot open".
[[noreturn]] void fail_errno(const std::string& path, const std::string& what);

[[noreturn]] void check_failed(const char* condition, const char* file, int line);

}  // namespace pith

// Checks an invariant; a macro because it prints the condition and where it stands.
#define PITH_CHECK(condition) \
  (static_cast<bool>(condition) ? void(0) : ::pith::check_failed(#condition, __FILE__, __LINE__))

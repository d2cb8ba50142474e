// A cursor over the bytes of a GGUF file that never passes their end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

namespace pith {

// A text of a file as a message can show it: in quotes, at most 64 bytes, with \xNN for what is not
// printable ASCII.
std::string printable(std::string_view text);

// Little-endian numbers and strings, one after the other. `what` names a part in errors, which are
// FormatErrors "place: at byte N[, of 'context']: expected ..., found ...".
class GgufReader {
 public:
  // Borrows `file` and `place`.
  GgufReader(std::span<const std::byte> file, const std::string& place)
      : file_(file), place_(place) {}

  std::uint64_t position() const { return position_; }
  std::uint64_t left() const { return file_.size() - position_; }

  template <class T>
    requires std::is_arithmetic_v<T>
  T number(std::string_view what) {
    expect(1, sizeof(T), what);
    T value;
    std::memcpy(&value, file_.data() + position_, sizeof(T));
    position_ += sizeof(T);
    return value;
  }
  std::string_view text(std::string_view what);       // length and bytes; points into the file
  std::string_view utf8_text(std::string_view what);  // and it is UTF-8

  // Fails unless `count` parts of `bytes_each` (> 0) or more can follow.
  void expect(std::uint64_t count, std::uint64_t bytes_each, std::string_view what) const;

  // Counts memory that holds what was read, before it is taken; fails beyond 96 MiB in all. The
  // largest vocabularies need a third of that, and a file of empty strings four times its own size.
  void keep(std::uint64_t count, std::uint64_t bytes_each);

  // The key or tensor that is being read; "" between them.
  void set_context(std::string context) { context_ = std::move(context); }
  [[noreturn]] void fail(std::string expected, std::string found, std::string remedy = {}) const;

 private:
  std::span<const std::byte> file_;
  const std::string& place_;
  std::uint64_t position_ = 0;
  std::uint64_t kept_bytes_ = 0;
  std::string context_;
};

}  // namespace pith

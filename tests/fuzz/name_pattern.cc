// A regular expression that names modules, a line break, and names to try it on.
#include "pith/formats/layouts/name_pattern.h"

#include "fuzz.h"

namespace pith {

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return fuzz::run([&] {
    const std::string_view text = fuzz::text_of(data, size);
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return;
    const Json none;
    const NamePattern pattern(text.substr(0, end), JsonCursor(none, "config.json"));
    constexpr std::size_t kLongName = 128;
    const std::string_view name = text.substr(end + 1, kLongName);
    PITH_CHECK(pattern.match_ends(name).size() == name.size() + 1);
  });
}

}  // namespace pith

// Sizes in bytes as people write them. KiB, MiB, GiB are powers of 1024; a plain number is bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace pith {

// "2GiB", "512 MiB", "4096", "1.5GiB"; at least 1. Throws UserError naming `place`.
std::uint64_t parse_size(std::string_view text, std::string_view place);
std::string format_size(std::uint64_t bytes);  // "1.50 GiB"

}  // namespace pith

// The temporaries of this process that are not committed yet; for the sources of this room.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

namespace pith {

// A fresh hidden name in the folder of `target`: ".NAME.partial-BOOT-xxxxxxxx", BOOT being this run
// of the machine. Absolute, so that a later chdir does no harm. What killed processes left of the
// same target is removed on the way.
std::filesystem::path temporary_beside(const std::filesystem::path& target);

// Lists a file or folder just made under such a name, and locks it, so that others can tell whose
// it is however this process ends. False if another process took it for abandoned before that: it
// is gone then, and the caller makes another.
bool add_unfinished(const std::filesystem::path& temporary);
// Forgets the temporary and removes it with all it holds, if it is still listed.
void discard_unfinished(const std::filesystem::path& temporary) noexcept;
// Runs `rename` with the list locked, then forgets the temporary. Throws FormatError if
// remove_unfinished_outputs() came first.
void finish(const std::filesystem::path& temporary,
            const std::string& target,
            const std::function<void()>& rename);

}  // namespace pith

# cmake -DSOURCE=... -DVERSION=... -DOUT=... -P revision.cmake: writes OUT, a header with the version and the git
# revision of the tree (empty without git), and leaves it alone when nothing has changed.
set(revision "")
find_program(GIT git)
if(GIT AND EXISTS "${SOURCE}/.git")
  execute_process(COMMAND "${GIT}" -C "${SOURCE}" rev-parse --short=7 HEAD
                  OUTPUT_VARIABLE revision OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
  if(failed)
    set(revision "")
  endif()
endif()
set(text "// Written by src/pith/report/revision.cmake at each build.
#pragma once

#include <string_view>

namespace pith {

constexpr std::string_view kProgramVersion = \"${VERSION}\";
constexpr std::string_view kGitRevision = \"${revision}\";

}  // namespace pith
")
set(before "")
if(EXISTS "${OUT}")
  file(READ "${OUT}" before)
endif()
if(NOT before STREQUAL text)
  file(WRITE "${OUT}" "${text}")
endif()

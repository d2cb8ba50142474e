# Compiler settings of every target of ours, as an interface target; nothing global but the standard.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}")

find_program(PITH_CCACHE ccache)
if(PITH_CCACHE)
  # Without the sloppiness ccache cannot serve a translation unit that uses a precompiled header.
  set(CMAKE_CXX_COMPILER_LAUNCHER
      ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
      CCACHE_PCH_EXTSUM=1 ${PITH_CCACHE})
endif()

find_package(Threads REQUIRED)

add_library(pith_settings INTERFACE)
target_include_directories(pith_settings INTERFACE "${PROJECT_SOURCE_DIR}/src")
target_compile_options(pith_settings INTERFACE -Wall -Wextra -Wpedantic -Werror)
target_compile_definitions(pith_settings INTERFACE FMT_HEADER_ONLY=1 SPDLOG_FMT_EXTERNAL=1)
if(PITH_SANITIZE)
  target_compile_options(pith_settings INTERFACE -fsanitize=${PITH_SANITIZE} -fno-omit-frame-pointer
                                                 -fno-sanitize-recover=all)
  target_link_options(pith_settings INTERFACE -fsanitize=${PITH_SANITIZE})
endif()
if(PITH_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    message(FATAL_ERROR "PITH_FUZZ needs libFuzzer, which comes with clang: expected Clang, found ${CMAKE_CXX_COMPILER_ID}")
  endif()
  # Counters only: programs and tests link as ever, and fuzz targets add libFuzzer's main (tests/fuzz/CMakeLists.txt).
  target_compile_options(pith_settings INTERFACE -fsanitize=fuzzer-no-link)
endif()

find_program(PITH_MOLD mold)
if(PITH_MOLD)
  target_link_options(pith_settings INTERFACE -fuse-ld=mold)
endif()

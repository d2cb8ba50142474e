# LibTorch as the interface target pith_torch, and its precompiled header as pith_torch_pch.
# Not find_package(Torch): that drags in protobuf, MKL and CUDA look-ups and sets flags for the whole project, while the
# whole need is two include folders and three libraries.

set(PITH_TORCH_MINIMUM 2.6)

# The first LibTorch in CMAKE_PREFIX_PATH, then in the environment's, then PITH_TORCH_PREFIX, then the virtual environment's.
function(pith_find_torch result)
  file(GLOB venv LIST_DIRECTORIES true "${PROJECT_SOURCE_DIR}/.venv/lib/python3*/site-packages/torch")
  string(REPLACE ":" ";" environment "$ENV{CMAKE_PREFIX_PATH}")
  set(candidates ${CMAKE_PREFIX_PATH} ${environment} ${PITH_TORCH_PREFIX} ${venv})
  foreach(prefix IN LISTS candidates)
    if(EXISTS "${prefix}/lib/libtorch_cpu.so"
       AND EXISTS "${prefix}/include/torch/csrc/api/include/torch/torch.h")
      set(${result} "${prefix}" PARENT_SCOPE)
      return()
    endif()
  endforeach()
  message(FATAL_ERROR "no LibTorch in CMAKE_PREFIX_PATH or .venv: run scripts/setup.sh, name one with "
                      "-DCMAKE_PREFIX_PATH=DIR, or build without it by -DPITH_TORCH=OFF")
endfunction()

# MAJOR.MINOR of the LibTorch at `prefix`; the numbers moved to torch/headeronly in 2.9.
function(pith_torch_version prefix result)
  foreach(header torch/headeronly/version.h torch/csrc/api/include/torch/version.h)
    if(EXISTS "${prefix}/include/${header}")
      file(STRINGS "${prefix}/include/${header}" lines REGEX "define TORCH_VERSION_(MAJOR|MINOR) +[0-9]+")
      if(lines)
        string(REGEX REPLACE "[^0-9;]" "" numbers "${lines}")
        string(REPLACE ";" "." version "${numbers}")
        set(${result} "${version}" PARENT_SCOPE)
        return()
      endif()
    endif()
  endforeach()
  message(FATAL_ERROR "${prefix}: no TORCH_VERSION_MAJOR in its version.h, expected LibTorch ${PITH_TORCH_MINIMUM} or newer")
endfunction()

pith_find_torch(PITH_TORCH_FOUND)
pith_torch_version("${PITH_TORCH_FOUND}" PITH_TORCH_VERSION)
if(PITH_TORCH_VERSION VERSION_LESS PITH_TORCH_MINIMUM)
  message(FATAL_ERROR "${PITH_TORCH_FOUND}: LibTorch ${PITH_TORCH_VERSION}, expected ${PITH_TORCH_MINIMUM} or newer")
endif()

# Debian's libraries (GoogleTest, yaml-cpp) have the new string ABI; a LibTorch without it does not link with them.
set(config "${PITH_TORCH_FOUND}/share/cmake/Torch/TorchConfig.cmake")
if(EXISTS "${config}")
  file(STRINGS "${config}" old_abi REGEX "_GLIBCXX_USE_CXX11_ABI=0")
  if(old_abi)
    message(FATAL_ERROR "${PITH_TORCH_FOUND}: built with _GLIBCXX_USE_CXX11_ABI=0, expected 1: take a cxx11-abi build")
  endif()
endif()
message(STATUS "LibTorch ${PITH_TORCH_VERSION}: ${PITH_TORCH_FOUND}")

# The wheel carries its own fmt, newer than the one our rooms and spdlog are compiled with. torch/torch.h needs neither, so
# a folder that holds only the system's fmt goes before it and every translation unit sees one fmt.
find_path(PITH_FMT_INCLUDE fmt/format.h NO_CMAKE_PATH NO_CMAKE_ENVIRONMENT_PATH REQUIRED)
file(MAKE_DIRECTORY "${PROJECT_BINARY_DIR}/fmt_first")
file(CREATE_LINK "${PITH_FMT_INCLUDE}/fmt" "${PROJECT_BINARY_DIR}/fmt_first/fmt" SYMBOLIC)

add_library(pith_torch INTERFACE)
target_include_directories(pith_torch SYSTEM INTERFACE
  "${PROJECT_BINARY_DIR}/fmt_first"
  "${PITH_TORCH_FOUND}/include/torch/csrc/api/include"
  "${PITH_TORCH_FOUND}/include")
# By full path: CMake then adds lib/ to the run path of what is linked. libgomp comes as torch's own dependency, from beside
# it; linking OpenMP as well would load a second copy.
target_link_libraries(pith_torch INTERFACE
  "${PITH_TORCH_FOUND}/lib/libtorch.so"
  "${PITH_TORCH_FOUND}/lib/libtorch_cpu.so"
  "${PITH_TORCH_FOUND}/lib/libc10.so"
  Threads::Threads)
if(EXISTS "${PITH_TORCH_FOUND}/lib/libtorch_cuda.so")
  # Nothing refers to the CUDA library by symbol: it registers itself when it is loaded.
  target_link_libraries(pith_torch INTERFACE
    "LINKER:--push-state,--no-as-needed" "${PITH_TORCH_FOUND}/lib/libtorch_cuda.so" "LINKER:--pop-state")
endif()

# torch/torch.h costs 12 s a translation unit; precompiled once, every torch room reuses it (pith_torch_room).
file(CONFIGURE OUTPUT "${PROJECT_BINARY_DIR}/torch_pch.cc" CONTENT "namespace pith {}\n")
add_library(pith_torch_pch OBJECT "${PROJECT_BINARY_DIR}/torch_pch.cc")
target_link_libraries(pith_torch_pch PUBLIC pith_settings pith_torch)
target_precompile_headers(pith_torch_pch PRIVATE <torch/torch.h>)
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  # Without it the header holds the time, and ccache never serves what uses it.
  target_compile_options(pith_torch INTERFACE "SHELL:-Xclang -fno-pch-timestamp")
endif()

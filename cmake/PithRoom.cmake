# pith_room(NAME SOURCES ... [TESTS ...] [LINK ...] [PRIVATE_LINK ...]): the library pith_NAME from the sources listed, and
# one test binary NAME_test from the *_test.cc files that sit beside them. Paths are relative to the room.
function(pith_room name)
  cmake_parse_arguments(ROOM "" "" "SOURCES;TESTS;LINK;PRIVATE_LINK" ${ARGN})
  add_library(pith_${name} STATIC ${ROOM_SOURCES})
  target_link_libraries(pith_${name} PUBLIC pith_settings ${ROOM_LINK} PRIVATE ${ROOM_PRIVATE_LINK})
  if(PITH_TESTS AND ROOM_TESTS)
    pith_test(${name}_test SOURCES ${ROOM_TESTS} LINK pith_${name} ${ROOM_PRIVATE_LINK})
  endif()
endfunction()

# pith_test(NAME SOURCES ... [LINK ...]): one GoogleTest binary, one ctest entry.
function(pith_test name)
  cmake_parse_arguments(TEST "" "" "SOURCES;LINK" ${ARGN})
  find_package(GTest REQUIRED)
  add_executable(${name} ${TEST_SOURCES})
  target_link_libraries(${name} PRIVATE ${TEST_LINK} GTest::gmock GTest::gtest_main)
  target_compile_definitions(${name} PRIVATE PITH_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  target_compile_options(${name} PRIVATE ${PITH_TEST_FLAGS})
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES TIMEOUT 900)
endfunction()

# pith_use_torch(TARGET ...): links LibTorch and reuses the one precompiled torch/torch.h.
function(pith_use_torch)
  foreach(target IN LISTS ARGN)
    target_link_libraries(${target} PUBLIC pith_torch)
    target_precompile_headers(${target} REUSE_FROM pith_torch_pch)
    get_target_property(type ${target} TYPE)
    if(type STREQUAL "EXECUTABLE")
      # CMake would compile programs with -fPIE, and a precompiled header serves only the flags it was made with.
      set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
      target_compile_options(${target} PRIVATE -fPIC)
    endif()
  endforeach()
endfunction()

# pith_torch_room(...): as pith_room, for the rooms that see torch.
function(pith_torch_room name)
  pith_room(${name} ${ARGN})
  pith_use_torch(pith_${name})
  if(TARGET ${name}_test)
    pith_use_torch(${name}_test)
  endif()
endfunction()

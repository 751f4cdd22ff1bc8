# SPDX-License-Identifier: Apache-2.0
# How a folder becomes a target. No source lists: a file in a folder belongs to the folder's library.

option(FARLANE_TESTS "Build the tests" ON)
option(FARLANE_SOFT_GPU "Build the software GPU (needs LLVM 19)" ON)
option(FARLANE_COVERAGE "Count which lines are run (clang)" OFF)
set(FARLANE_SANITIZE "" CACHE STRING "Sanitizers to build with, e.g. address,undefined")
set(FARLANE_GENERATED "${CMAKE_BINARY_DIR}/generated" CACHE INTERNAL "")

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_STANDARD 11)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")
# What is installed finds LLVM where the build has found it.
set(CMAKE_INSTALL_RPATH_USE_LINK_PATH ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1")
# What the sanitizers run: lines in their reports, assertions on, and no optimiser to wait for.
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O1 -g1")
find_package(Threads REQUIRED)

find_program(FARLANE_CCACHE ccache)
if(FARLANE_CCACHE)
  # Two checkouts, and two build folders of one, share what they have compiled.
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CMAKE_COMMAND}" -E env "CCACHE_BASEDIR=${CMAKE_SOURCE_DIR}" CCACHE_NOHASHDIR=1
                                  "${FARLANE_CCACHE}")
  set(CMAKE_C_COMPILER_LAUNCHER ${CMAKE_CXX_COMPILER_LAUNCHER})
endif()

add_compile_options(-Wall -Wextra -Werror)
include_directories("${CMAKE_SOURCE_DIR}" "${FARLANE_GENERATED}")
if(FARLANE_SANITIZE)
  # Enums of the driver's ABI carry whatever number a program or a peer has put there.
  add_compile_options("-fsanitize=${FARLANE_SANITIZE}" -fno-sanitize=enum -fno-omit-frame-pointer)
  add_link_options("-fsanitize=${FARLANE_SANITIZE}")
  if(FARLANE_SANITIZE STREQUAL "thread")
    # It does not follow fences. Those we have order atomic flags only, and no data hangs on them.
    add_compile_options(-Wno-tsan)
  endif()
endif()

# farlane_test_limit(<seconds> <test>…): how long a test may take; a sanitizer makes everything slower.
function(farlane_test_limit seconds)
  if(FARLANE_SANITIZE)
    math(EXPR seconds "5 * ${seconds}")
  endif()
  set_tests_properties(${ARGN} PROPERTIES TIMEOUT ${seconds})
endfunction()

if(FARLANE_FUZZ)
  # Everything a fuzzer reaches tells it where it has been, not only the file it starts in.
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

if(FARLANE_COVERAGE)
  add_compile_options(-fprofile-instr-generate -fcoverage-mapping)
  add_link_options(-fprofile-instr-generate)
endif()

# Adds a folder of the tree.
function(farlane_folder path)
  if(EXISTS "${CMAKE_SOURCE_DIR}/${path}/CMakeLists.txt")
    add_subdirectory("${CMAKE_SOURCE_DIR}/${path}")
  endif()
endfunction()

# Refuses a dependency that looks up, or through a wall between two houses of one floor.
function(_farlane_check_floors target floor)
  get_target_property(house ${target} FARLANE_HOUSE)
  foreach(dep ${ARGN})
    if(TARGET ${dep})
      get_target_property(dep_floor ${dep} FARLANE_FLOOR)
      get_target_property(dep_house ${dep} FARLANE_HOUSE)
      if(NOT dep_floor STREQUAL "dep_floor-NOTFOUND")
        if(dep_floor GREATER floor OR (dep_floor EQUAL floor AND NOT dep_house STREQUAL house))
          message(FATAL_ERROR "${target} (${house}, floor ${floor}) must not use ${dep} (${dep_house}, floor ${dep_floor})")
        endif()
      endif()
    endif()
  endforeach()
endfunction()

# farlane_library(<target> FLOOR n HOUSE name [FOLDERS dir…] [GENERATED file…] [DEPS target…])
# A static library of every *.cc of its folders (default: this folder).
function(farlane_library target)
  cmake_parse_arguments(arg "" "FLOOR;HOUSE" "FOLDERS;GENERATED;DEPS" ${ARGN})
  if(NOT arg_FOLDERS)
    set(arg_FOLDERS ".")
  endif()
  set(sources "")
  foreach(folder ${arg_FOLDERS})
    file(GLOB found CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/${folder}/*.cc" "${CMAKE_CURRENT_SOURCE_DIR}/${folder}/*.S")
    list(APPEND sources ${found})
  endforeach()
  if(NOT sources AND NOT arg_GENERATED)
    add_library(${target} INTERFACE)
    target_link_libraries(${target} INTERFACE ${arg_DEPS})
  else()
    add_library(${target} STATIC ${sources} ${arg_GENERATED})
    target_link_libraries(${target} PUBLIC ${arg_DEPS})
  endif()
  set_target_properties(${target} PROPERTIES FARLANE_FLOOR "${arg_FLOOR}" FARLANE_HOUSE "${arg_HOUSE}")
  if(TARGET farlane_generate)
    add_dependencies(${target} farlane_generate)
  endif()
  _farlane_check_floors(${target} "${arg_FLOOR}" ${arg_DEPS})
endfunction()

# farlane_unit_test(<target> [FOLDER dir] [DEPS target…] [LABELS label…])
# One GoogleTest program of every *_test.cc of a folder (default: this one).
function(farlane_unit_test target)
  cmake_parse_arguments(arg "" "FOLDER" "DEPS;LABELS;GENERATED" ${ARGN})
  if(NOT arg_FOLDER)
    set(arg_FOLDER ".")
  endif()
  if(NOT arg_LABELS)
    set(arg_LABELS smoke)
  endif()
  file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/${arg_FOLDER}/*_test.cc")
  if(sources OR arg_GENERATED)
    find_package(GTest REQUIRED)
    add_executable(${target} ${sources} ${arg_GENERATED})
    target_link_libraries(${target} PRIVATE ${arg_DEPS} GTest::gmock GTest::gtest GTest::gtest_main)
    set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/tests")
    if(TARGET farlane_generate)
      add_dependencies(${target} farlane_generate)
    endif()
    add_test(NAME ${target} COMMAND ${target})
    set_tests_properties(${target} PROPERTIES LABELS "${arg_LABELS}")
    farlane_test_limit(300 ${target})
  endif()
endfunction()

# farlane_proto(<target> <file.proto>) in FLOOR 1, HOUSE control
# A static library of what protoc makes of a file of this folder: messages, and the services for gRPC.
function(farlane_proto target file)
  find_package(Protobuf REQUIRED)
  find_program(FARLANE_GRPC_PLUGIN grpc_cpp_plugin REQUIRED)
  find_library(FARLANE_GRPCPP grpc++ REQUIRED)
  find_library(FARLANE_GRPC grpc REQUIRED)
  find_library(FARLANE_GPR gpr REQUIRED)
  find_library(FARLANE_ABSL_SYNCHRONIZATION absl_synchronization REQUIRED)  # gRPC's headers use it
  file(RELATIVE_PATH folder "${CMAKE_SOURCE_DIR}" "${CMAKE_CURRENT_SOURCE_DIR}")
  get_filename_component(name "${file}" NAME_WE)
  set(stem "${FARLANE_GENERATED}/${folder}/${name}")
  set(made "${stem}.pb.cc" "${stem}.grpc.pb.cc")
  add_custom_command(OUTPUT ${made} "${stem}.pb.h" "${stem}.grpc.pb.h"
    COMMAND "${CMAKE_COMMAND}" -E make_directory "${FARLANE_GENERATED}"
    COMMAND protobuf::protoc "--cpp_out=${FARLANE_GENERATED}" "--grpc_out=${FARLANE_GENERATED}"
            "--plugin=protoc-gen-grpc=${FARLANE_GRPC_PLUGIN}" "-I${CMAKE_SOURCE_DIR}" "${folder}/${file}"
    WORKING_DIRECTORY "${CMAKE_SOURCE_DIR}" DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/${file}" VERBATIM)
  add_library(${target} STATIC ${made})
  # Not our sources: their warnings are nobody's here.
  target_compile_options(${target} PRIVATE -w)
  target_link_libraries(${target} PUBLIC ${FARLANE_GRPCPP} ${FARLANE_GRPC} ${FARLANE_GPR} ${FARLANE_ABSL_SYNCHRONIZATION}
                        protobuf::libprotobuf)
  set_target_properties(${target} PROPERTIES FARLANE_FLOOR 1 FARLANE_HOUSE control)
endfunction()

# farlane_embed_protos(<file.inc> <glob>)
# Makes a list of numbers for C++, the bytes of the FileDescriptorSet of these files, comments included.
function(farlane_embed_protos inc glob)
  find_package(Protobuf REQUIRED)
  file(GLOB protos CONFIGURE_DEPENDS RELATIVE "${CMAKE_SOURCE_DIR}" "${glob}")
  set(inputs ${protos})
  list(TRANSFORM inputs PREPEND "${CMAKE_SOURCE_DIR}/")
  get_filename_component(folder "${inc}" DIRECTORY)
  add_custom_command(OUTPUT "${inc}"
    COMMAND "${CMAKE_COMMAND}" -E make_directory "${folder}"
    COMMAND protobuf::protoc --include_imports --include_source_info "--descriptor_set_out=${inc}.bin"
            "-I${CMAKE_SOURCE_DIR}" ${protos}
    COMMAND "${CMAKE_COMMAND}" "-DFROM=${inc}.bin" "-DTO=${inc}" -P "${CMAKE_SOURCE_DIR}/tools/cmake/Embed.cmake"
    WORKING_DIRECTORY "${CMAKE_SOURCE_DIR}" DEPENDS ${inputs} "${CMAKE_SOURCE_DIR}/tools/cmake/Embed.cmake" VERBATIM)
endfunction()

# SPDX-License-Identifier: Apache-2.0
# Runs at every build and writes the header only if something changed, so that a commit relinks one program.
set(FARLANE_COMMIT "")
find_program(git_program git)
if(git_program)
  # Without optional locks: a build must not get in the way of somebody's git command.
  execute_process(COMMAND "${CMAKE_COMMAND}" -E env GIT_OPTIONAL_LOCKS=0
                          "${git_program}" -C "${SOURCE_DIR}" describe --always --dirty --abbrev=12 --exclude=*
                  OUTPUT_VARIABLE FARLANE_COMMIT OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
endif()
configure_file("${SOURCE_DIR}/tools/farlane/build_info.h.in" "${OUTPUT}" @ONLY)

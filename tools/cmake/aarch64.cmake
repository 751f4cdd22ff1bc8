# SPDX-License-Identifier: Apache-2.0
# Builds for 64-bit ARM on another Debian, whose user-mode emulator runs the tests. FARLANE_ROOT is a
# folder with the libraries that we link, as their packages for that machine lay them out;
# tools/dev/aarch64.sh makes it.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
set(CMAKE_CROSSCOMPILING_EMULATOR "qemu-aarch64-static;-L;/usr/aarch64-linux-gnu")

# CMake reads this file again for each program that it tries the compiler with.
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES FARLANE_ROOT)
set(CMAKE_FIND_ROOT_PATH "${FARLANE_ROOT}" /usr/aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
# Natively these headers lie where every compiler looks.
set(CMAKE_C_FLAGS_INIT "-isystem ${FARLANE_ROOT}/usr/include -isystem ${FARLANE_ROOT}/usr/include/aarch64-linux-gnu")
set(CMAKE_CXX_FLAGS_INIT "-isystem ${FARLANE_ROOT}/usr/include -isystem ${FARLANE_ROOT}/usr/include/aarch64-linux-gnu")

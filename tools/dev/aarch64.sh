#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Builds the client library and the wire for 64-bit ARM, and runs their tests under an emulator.
# Installs nothing of that machine's: its libraries are unpacked beside the build.
set -euo pipefail

tests="protocol_base_test protocol_abi_test protocol_transport_test protocol_channel_test
       protocol_graph_test protocol_tls_test wire_round_trip_test client_shim_test"

usage() {
  cat <<'USAGE'
usage: tools/dev/aarch64.sh [--no-install] [-j N] [CTEST ARGUMENTS...]

Installs a cross compiler and an emulator (tools/packages.sh aarch64), builds libcuda.so.1 and the
tests of client and wire for aarch64 in build/aarch64, and runs the tests under qemu. Where
build/release has a server for this machine, emulated programs use it, too. What is left of the
command line goes to ctest.
  --no-install   installs nothing; what is missing makes it fail
  -j N           processes that compile, and tests, at the same time [all processors]
USAGE
}

install=yes
jobs=$(nproc)
while [ $# -gt 0 ]; do
  case "$1" in
    --help | -h) usage; exit 0 ;;
    --no-install) install=no; shift ;;
    -j)
      [ $# -ge 2 ] || { usage >&2; exit 2; }
      jobs=$2
      shift 2
      ;;
    *) break ;;
  esac
done

cd "$(dirname "$0")/../.."
build=$PWD/build/aarch64
root=$build/root
[ "$install" = no ] || tools/packages.sh build aarch64
mkdir -p "$root"

# The libraries that we link, for aarch64, in a folder of our own: apt keeps lists beside it and never
# hears that this machine could have them installed.
unpack_libraries() {
  local packages=(libzstd-dev liblz4-dev libseccomp-dev libcli11-dev libssl-dev libssl3
    libmicrohttpd-dev)
  local apt=(apt-get -q -o APT::Architecture=arm64 -o Dir::State::status=/dev/null
    -o "Dir::State::lists=$build/apt/lists" -o "Dir::Cache=$build/apt/cache"
    -o "APT::Sandbox::User=$(id -un)")
  mkdir -p "$build"/apt/lists/partial "$build"/apt/cache/archives/partial "$build"/apt/packages
  "${apt[@]}" update
  (cd "$build/apt/packages" && "${apt[@]}" download "${packages[@]}")
  for package in "$build"/apt/packages/*.deb; do
    dpkg-deb --extract "$package" "$root"
  done
}
[ -e "$root/usr/include/microhttpd.h" ] || unpack_libraries

cross=(-G Ninja --toolchain "$PWD/tools/cmake/aarch64.cmake" "-DFARLANE_ROOT=$root"
  -DCMAKE_BUILD_TYPE=Release)
if [ ! -e "$root/usr/lib/libgtest.a" ]; then
  cmake "${cross[@]}" -S /usr/src/googletest -B "$build/googletest" "-DCMAKE_INSTALL_PREFIX=$root/usr" \
    -DCMAKE_INSTALL_LIBDIR=lib -DCMAKE_CXX_STANDARD=20
  ninja -C "$build/googletest" -j "$jobs" install
fi

cmake "${cross[@]}" -S . -B "$build" -DFARLANE_TESTS=ON -DFARLANE_SOFT_GPU=OFF -DFARLANE_NVCC=NO
# shellcheck disable=SC2086  # a list of names
ninja -C "$build" -j "$jobs" client_cuda client_nvml glibc_floor_probe glibc_floor_call client_case $tests
pattern="^($(echo $tests | tr ' ' '|')|system.glibc_floor)\$"
ctest --test-dir "$build" -j "$jobs" --output-on-failure -R "$pattern" "$@"

native=$PWD/build/release
if [ -x "$native/bin/farlane-gpud" ] && [ -e "$native/lib/farlane/soft/libcuda.so.1" ]; then
  FARLANE_EMULATOR="qemu-aarch64-static -L /usr/aarch64-linux-gnu" \
    FARLANE_CASE=$build/tests/client_case FARLANE_CLIENT=$build/lib/farlane/client \
    FARLANE_GPUD=$native/bin/farlane-gpud FARLANE_SOFT=$native/lib/farlane/soft/libcuda.so.1 \
    python3 -B tests/system/client/calls_test.py Calls
else
  echo "No server in build/release: programs against one were not run."
fi

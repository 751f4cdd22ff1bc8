#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# From a fresh Debian 12 to a CUDA program that runs on a remote GPU: installs what is missing,
# builds, compiles one program, starts a GPU server on a free port of this machine and runs the
# program with nothing but environment variables. The server is stopped at the end.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly build=build/release
readonly work=build/quickstart

usage() {
  cat <<'EOF'
usage: tools/quickstart.sh [--no-install] [--driver DRIVER] [--program FILE.cu]

  --no-install        installs no packages
  --driver DRIVER     what the server runs kernels on: auto (the default: NVIDIA's driver if there is
                      one, else the software GPU), nvidia, soft, or the path of a libcuda
  --program FILE.cu   a CUDA program of yours to compile with nvcc and run
Without --program and without nvcc, a sample whose kernel clang compiles is taken.
EOF
}

die() {
  echo "quickstart: $*" >&2
  exit 1
}

step() {
  echo
  echo "== $*"
}

# An nvcc that compiles a kernel here, on stdout; nothing if there is none.
find_nvcc() {
  local candidate probe=$work/probe
  for candidate in "${CUDA_HOME:-}/bin/nvcc" "$(command -v nvcc || true)" /usr/local/cuda/bin/nvcc; do
    [ -n "$candidate" ] && [ -x "$candidate" ] || continue
    echo '__global__ void K() {} int main() { K<<<1, 1>>>(); }' >"$probe.cu"
    if "$candidate" -o "$probe" "$probe.cu" >"$probe.log" 2>&1; then
      echo "$candidate"
      return
    fi
    echo "quickstart: $candidate does not compile a kernel here (see $probe.log)" >&2
  done
}

compile_with_nvcc() {
  echo "nvcc compiles $2"
  "$1" -std=c++17 -O2 -I . -o "$work/program" "$2" || die "nvcc could not compile $2"
}

compile_sample() {
  echo "clang compiles the kernel of tests/apps/driver_sample.cu, g++ the program around it"
  clang++-19 -x cuda --cuda-device-only -nocudainc -nocudalib --cuda-gpu-arch=sm_75 \
    -Wno-unknown-cuda-version -O2 -S -o "$work/sample.ptx" tests/apps/driver_sample.cu ||
    die "clang++-19 could not compile the sample's kernel"
  g++ -std=c++20 -O2 -I . -I "$build/generated" -DDRIVER_SAMPLE_PTX="\"$PWD/$work/sample.ptx\"" \
    -o "$work/program" tests/apps/driver_sample.cc -ldl ||
    die "g++ could not compile the sample"
}

server=""
stop_server() {
  [ -n "$server" ] || return 0
  kill -TERM "$server" 2>/dev/null || true
  for _ in $(seq 50); do
    kill -0 "$server" 2>/dev/null || break
    sleep 0.1
  done
  kill -KILL "$server" 2>/dev/null || true
  wait "$server" 2>/dev/null || true
  server=""
}
trap stop_server EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Sets `server` and `address`: the server takes a free port and says which.
start_server() {
  "$build/bin/farlane-gpud" --listen tcp://127.0.0.1:0 --driver "$1" </dev/null >"$work/gpud.log" 2>&1 &
  server=$!
  for _ in $(seq 100); do
    address=$(grep -oE -m 1 'tcp://127\.0\.0\.1:[1-9][0-9]*' "$work/gpud.log" || true)
    [ -z "$address" ] || return 0
    kill -0 "$server" 2>/dev/null || break
    sleep 0.1
  done
  cat "$work/gpud.log" >&2
  die "the GPU server did not start"
}

install=yes
driver=auto
program=""
while [ $# -gt 0 ]; do
  case "$1" in
    --help | -h) usage; exit 0 ;;
    --no-install) install=no; shift ;;
    --driver | --program)
      [ $# -ge 2 ] || { usage >&2; exit 2; }
      if [ "$1" = --driver ]; then driver=$2; else program=$2; fi
      shift 2
      ;;
    *) usage >&2; exit 2 ;;
  esac
done
[ -z "$program" ] || [ -f "$program" ] || die "there is no file $program"

if [ "$install" = yes ]; then
  step "Packages"
  tools/packages.sh build || die "the packages could not be installed"
  echo "All there."
fi

step "Build"
cmake --preset release -DFARLANE_TESTS=OFF >/dev/null || die "the build could not be configured"
cmake --build --preset release || die "the build failed"

step "A CUDA program"
rm -rf "$work"
mkdir -p "$work"
nvcc=$(find_nvcc)
if [ -n "$nvcc" ]; then
  compile_with_nvcc "$nvcc" "${program:-tests/apps/vector_add.cu}"
elif [ -n "$program" ]; then
  die "no nvcc was found (CUDA_HOME, PATH, /usr/local/cuda) to compile $program"
else
  [ "$install" = no ] || tools/packages.sh samples || die "clang-19 could not be installed"
  compile_sample
fi

step "A GPU server"
address=""
start_server "$driver"
echo "farlane-gpud, process $server, listens on $address"

step "The program, remotely"
echo "\$ LD_LIBRARY_PATH=$build/lib/farlane/client FARLANE_SERVER=$address $work/program"
code=0
LD_LIBRARY_PATH=$PWD/$build/lib/farlane/client FARLANE_SERVER=$address FARLANE_TRACE=summary \
  "$work/program" 2>"$work/errors.log" || code=$?

step "Where it ran"
cat "$work/errors.log"
sed 's/^/server: /' "$work/gpud.log"
stop_server
[ "$code" = 0 ] || die "the program ended with exit code $code"
grep -q 'worker' "$work/errors.log" || die "the client library gave no summary of a remote run"

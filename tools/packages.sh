#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs the Debian 12 packages that a purpose needs, and nothing that is there already: a machine
# that has all of them needs neither network nor root.
set -eu

# What builds the programs and libraries.
build="g++ cmake ninja-build git python3 llvm-19-dev libzstd-dev liblz4-dev zlib1g-dev libseccomp-dev
       libcli11-dev libssl-dev libmicrohttpd-dev libsqlite3-dev libgrpc++-dev libprotobuf-dev nlohmann-json3-dev libcurl4-openssl-dev
       protobuf-compiler protobuf-compiler-grpc"
# What builds and runs the tests on top.
tests="groff-base libgtest-dev libgmock-dev clang-19 iproute2 valgrind openssl etcd-server"
# What compiles the fuzz targets: a compiler, and the run-time library that feeds and watches them.
fuzz="clang-14 libclang-rt-14-dev llvm-14"
# What looks through the sources.
tidy="clang-tidy-14 clang-format-14"
# What compiles a CUDA sample without NVIDIA's compiler.
samples="clang-19"
# What builds for 64-bit ARM and runs that here.
aarch64="g++-aarch64-linux-gnu qemu-user-static googletest"

usage() {
  cat <<'EOF'
usage: tools/packages.sh [--list] PURPOSE...

Installs what is missing of the Debian 12 packages for each PURPOSE:
  build     the programs and libraries
  tests     the tests, on top of build
  fuzz      the fuzz targets, on top of tests
  tidy      clang-tidy and clang-format
  samples   the CUDA samples on a machine without NVIDIA's compiler
  aarch64   the client for 64-bit ARM, and its tests
  --list    only prints the packages' names
EOF
}

list_only=no
wanted=""
for argument in "$@"; do
  case "$argument" in
    --help | -h) usage; exit 0 ;;
    --list) list_only=yes ;;
    build) wanted="$wanted $build" ;;
    tests) wanted="$wanted $tests" ;;
    fuzz) wanted="$wanted $fuzz" ;;
    tidy) wanted="$wanted $tidy" ;;
    samples) wanted="$wanted $samples" ;;
    aarch64) wanted="$wanted $aarch64" ;;
    *) usage >&2; exit 2 ;;
  esac
done
if [ -z "$wanted" ]; then
  usage >&2
  exit 2
fi
if [ "$list_only" = yes ]; then
  printf '%s\n' $wanted
  exit 0
fi

missing=""
for package in $wanted; do
  state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$state" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

as_root=""
if [ "$(id -u)" != 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "These packages are missing, and only root can install them:$missing" >&2
    exit 1
  fi
  as_root="sudo"
fi
echo "Installing$missing"
# Debian starts what it installs. The tests start an etcd of their own; one on the ports of a real
# cluster is nobody's wish. Whoever has it already keeps it as it is.
policy=/usr/sbin/policy-rc.d
quiet_etcd=no
case "$missing " in *" etcd-server "*) quiet_etcd=yes ;; esac
if [ "$quiet_etcd" = yes ] && [ ! -e "$policy" ]; then
  trap '$as_root rm -f "$policy"' EXIT
  printf '#!/bin/sh\ncase " $* " in *" etcd "* | *" etcd.service "*) exit 101 ;; esac\n' |
    $as_root tee "$policy" >/dev/null
  $as_root chmod 755 "$policy"
fi
# A source that cannot be read need not be the one that is wanted: the installation itself decides.
$as_root apt-get -q -o DPkg::Lock::Timeout=300 update ||
  echo "Some package lists could not be read; trying with those that could." >&2
$as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 \
  install --no-install-recommends $missing
if [ "$quiet_etcd" = yes ]; then
  $as_root update-rc.d etcd disable  # nor at the next start of the machine
fi

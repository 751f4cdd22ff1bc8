#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs clang-tidy-14 with .clang-tidy over files that a build folder compiles, each by itself:
#   tools/dev/clang_tidy.sh [-p build/release] [-j 2] [FILE…]
# Without files: every .cc of the project outside of tests. Exits 1 if there is a finding.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
build=$root/build/release
jobs=$(nproc)
while getopts p:j: option; do
  case $option in
    p) build=$OPTARG ;;
    j) jobs=$OPTARG ;;
    *) exit 2 ;;
  esac
done
shift $((OPTIND - 1))
if [ ! -f "$build/compile_commands.json" ]; then
  echo "clang_tidy.sh: $build has no compile_commands.json; configure it first" >&2
  exit 2
fi
cd "$root"
if [ $# -eq 0 ]; then
  # shellcheck disable=SC2046  # paths of this project have no blanks
  set -- $(git ls-files 'protocol/*.cc' 'client-shim/*.cc' 'gpu-server/*.cc' 'soft-gpu/*.cc' 'tools/*.cc')
fi
# Only our own headers: generated ones lie below build/ and name things as CUDA does.
filter="^$root/(protocol|client-shim|gpu-server|soft-gpu|pool-manager|tools)/"
printf '%s\n' "$@" | xargs -P "$jobs" -I '{}' nice clang-tidy-14 -p "$build" --quiet --header-filter="$filter" '{}'

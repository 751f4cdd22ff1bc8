#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs clang-tidy-14 with .clang-tidy over files that a build folder compiles, each by itself:
#   tools/dev/clang_tidy.sh [-p build/release] [-j 2] [FILE…]
# Without files: every .cc of the project outside of tests. Prints findings only, and exits 123 (what
# xargs says) if there is one.
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
  set -- $(git ls-files 'protocol/*.cc' 'client-shim/*.cc' 'gpu-server/*.cc' 'soft-gpu/*.cc' \
    'pool-manager/*.cc' 'tools/*.cc')
fi
# Only our own headers: generated ones lie below build/ and name things as CUDA does.
filter="^$root/(protocol|client-shim|gpu-server|soft-gpu|pool-manager|tools)/"
# What it says of one file comes in one piece, without the number of warnings in others' headers.
# shellcheck disable=SC2016  # the inner shell expands these
printf '%s\n' "$@" | xargs -P "$jobs" -n 1 sh -c '
  code=0
  said=$(nice clang-tidy-14 -p "$1" --quiet --header-filter="$2" "$3" 2>&1) || code=1
  printf "%s\n" "$said" | sed -e "/^[0-9]* warnings* generated\.$/d" -e "/^$/d"
  exit $code' one_file "$build" "$filter"

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Shows that the fuzzers can find something: each target is built with a bug in its reader
# (tests/fuzz/CMakeLists.txt says which), and has 60 seconds to find it.
# Usage: tests/fuzz/find_planted.sh [TARGET… default all]
set -eu
cd "$(dirname "$0")/../.."
build=build/fuzz
targets=(fatbin_fuzz cubin_fuzz ptx_index_fuzz ptx_parser_fuzz token_fuzz audit_fuzz pool_message_fuzz routes_fuzz http_fuzz)
[ $# = 0 ] || targets=("$@")

cmake --preset fuzz -B "$build" -DFARLANE_FUZZ_PLANTED=ON >/dev/null
cmake --build "$build" --target fuzz_seeds "${targets[@]/%/_planted}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$build/tests/fuzz/fuzz_seeds" "$work/seeds"
python3 -B tests/fuzz/pool_seeds.py "$work/seeds"
missed=0
for target in "${targets[@]}"; do
  mkdir -p "$work/seeds/$target"
  begin=$(date +%s%N)
  if "$build/tests/fuzz/${target}_planted" "$work/seeds/$target" -max_total_time=60 -seed=1 \
    -artifact_prefix="$work/" >"$work/log" 2>&1; then
    echo "$target: did not find its bug"
    missed=1
  else
    milliseconds=$((($(date +%s%N) - begin) / 1000000))
    echo "$target: after $milliseconds ms: $(grep -m1 'SUMMARY: ' "$work/log" | cut -c 1-90)"
  fi
done
exit $missed

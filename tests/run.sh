#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Builds Farlane and runs its tests on a fresh Debian 12. The last lines are ctest's own summary and
# the exit code is ctest's. Nothing that was started here keeps running.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
  cat <<'EOF'
usage: tests/run.sh [--no-install] [--preset NAME] [--] [CTEST ARGUMENTS...]

Installs the missing Debian packages, configures, builds, and runs the tests.
  --no-install    installs nothing; what is missing shows in the build
  --preset NAME   a preset of CMakePresets.json: release (the default), dev, asan, tsan
  CTEST ARGUMENTS are handed on, for example: -R vector_add, -L smoke, --rerun-failed
EOF
}

preset=release
install=yes
while [ $# -gt 0 ]; do
  case "$1" in
    --help | -h) usage; exit 0 ;;
    --no-install) install=no; shift ;;
    --preset)
      [ $# -ge 2 ] || { usage >&2; exit 2; }
      preset=$2
      shift 2
      ;;
    --) shift; break ;;
    *) break ;;
  esac
done
case "$preset" in
  release | dev | asan | tsan) ;;
  *) echo "tests/run.sh: there are no tests for the preset '$preset'" >&2; exit 2 ;;
esac

if [ "$install" = yes ]; then
  tools/packages.sh build tests
fi
cmake --preset "$preset" -DFARLANE_TESTS=ON
cmake --build --preset "$preset"

# What the software GPU compiles meanwhile belongs to this build, not into the user's cache.
export XDG_CACHE_HOME="$PWD/build/$preset/cache"

# The tests get a process group of their own, so that whatever one of them left can be ended.
set -m
ctest --preset "$preset" --no-tests=error --parallel "$(nproc)" "$@" </dev/null &
group=$!
set +m
end_group() { kill -KILL -- "-$group" 2>/dev/null || true; }
trap end_group EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
code=0
wait "$group" || code=$?
exit "$code"

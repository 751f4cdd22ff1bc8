#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Says how much of the readers of strangers' bytes the fuzzers reach: each target runs for some
# seconds, from the seeds on, and the lines of its readers are counted. Fails below 80 %.
# Usage: tests/fuzz/coverage.sh [SECONDS for each target, default 30 [TARGET… default all]]
set -eu
cd "$(dirname "$0")/../.."
seconds=${1:-30}
shift || true
build=${FARLANE_FUZZ_BUILD:-build/fuzz-coverage}
percent_min=80
pool="token_fuzz audit_fuzz pool_message_fuzz routes_fuzz http_fuzz"
targets=${*:-fatbin_fuzz cubin_fuzz ptx_index_fuzz ptx_parser_fuzz batch_reader_fuzz message_decode_fuzz \
  dispatch_fuzz client_fuzz $pool}

# One that is there already is taken as it is.
if [ ! -e "$build/build.ninja" ]; then
  cmake --preset fuzz -B "$build" -DFARLANE_SANITIZE= -DFARLANE_COVERAGE=ON -DFARLANE_TESTS=ON >/dev/null
fi
# What belongs to a pool needs none of the seeds that are made by a program.
seeds=fuzz_seeds
wants_seeds=0
for target in $targets; do
  case " $pool " in *" $target "*) ;; *) wants_seeds=1 ;; esac
done
[ $wants_seeds = 1 ] || seeds=
# shellcheck disable=SC2086
cmake --build "$build" --target $seeds $targets
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if [ -n "$seeds" ]; then
  LLVM_PROFILE_FILE="$work/seeds.profraw" "$build/tests/fuzz/fuzz_seeds" "$work/seeds"
fi
python3 -B tests/fuzz/pool_seeds.py "$work/seeds"

quiet=0  # 3: what the target itself prints is not shown
options= # of the target's, beside the usual ones

# reach TARGET SOURCE…
reach() {
  target=$1
  shift
  case " $targets " in *" $target "*) ;; *) return 0 ;; esac
  mkdir -p "$work/$target" "$work/seeds/$target"
  # shellcheck disable=SC2086
  LLVM_PROFILE_FILE="$work/$target.profraw" "$build/tests/fuzz/$target" "$work/$target" \
    "$work/seeds/$target" -max_total_time="$seconds" -timeout=10 -close_fd_mask="$quiet" $options -verbosity=0 -print_final_stats=0 2>"$work/$target.log" ||
    { cat "$work/$target.log"; exit 1; }
  llvm-profdata-14 merge -o "$work/$target.profdata" "$work/$target.profraw"
  llvm-cov-14 export -summary-only -instr-profile "$work/$target.profdata" \
    "$build/tests/fuzz/$target" >"$work/$target.json"
  python3 - "$target" "$percent_min" "$work/$target.json" "$@" <<'PY'
import json, sys

target, percent_min, path, *sources = sys.argv[1:]
files = json.load(open(path))["data"][0]["files"]
covered = count = 0
for source in sources:
    lines = next(f["summary"]["lines"] for f in files if f["filename"].endswith("/" + source))
    covered, count = covered + lines["covered"], count + lines["count"]
    print(f"  {source:40} {lines['covered']:5} of {lines['count']:5} lines, {lines['percent']:5.1f} %")
percent = 100 * covered / count
print(f"{target}: {covered} of {count} lines, {percent:.1f} %")
sys.exit(0 if percent >= float(percent_min) else f"{target} reaches less than {percent_min} %")
PY
}

reach batch_reader_fuzz protocol/channel/batch_reader.cc protocol/wire/frame.cc
reach token_fuzz protocol/token/{session_token,base64url}.cc gpu-server/agent/token_judge.cc
reach audit_fuzz pool-manager/trust/audit_chain.cc
# They are few in a second, and nothing happens in the shortest.
options="-len_control=0 -max_len=400"
reach pool_message_fuzz pool-manager/core/{server_book,pool_live}.cc
reach http_fuzz pool-manager/api/{http_server,own_names}.cc
options=
reach routes_fuzz pool-manager/api/{routes,route,route_access,session_routes,server_routes,tenant_routes,access_routes,join_routes,answers,page,sight}.cc pool-manager/trust/{caller,access_table,guards}.cc
reach message_decode_fuzz generated/protocol/wire/messages.cc
# All of a session, without what it says before it hears anything, and what devices print.
session=$(ls gpu-server/session/*.cc | grep -vE '/(output_pipe|welcome)\.cc$')
# shellcheck disable=SC2086
reach dispatch_fuzz generated/gpu-server/session/dispatch.cc $session \
  gpu-server/memory/{chunk_credit,device_memory,staging_pool,virtual_memory}.cc
quiet=3
# Where the client library hears a server.
reach client_fuzz client-shim/{session,hello,transfers,completions,host_calls,images,loaded_module,attendant}.cc \
  protocol/channel/{command_channel,batch_reader}.cc
quiet=0
reach fatbin_fuzz protocol/abi/fatbin.cc protocol/abi/fatbin_unpack.cc protocol/abi/module_package.cc
reach cubin_fuzz protocol/abi/cubin.cc protocol/abi/elf_view.cc
reach ptx_index_fuzz protocol/abi/ptx_index.cc protocol/abi/ptx_scanner.cc
reach ptx_parser_fuzz soft-gpu/ptx/{lexer,module_reader,declaration,body_reader,body_names}.cc \
  soft-gpu/ptx/{operand_reader,constant,initializer,modifier,opcode,type,special_register,optable}.cc

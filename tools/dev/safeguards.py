#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Shows that tests notice when what they look for is gone: takes safeguards out, one after the other, and runs the
tests that must fail then.

  tools/dev/safeguards.py DIR [NAME…]      # DIR: a folder for a checkout of HEAD and its build, made if there is none

All of them are built into one copy of the sources, where SAFEGUARD_OFF names the one that is out. Each test has
to pass with all of them in, and to fail with its own out. Exits 1 if one does not.
"""

import argparse
import dataclasses
import os
import pathlib
import shlex
import subprocess
import sys

PREAMBLE = """#include <cstdlib>
#include <cstring>
#include <map>
#include <sys/mman.h>
// Of a process and all that it forks.
[[maybe_unused]] static char* SharedByAll(size_t bytes) {
  return static_cast<char*>(mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
}
static bool SafeguardOff(const char* name) {
  const char* const off = getenv("SAFEGUARD_OFF");
  return off != nullptr && strcmp(off, name) == 0;
}
"""


@dataclasses.dataclass
class Safeguard:
    """`old` is a text of a source, and `new` the same with a way around it."""

    name: str
    source: str
    old: str
    new: str
    tests: tuple


RESIDUE = ("system.client.residue_test",)
# Those without a test are a part of the one before.
SAFEGUARDS = [
    Safeguard("stale-page", "client-shim/mirrored_memory.cc",
              "CUresult MirroredMemory::Fetch(wire::Handle context) {\n",
              "CUresult MirroredMemory::Fetch(wire::Handle context) {\n"
              '  if (SafeguardOff("stale-page")) return CUDA_SUCCESS;\n',
              ("run_remote.managed_memory", "run_remote.mapped_memory")),
    Safeguard("missed-write", "protocol/base/write_tracker.cc",
              "    at = scan.walk_end;\n",
              "    at = scan.walk_end;\n"
              '    if (SafeguardOff("missed-write") && !written.empty()) written.pop_back();\n',
              ("run_remote.mapped_memory", "run_remote.managed_memory.unheld")),
    Safeguard("held-touch", "client-shim/mirrored_memory.cc",
              "  if (due == 0 || static_cast<size_t>(due) >",
              '  if (SafeguardOff("held-touch") || due == 0 || static_cast<size_t>(due) >',
              ("system.client.touches_test",)),
    Safeguard("held-again", "protocol/base/page_guard.cc",
              "    if (held->second.number <= takes) {",
              '    if (held->second.number <= takes || SafeguardOff("held-again")) {',
              ("protocol_base_test",)),
    Safeguard("stream-stands", "gpu-server/session/host_calls.cc",
              "  changed_.wait(lock, [&] { return waiting.done || session_ == nullptr; });",
              '  if (!(SafeguardOff("stream-stands") && work.kind == HostWork::Kind::kFunction)) {\n'
              "    changed_.wait(lock, [&] { return waiting.done || session_ == nullptr; });\n  }",
              ("system.client.order_test",)),
    Safeguard("early-event", "gpu-server/session/client_session.cc",
              "  if (result == CUDA_SUCCESS && TellsOfProgress(view.op)) {",
              '  if (result == CUDA_SUCCESS && TellsOfProgress(view.op) && !SafeguardOff("early-event")) {',
              ("system.client.order_test",)),
    Safeguard("replay", "client-shim/host_calls.cc",
              "    session_.Post(\n        0, wire::HostFetched{",
              '    if (SafeguardOff("replay")) {\n'
              "      static auto* kept = new std::map<std::pair<const HostCall*, uint64_t>, std::vector<std::byte>>();\n"
              "      packed = kept->try_emplace({&call, at}, packed).first->second;\n    }\n"
              "    session_.Post(\n        0, wire::HostFetched{",
              ("run_remote.graph_nodes",)),
    Safeguard("dead-exporter", "gpu-server/daemon/share_desk.cc",
              "    if (share.offerer == holder) {\n      Inherit",
              '    if (share.offerer == holder && !SafeguardOff("dead-exporter")) {\n      Inherit',
              ("system.client.shares_test",)),
    Safeguard("short-buffer", "client-shim/entry/hand_launch.cc",
              "  const size_t given = std::min<size_t>(bytes, kernel.parameters_bytes);\n",
              '  if (SafeguardOff("short-buffer") && bytes < kernel.parameters_bytes) return CUDA_ERROR_INVALID_VALUE;\n'
              "  const size_t given = std::min<size_t>(bytes, kernel.parameters_bytes);\n",
              ("system.client.libraries_test",)),
    # What is left of a tenant, see residue_test.py.
    Safeguard("empty-chunks", "gpu-server/memory/device_memory.cc",
              "  if (result != CUDA_SUCCESS || scrubber_ == nullptr) {",
              '  if (result != CUDA_SUCCESS || scrubber_ == nullptr || SafeguardOff("empty-chunks")) {', RESIDUE),
    Safeguard("empty-arrays", "gpu-server/session/hand_array.cc",
              "    if (creation->result == CUDA_SUCCESS && scrubber != nullptr) {",
              '    if (creation->result == CUDA_SUCCESS && scrubber != nullptr && !SafeguardOff("empty-arrays")) {', RESIDUE),
    Safeguard("emptied-return", "gpu-server/session/hand_memory.cc",
              "                    static_cast<void>(memory->scrubber()->Zero(chunks));",
              '                    if (!SafeguardOff("emptied-return")) static_cast<void>(memory->scrubber()->Zero(chunks));',
              RESIDUE),
    Safeguard("emptied-array", "gpu-server/session/hand_array.cc",
              "    if (scrubber != nullptr && session.driver().cuCtxSynchronize() == CUDA_SUCCESS) {",
              '    if (scrubber != nullptr && !SafeguardOff("emptied-array") &&\n'
              "        session.driver().cuCtxSynchronize() == CUDA_SUCCESS) {", RESIDUE),
    Safeguard("emptied-context", "gpu-server/session/hand_context.cc",
              "  if (arrays.empty() || !memory->scrubs_after()) {",
              '  if (arrays.empty() || !memory->scrubs_after() || SafeguardOff("emptied-context")) {', RESIDUE),
    Safeguard("emptied-end", "gpu-server/memory/device_memory.cc",
              "  return scrubber_ == nullptr ? CUDA_SUCCESS : scrubber_->Zero(chunks);",
              '  return scrubber_ == nullptr || SafeguardOff("emptied-end") ? CUDA_SUCCESS : scrubber_->Zero(chunks);', RESIDUE),
    Safeguard("emptied-mappings", "gpu-server/memory/virtual_memory.cc",
              "    if (scrubber != nullptr && physical.end == nullptr) {",
              '    if (scrubber != nullptr && physical.end == nullptr && !SafeguardOff("emptied-mappings")) {', RESIDUE),
    Safeguard("emptied-arrays", "gpu-server/session/client_session.cc",
              "        scrubber == nullptr ? CUDA_SUCCESS : array.memory->Zero(driver_, *scrubber);",
              '        scrubber == nullptr || SafeguardOff("emptied-arrays") ? CUDA_SUCCESS : array.memory->Zero(driver_, *scrubber);',
              RESIDUE),
    Safeguard("own-shares", "gpu-server/daemon/share_desk.cc",
              "  const bool may = found != shares_.end() && found->second.session == session &&",
              "  const bool may = found != shares_.end() &&\n"
              '                   (found->second.session == session || SafeguardOff("own-shares")) &&', RESIDUE),
    Safeguard("own-staging", "gpu-server/memory/staging_pool.cc",
              "std::byte* StagingPool::Make(size_t bytes) {\n",
              "static char* const staging_of_all = SharedByAll(16_MiB);\n"
              "std::byte* StagingPool::Make(size_t bytes) {\n"
              '  if (SafeguardOff("own-staging")) {\n'
              "    static size_t next = 0;\n"
              "    return reinterpret_cast<std::byte*>(staging_of_all + (next++ % 16) * 1_MiB);\n  }\n", RESIDUE),
    Safeguard("own-text", "gpu-server/session/output_pipe.cc",
              "    total += static_cast<size_t>(got);\n",
              "    total += static_cast<size_t>(got);\n"
              '    if (SafeguardOff("own-text")) {\n'
              "      take(ConstBytes(reinterpret_cast<std::byte*>(text_of_all), strnlen(text_of_all, 4096)));\n"
              "      memcpy(text_of_all, text.data(), std::min<size_t>(static_cast<size_t>(got), 4096));\n    }\n", RESIDUE),
    Safeguard("own-text", "gpu-server/session/output_pipe.cc",
              "// Calls `take` with each piece that can be read without waiting.\n",
              "static char* const text_of_all = SharedByAll(8192);\n", ()),
    Safeguard("own-ring", "protocol/transport/shm_ring.cc",
              "  const size_t at = written & kMask;\n",
              "  const size_t at = written & kMask;\n"
              '  if (SafeguardOff("own-ring") && written == 0) memcpy(data_, ring_of_all, kRingDataBytes);\n', RESIDUE),
    Safeguard("own-ring", "protocol/transport/shm_ring.cc",
              "constexpr uint64_t kMask = kRingDataBytes - 1;\n",
              "constexpr uint64_t kMask = kRingDataBytes - 1;\n"
              "static char* const ring_of_all = SharedByAll(kRingDataBytes);\n", ()),
    Safeguard("own-ring", "protocol/transport/shm_ring.cc",
              "  memcpy(into.data() + first, data_, count - first);\n",
              "  memcpy(into.data() + first, data_, count - first);\n"
              '  if (SafeguardOff("own-ring")) memcpy(ring_of_all + at, into.data(), first);\n', ()),
    # What the arbiter counts.
    Safeguard("paid-once", "gpu-server/arbiter/turns.cc",
              "  const uint64_t paid_ns = std::min(told.used_ns, seen.prepaid_ns);",
              '  const uint64_t paid_ns = SafeguardOff("paid-once") ? 0 : std::min(told.used_ns, seen.prepaid_ns);',
              ("server_arbiter_test",)),
    Safeguard("saved-little", "gpu-server/arbiter/accounts.cc",
              "  const int64_t saved_ns = std::min(Virtual(kDeficitNs, account.weight), kSavedNsMax);",
              "  const int64_t saved_ns =\n"
              '      std::min(Virtual(kDeficitNs, account.weight), SafeguardOff("saved-little") ? INT64_MAX : kSavedNsMax);',
              ("server_arbiter_test",)),
    # Of a pool: who may do what, and what is stored and believed.
    Safeguard("victims-again", "pool-manager/tenancy/preemption.cc",
              "  return IsAllowed(tenants, wanted, victims) && MayBeTaken(tenants, wanted, victims);",
              '  return SafeguardOff("victims-again") ||\n'
              "         (IsAllowed(tenants, wanted, victims) && MayBeTaken(tenants, wanted, victims));",
              ("pool_tenancy_test",)),
    Safeguard("limit-kept", "pool-manager/core/admission_desk.cc",
              "  const auto refusal = pool_.tenants().Check(ticket->project, ticket->amount);\n  wait_for(",
              "  const auto refusal =\n"
              '      SafeguardOff("limit-kept") ? std::nullopt : pool_.tenants().Check(ticket->project, ticket->amount);\n'
              "  wait_for(", ("pool_core_test",)),
    Safeguard("reserved-kept", "pool-manager/core/reservations.cc",
              "    quota->lendable[i] = std::min(quota->lendable[i], quota->guaranteed[i]);",
              '    if (!SafeguardOff("reserved-kept")) quota->lendable[i] = std::min(quota->lendable[i], quota->guaranteed[i]);',
              ("pool_core_test", "system.client.tenants_test")),
    Safeguard("one-request", "pool-manager/core/admission_desk.cc",
              "  if (found != by_key_.end() && !key.empty()) {",
              '  if (found != by_key_.end() && !key.empty() && !SafeguardOff("one-request")) {',
              ("pool_core_test", "pool_daemon_test")),
    Safeguard("same-request", "pool-manager/core/request_key.cc",
              "  return session.key_digest() == request.key_digest() &&",
              '  if (SafeguardOff("same-request")) return true;\n'
              "  return session.key_digest() == request.key_digest() &&", ("pool_core_test", "pool_daemon_test")),
    Safeguard("expelled-stays", "pool-manager/core/server_book.cc",
              "    if (entry.expelled) {", '    if (entry.expelled && !SafeguardOff("expelled-stays")) {', ("pool_core_test",)),
    Safeguard("expelled-told", "pool-manager/core/pool_live.cc",
              "  for (std::string& id : LiveAt(server)) {\n    expelled",
              '  for (std::string& id : SafeguardOff("expelled-told") ? std::vector<std::string>() : LiveAt(server)) {\n'
              "    expelled", ("pool_core_test",)),
    Safeguard("expelled-ends", "gpu-server/agent/main.cc",
              "        static_cast<void>(End(session));  // that it names",
              '        if (!SafeguardOff("expelled-ends")) static_cast<void>(End(session));  // that it names',
              ("system.client.pool_trust_test",)),
    Safeguard("revoked-stays", "pool-manager/trust/server_roll.cc",
              "    if (IsRevoked(server.server_id())) {",
              '    if (IsRevoked(server.server_id()) && !SafeguardOff("revoked-stays")) {', ("pool_trust_test",)),
    Safeguard("token-revoked", "pool-manager/trust/token_desk.cc",
              "    tokens.by_digest.erase(token->digest());",
              '    if (!SafeguardOff("token-revoked")) tokens.by_digest.erase(token->digest());', ("pool_trust_test",)),
    Safeguard("token-expires", "pool-manager/trust/token_desk.cc",
              "    if (now_ms >= found->second.expires_ms()) {",
              '    if (now_ms >= found->second.expires_ms() && !SafeguardOff("token-expires")) {', ("pool_trust_test",)),
    Safeguard("join-once", "pool-manager/trust/join_desk.cc",
              "    if (key.used_ms() != 0) {", '    if (key.used_ms() != 0 && !SafeguardOff("join-once")) {', ("pool_trust_test",)),
    Safeguard("audit-chain", "pool-manager/trust/audit_chain.cc",
              "    if (HeadOf(previous, json) != line.substr(0, kHeadDigits)) {",
              '    if (HeadOf(previous, json) != line.substr(0, kHeadDigits) && !SafeguardOff("audit-chain")) {',
              ("pool_trust_test",)),
    Safeguard("role-table", "pool-manager/api/routes.cc",
              "  if (!access.has_value() || !call.caller.May(access->verb)) {",
              '  if (!access.has_value() || (!call.caller.May(access->verb) && !SafeguardOff("role-table"))) {',
              ("pool_api_test",)),
    Safeguard("own-project", "pool-manager/api/route_access.cc",
              "  if (call.caller.MayWith(verb, ProjectOf(*spec), call.caller.user)) {",
              '  if (call.caller.MayWith(verb, ProjectOf(*spec), call.caller.user) || SafeguardOff("own-project")) {',
              ("pool_api_test",)),
    Safeguard("log-first", "pool-manager/api/routes.cc",
              "  if (!asked.ok()) {", '  if (!asked.ok() && !SafeguardOff("log-first")) {', ("pool_api_test",)),
    Safeguard("fenced-writes", "pool-manager/store/leadership.cc",
              "  transaction.compares.push_back(fence);",
              '  if (!SafeguardOff("fenced-writes")) transaction.compares.push_back(fence);', ("pool_store_test",)),
    # What a server believes of its pool, and of who comes with a token.
    Safeguard("fenced-words", "gpu-server/agent/token_judge.cc",
              "  return epoch == epoch_;", '  return epoch == epoch_ || SafeguardOff("fenced-words");', ("server_agent_test",)),
    Safeguard("fenced-tokens", "gpu-server/agent/token_judge.cc",
              "  if (token.epoch < epoch_ && !is_adopted) {",
              '  if (token.epoch < epoch_ && !is_adopted && !SafeguardOff("fenced-tokens")) {', ("server_agent_test",)),
    Safeguard("forged-token", "gpu-server/agent/token_judge.cc",
              "  if (!read.IsSigned(*key)) {", '  if (!read.IsSigned(*key) && !SafeguardOff("forged-token")) {',
              ("server_agent_test",)),
    Safeguard("foreign-token", "gpu-server/agent/token_judge.cc",
              "  if (token.server != server_) {", '  if (token.server != server_ && !SafeguardOff("foreign-token")) {',
              ("server_agent_test",)),
    Safeguard("stolen-token", "gpu-server/agent/token_judge.cc",
              "  if (token.session != session || token.key_digest != key_digest) {",
              '  if (token.session != session || (token.key_digest != key_digest && !SafeguardOff("stolen-token"))) {',
              ("server_agent_test",)),
    Safeguard("expired-token", "gpu-server/agent/token_judge.cc",
              "  if ((!is_adopted && now_s > token.expires_s + kSkewSeconds) ||",
              '  if ((!is_adopted && now_s > token.expires_s + kSkewSeconds && !SafeguardOff("expired-token")) ||',
              ("server_agent_test",)),
    Safeguard("replayed-token", "gpu-server/agent/token_judge.cc",
              "  if (over_.contains(session)) {", '  if (over_.contains(session) && !SafeguardOff("replayed-token")) {',
              ("server_agent_test",)),
    # What farlane itself looks at.
    Safeguard("own-config", "tools/farlane/config_file.cc",
              "  if (is_file && (facts", '  if (is_file && !SafeguardOff("own-config") && (facts', ("system.cli.config_test",)),
    # What is measured of commands.
    Safeguard("unmeasured-first", "gpu-server/daemon/worker.cc",
              "grant.awaits_turns || watch.limit_ns() != 0;",
              'grant.awaits_turns || (watch.limit_ns() != 0 && !SafeguardOff("unmeasured-first"));',
              ("system.client.command_max_test",)),
    Safeguard("late-end", "gpu-server/session/work_meter.cc",
              "  if (run.begin_is_own) {\n    device", '  if (run.begin_is_own || SafeguardOff("late-end")) {\n    device',
              ("server_session_test",)),
    # What a project may move over the network.
    Safeguard("net-overflow", "protocol/base/net_rate.cc",
              "uint64_t{kNetRateLeast}, kMost", 'uint64_t{kNetRateLeast}, SafeguardOff("net-overflow") ? UINT64_MAX : kMost',
              ("protocol_base_test",)),
]

TARGETS = ["client_case", "farlane-gpud", "farlane", "protocol_base_test", "server_arbiter_test", "counted_clock", "faulty_machine",
           "monitor_case", "farlane-agent", "farlane-poold", "farlane-session", "server_agent_test", "server_session_test", "pool_api_test", "pool_core_test",
           "pool_daemon_test", "pool_store_test", "pool_tenancy_test", "pool_trust_test"] + [f"tests/apps/{app}" for app in ("managed_memory", "mapped_memory", "graph_nodes")]


def sources_with(safeguards, root):
    """The texts of the sources that have them, each with its way around."""
    texts = {}
    for safeguard in safeguards:
        text = texts.get(safeguard.source) or (root / safeguard.source).read_text(encoding="utf-8")
        if text.count(safeguard.old) != 1:
            sys.exit(f"{safeguard.name}: {safeguard.source} has not one place that says {safeguard.old!r}")
        texts[safeguard.source] = text.replace(safeguard.old, safeguard.new)
    return {source: text.replace("namespace farlane", PREAMBLE + "\nnamespace farlane", 1) for source, text in texts.items()}


def passes(test, root, off):
    environment = {**os.environ, "SAFEGUARD_OFF": off}
    command = ["ctest", "--test-dir", "build/release", "-R", f"^{test}$", "--no-tests=error"]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    if "Skipped" in done.stdout:
        sys.exit(f"{test} was skipped, and shows nothing")
    return done.returncode == 0


def build(root, command):
    if not (root / "build/release").exists():
        subprocess.run(["cmake", "--preset", "release", "-DFARLANE_TESTS=ON"], cwd=root, check=True)
    subprocess.run([*command, *TARGETS], cwd=root, check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dir", type=pathlib.Path)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(s.name for s in SAFEGUARDS))
    parser.add_argument("--build", default="cmake --build build/release --target", help="to be followed by targets")
    options = parser.parse_args()
    here = pathlib.Path(__file__).resolve().parents[2]
    root = options.dir.resolve()
    if root == here:
        sys.exit("that is this checkout: its sources stay as they are")
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=here, check=True, capture_output=True, text=True).stdout
    if not root.exists():
        subprocess.run(["git", "worktree", "add", "--detach", str(root)], cwd=here, check=True)
    subprocess.run(["git", "checkout", "--quiet", "--force", "--detach", commit.strip()], cwd=root, check=True)
    chosen = [s for s in SAFEGUARDS if not options.names or s.name in options.names]
    texts = sources_with(SAFEGUARDS, root)
    for source, text in texts.items():
        (root / source).write_text(text, encoding="utf-8")
    build(root, shlex.split(options.build))
    with_all = {test: passes(test, root, "") for test in sorted({test for s in chosen for test in s.tests})}
    wrong = 0
    for safeguard in chosen:
        for test in safeguard.tests:
            without = passes(test, root, safeguard.name)
            wrong += without or not with_all[test]
            print(f"{safeguard.name}: {test} {'PASSES' if without else 'fails'} without it, "
                  f"{'passes' if with_all[test] else 'FAILS'} with it", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

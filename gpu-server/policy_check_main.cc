// SPDX-License-Identifier: Apache-2.0
// farlane-policy-check: runs a scheduling policy for a million decisions, says how it does, and
// whether it keeps the rules of a plug-in.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>

#include <unistd.h>

#include "gpu-server/arbiter/policy_library.h"
#include "gpu-server/policy_check/policy_trial.h"
#include "protocol/base/log.h"

namespace {

using farlane::server::PolicySeat;
using farlane::server::PolicyTrial;

// What a decision about 64 sessions may take, so that it does not hold up others' turns.
constexpr uint64_t kDecideNs = 20'000;
constexpr double kMs = 1e6;
constexpr double kPercent = 100;

struct Words {
  std::string policy;
  uint64_t decisions = 1'000'000;
  uint32_t sessions = 64;
  uint64_t seed = 1;
};

struct NamedScene {
  PolicyTrial::Scene scene;
  const char* name;
};

constexpr NamedScene kScenes[] = {{PolicyTrial::Scene::kEqual, "equal"},
                                  {PolicyTrial::Scene::kWeights, "weights"},
                                  {PolicyTrial::Scene::kMixed, "mixed"}};

std::string ExecutableFolder() {
  char path[4096];
  const ssize_t size = readlink("/proc/self/exe", path, sizeof path);
  const std::string whole(path, size > 0 ? static_cast<size_t>(size) : 0);
  return whole.substr(0, whole.rfind('/'));
}

void Print(const char* scene, const PolicyTrial::Report& report) {
  const bool has_shares = report.jain != 0;
  char shares[64] = "       -       -";
  if (has_shares) {
    snprintf(shares, sizeof shares, "%7.2f%% %7.4f", report.share_error * kPercent, report.jain);
  }
  printf("%-8s %9llu %8llu %16s %8.2f %8.2f %8.2f %9llu %9llu\n", scene,
         static_cast<unsigned long long>(report.decisions),
         static_cast<unsigned long long>(report.changes), shares,
         static_cast<double>(report.wait_ns[3]) / kMs, static_cast<double>(report.wait_ns[2]) / kMs,
         static_cast<double>(report.wait_ns[1]) / kMs,
         static_cast<unsigned long long>(report.decide_ns),
         static_cast<unsigned long long>(report.decide_ns_99));
}

int Check(const Words& words) {
  auto loaded = farlane::server::LoadPolicy(words.policy, ExecutableFolder());
  if (!loaded.has_value()) {
    fprintf(stderr, "farlane-policy-check: %s\n", loaded.error().message().c_str());
    return 2;
  }
  const PolicySeat& policy = loaded.value();
  printf("%s: %s\n%u sessions, seed %llu; waits are of 99 in 100\n\n", policy.name(),
         policy.policy().description, words.sessions, static_cast<unsigned long long>(words.seed));
  printf("%-8s %9s %8s %8s %7s %8s %8s %8s %9s %9s\n%-8s %9s %8s %8s %7s %8s %8s %8s %9s %9s\n",
         "SCENE", "DECISIONS", "CHANGES", "SHARE", "JAIN", "GUAR.", "STAND.", "BEST-E.", "DECIDE",
         "99 OF 100", "", "", "", "ERROR", "", "WAIT ms", "WAIT ms", "WAIT ms", "ns", "ns");
  const size_t threads = farlane::server::CountThreads();
  std::string fault;
  for (const NamedScene& scene : kScenes) {
    PolicyTrial trial(policy, scene.scene, words.sessions, words.seed);
    const PolicyTrial::Report report = trial.Run(words.decisions / std::size(kScenes));
    Print(scene.name, report);
    fault = fault.empty() ? report.fault : fault;
    if (fault.empty() && report.decide_ns > kDecideNs) {
      fault = "half of its decisions take more than " + std::to_string(kDecideNs) + " ns";
    }
  }
  if (fault.empty() && farlane::server::CountThreads() != threads) {
    fault = "it starts threads";
  }
  printf("\n%s\n", fault.empty() ? "keeps the rules" : ("BREAKS THE RULES: " + fault).c_str());
  return fault.empty() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  farlane::SetLogName("farlane-policy-check");
  Words words;
  CLI::App app("Runs a scheduling policy in virtual time and says how it does.",
               "farlane-policy-check");
  app.add_option("policy", words.policy,
                 "built-in, the name of a policy beside this program, or the absolute path of one")
      ->required()
      ->type_name("POLICY");
  app.add_option("--decisions", words.decisions,
                 "How many are asked for, in three scenes [1000000]")
      ->check(CLI::Range(uint64_t{300}, uint64_t{1'000'000'000}))
      ->type_name("N");
  app.add_option("--sessions", words.sessions, "How many there are [64]")
      ->check(CLI::Range(1u, 1000u))
      ->type_name("N");
  app.add_option("--seed", words.seed, "Another one gives another run [1]")->type_name("N");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {  // the parser's own way of saying that it is done
    return app.exit(error) == 0 ? 0 : 2;
  }
  return Check(words);
}

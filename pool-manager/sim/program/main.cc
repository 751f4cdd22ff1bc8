// SPDX-License-Identifier: Apache-2.0
// farlane-sim: plays a pool in virtual time, to see what a rule of placement would do before it is
// let loose on anybody. "farlane sim" runs it.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <sstream>

#include "pool-manager/sim/report.h"
#include "protocol/base/log.h"

namespace farlane::pool::sim {
namespace {

constexpr int kExitFailed = 125;

struct Options {
  std::string mix = "easy";
  std::string policy = "balanced";
  std::vector<std::string> rules;
  std::string trace;
  std::string write_trace;
  std::string format = "text";
  MixOptions jobs;
  WorldOptions world;
  TidalOptions tidal;
  uint64_t seed = 1;
};

Result<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file) {
    return Status(StatusCode::kNotFound, "cannot read " + path);
  }
  return text.str();
}

Result<std::vector<Job>> JobsOf(Options& options) {
  if (!options.trace.empty()) {
    FARLANE_ASSIGN(const std::string csv, ReadFile(options.trace));
    return ReadTrace(csv);
  }
  FARLANE_ASSIGN(options.jobs.mix, MixNamed(options.mix));
  options.jobs.seed = options.seed;
  options.jobs.gpus = options.world.servers * options.world.devices_per_server;
  options.jobs.zones = options.world.zones;
  options.jobs.racks = options.world.racks;
  return MakeMix(options.jobs);
}

Status PlayMix(Options& options) {
  FARLANE_ASSIGN(const PlacementPolicy policy, PlacementPolicy::Named(options.policy));
  FARLANE_ASSIGN(const std::vector<Job> jobs, JobsOf(options));
  std::vector<Rule> rules;
  for (const std::string& name : options.rules) {
    FARLANE_ASSIGN(const Rule rule, RuleNamed(name));
    rules.push_back(rule);
  }
  if (!options.write_trace.empty()) {
    std::ofstream file(options.write_trace, std::ios::binary);
    file << WriteTrace(jobs);
    if (!file.flush()) {
      return Status(StatusCode::kUnavailable, "cannot write " + options.write_trace);
    }
  }
  options.world.seed = options.seed;
  const World world(options.world);
  std::vector<MixResult> results;
  for (const Rule rule : rules.empty() ? AllRules() : rules) {
    results.push_back(RunMix(world, jobs, rule, policy));
  }
  fputs((options.format == "json" ? MixJson(results, options.seed) : MixText(results)).c_str(),
        stdout);
  return Status::Ok();
}

Status PlayTidal(Options& options) {
  FARLANE_ASSIGN(const PlacementPolicy policy, PlacementPolicy::Named(options.policy));
  options.tidal.seed = options.seed;
  const TidalResult result = RunTidal(options.tidal, policy);
  fputs((options.format == "json" ? TidalJson(result, options.seed) : TidalText(result)).c_str(),
        stdout);
  return Status::Ok();
}

void AddUsual(CLI::App* app, Options* options) {
  app->add_option("--seed", options->seed, "The same seed gives the same numbers")
      ->capture_default_str();
  app->add_option("--policy", options->policy, "The placement policy of the pool")
      ->check(CLI::IsMember(PlacementPolicy::Names()))
      ->capture_default_str();
  app->add_option("-o,--output", options->format, "text or json")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
}

CLI::App* AddMix(CLI::App& root, Options* options) {
  CLI::App* app = root.add_subcommand("mix", "Compare rules of placement on one list of sessions");
  AddUsual(app, options);
  app->add_option("--mix", options->mix,
                  "easy: chatty programs want little; hard: they want half a GPU")
      ->check(CLI::IsMember({"easy", "hard"}))
      ->capture_default_str();
  app->add_option("--load", options->jobs.load, "Of the pool, nominal")
      ->check(CLI::Range(0.01, 3.0))
      ->capture_default_str();
  app->add_option("--jobs", options->jobs.jobs, "How many sessions")
      ->check(CLI::Range(1u, 5'000'000u))
      ->capture_default_str();
  app->add_option("--servers", options->world.servers, "How many servers")
      ->check(CLI::Range(1u, 100'000u))
      ->capture_default_str();
  app->add_option("--zones", options->world.zones, "... in so many zones")
      ->check(CLI::Range(1u, 1000u))
      ->capture_default_str();
  app->add_option("--rtt-noise", options->world.rtt_noise, "How far one measurement may be off")
      ->check(CLI::Range(0.0, 2.0))
      ->capture_default_str();
  app->add_option("--rule", options->rules,
                  "Only these rules: farlane, greedy, nearest, "
                  "least-loaded, fixed-weights, random");
  app->add_option("--trace", options->trace, "Sessions from this CSV file instead of a mix");
  app->add_option("--write-trace", options->write_trace, "Write the sessions to this CSV file");
  return app;
}

CLI::App* AddTidal(CLI::App& root, Options* options) {
  CLI::App* app =
      root.add_subcommand("tidal", "A day of inference, and training in what it leaves");
  AddUsual(app, options);
  app->add_option("--servers", options->tidal.servers, "How many servers, of 8 GPUs each")
      ->check(CLI::Range(1u, 1000u))
      ->capture_default_str();
  app->add_option("--inference", options->tidal.inference_mean, "Of the pool, over the day")
      ->check(CLI::Range(0.01, 1.0))
      ->capture_default_str();
  app->add_option("--training", options->tidal.training, "Of the pool: work that comes in")
      ->check(CLI::Range(0.01, 2.0))
      ->capture_default_str();
  app->add_flag("!--solid", options->tidal.training_fills,
                "Training holds its share like everybody, and fills nothing");
  return app;
}

int Main(int argc, char** argv) {
  SetLogName("farlane-sim");
  Options options;
  CLI::App app("Plays a pool of GPUs in virtual time.", "farlane sim");
  app.require_subcommand(1);
  const CLI::App* mix = AddMix(app, &options);
  AddTidal(app, &options);
  app.footer(
      "Examples:\n  farlane sim mix --mix hard --load 1\n"
      "  farlane sim mix --trace sessions.csv --rule farlane -o json\n  farlane sim tidal");
  CLI11_PARSE(app, argc, argv);
  const Status status = mix->parsed() ? PlayMix(options) : PlayTidal(options);
  if (!status.ok()) {
    LogError("%s", status.message().c_str());
    return kExitFailed;
  }
  return 0;
}

}  // namespace
}  // namespace farlane::pool::sim

int main(int argc, char** argv) {
  return farlane::pool::sim::Main(argc, argv);
}

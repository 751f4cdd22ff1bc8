// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/sim/job.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <sstream>

#include "pool-manager/sim/chance.h"

namespace farlane::pool::sim {
namespace {

constexpr double kMeanSessionS = 600;
constexpr double kMeanShare = 0.35;  // nominal, as the load is
constexpr double kAppSpread = 0.3;   // programs of a class are not alike
constexpr double kRunSpread = 0.1;   // nor two runs of a program
constexpr size_t kFields = 11;
constexpr size_t kJobsMost = 10'000'000;
const char* const kHeading =
    "arrival_s,duration_s,zone,rack,app,class,share,memory_gib,calls_per_gpu_s,bytes_per_gpu_s,"
    "busy";

struct Class {
  AppClass app_class;
  double part;  // of all jobs
  double share, memory_gib, calls, bytes, busy;
};

constexpr std::array<Class, 3> kEasy = {{{AppClass::kTrain, 0.40, 0.5, 30, 20, 50e6, 0.6},
                                         {AppClass::kInfer, 0.45, 0.25, 12, 1500, 100e6, 0.25},
                                         {AppClass::kInteractive, 0.15, 0.1, 6, 8000, 20e6, 0.1}}};
constexpr std::array<Class, 3> kHard = {{{AppClass::kTrain, 0.40, 0.25, 12, 20, 50e6, 0.25},
                                         {AppClass::kInfer, 0.45, 0.25, 12, 1500, 100e6, 0.25},
                                         {AppClass::kInteractive, 0.15, 0.5, 30, 8000, 20e6, 0.4}}};

struct App {
  std::string name;
  const Class* of;
  AppClass said;
  double calls, bytes, busy;
};

std::vector<App> MakeApps(const MixOptions& options, Chance& chance) {
  const auto& classes = options.mix == Mix::kEasy ? kEasy : kHard;
  std::vector<App> apps;
  for (uint32_t i = 0; i < options.apps; ++i) {
    const Class& of = classes[i % classes.size()];
    App app{.name = std::string(AppClassName(of.app_class)) + "-" + std::to_string(i),
            .of = &of,
            // Whoever starts a program for the first time says something, mostly wrong.
            .said = static_cast<AppClass>(chance.Below(3)),
            .calls = of.calls * chance.Noise(kAppSpread),
            .bytes = of.bytes * chance.Noise(kAppSpread),
            .busy = std::min(1.0, of.busy * chance.Noise(kAppSpread / 2))};
    apps.push_back(app);
  }
  return apps;
}

const App& PickApp(const std::vector<App>& apps, size_t classes, Chance& chance, double of_class) {
  size_t kind = 0;
  while (kind + 1 < classes && of_class >= apps[kind].of->part) {
    of_class -= apps[kind++].of->part;
  }
  const auto rows = static_cast<uint32_t>((apps.size() - kind + classes - 1) / classes);
  return apps[kind + classes * chance.Below(rows)];
}

Result<double> ParseNumber(const std::string& text, size_t line) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(number) ||
      number < 0) {
    return Status(StatusCode::kInvalidArgument, "line " + std::to_string(line) +
                                                    " of the trace has \"" + text +
                                                    "\" where a number belongs");
  }
  return number;
}

Result<Job> ParseJob(const std::string& text, size_t line) {
  std::vector<std::string> fields;
  std::istringstream stream(text);
  for (std::string field; std::getline(stream, field, ',');) {
    fields.push_back(field);
  }
  if (fields.size() != kFields) {
    return Status(StatusCode::kInvalidArgument,
                  "line " + std::to_string(line) + " of the trace has " +
                      std::to_string(fields.size()) + " fields instead of 11");
  }
  Job job;
  job.app = fields[4];
  job.app_class = AppClassOf(fields[5]);
  job.said_class = job.app_class;
  FARLANE_ASSIGN(job.arrival_s, ParseNumber(fields[0], line));
  FARLANE_ASSIGN(job.duration_s, ParseNumber(fields[1], line));
  FARLANE_ASSIGN(const double zone, ParseNumber(fields[2], line));
  FARLANE_ASSIGN(const double rack, ParseNumber(fields[3], line));
  FARLANE_ASSIGN(job.share, ParseNumber(fields[6], line));
  FARLANE_ASSIGN(job.memory_gib, ParseNumber(fields[7], line));
  FARLANE_ASSIGN(job.calls_per_gpu_s, ParseNumber(fields[8], line));
  FARLANE_ASSIGN(job.bytes_per_gpu_s, ParseNumber(fields[9], line));
  FARLANE_ASSIGN(job.busy, ParseNumber(fields[10], line));
  constexpr double kNumberMost = 10'000;
  if (zone >= kNumberMost || rack >= kNumberMost || job.share <= 0 || job.share > 1 ||
      job.busy > 1 || job.memory_gib > kNumberMost) {
    return Status(StatusCode::kInvalidArgument,
                  "line " + std::to_string(line) +
                      " of the trace has a zone, rack, share, memory or busy out of range");
  }
  job.zone = static_cast<uint32_t>(zone);
  job.rack = static_cast<uint32_t>(rack);
  return job;
}

}  // namespace

Result<std::vector<Job>> ReadTrace(const std::string& csv) {
  std::vector<Job> jobs;
  std::istringstream stream(csv);
  size_t line = 0;
  for (std::string text; std::getline(stream, text);) {
    ++line;
    if (!text.empty() && text.back() == '\r') {
      text.pop_back();
    }
    if (text.empty() || text == kHeading) {
      continue;
    }
    FARLANE_ASSIGN(Job job, ParseJob(text, line));
    if (jobs.size() >= kJobsMost || (!jobs.empty() && job.arrival_s < jobs.back().arrival_s)) {
      return Status(StatusCode::kInvalidArgument,
                    "line " + std::to_string(line) +
                        " of the trace comes before the one above it, or is one too many");
    }
    jobs.push_back(std::move(job));
  }
  return jobs;
}

std::string WriteTrace(const std::vector<Job>& jobs) {
  std::string csv = std::string(kHeading) + "\n";
  for (const Job& job : jobs) {
    char line[400];
    snprintf(line, sizeof line, "%.3f,%.3f,%u,%u,%.80s,%s,%.6g,%.6g,%.6g,%.6g,%.6g\n",
             job.arrival_s, job.duration_s, job.zone, job.rack, job.app.c_str(),
             AppClassName(job.app_class), job.share, job.memory_gib, job.calls_per_gpu_s,
             job.bytes_per_gpu_s, job.busy);
    csv += line;
  }
  return csv;
}

Result<Mix> MixNamed(const std::string& name) {
  if (name == "easy" || name == "hard") {
    return name == "easy" ? Mix::kEasy : Mix::kHard;
  }
  return Status(StatusCode::kNotFound,
                "there is no mix \"" + name + "\" (there are easy and hard)");
}

std::vector<Job> MakeMix(const MixOptions& options) {
  Chance chance(options.seed);
  const std::vector<App> apps = MakeApps(options, chance);
  const double arrivals_per_s = options.gpus * options.load / (kMeanShare * kMeanSessionS);
  std::vector<Job> jobs;
  jobs.reserve(options.jobs);
  double now_s = 0;
  for (uint32_t i = 0; i < options.jobs; ++i) {
    now_s += chance.Exponential(1 / arrivals_per_s);
    const App& app = PickApp(apps, kEasy.size(), chance, chance.Uniform());
    Job job;
    job.arrival_s = now_s;
    job.duration_s = chance.Exponential(kMeanSessionS);
    job.zone = chance.Below(options.zones);
    job.rack = chance.Below(options.racks);
    job.app = app.name;
    job.app_class = app.of->app_class;
    job.said_class = app.said;
    job.share = app.of->share;
    job.memory_gib = app.of->memory_gib;
    job.calls_per_gpu_s = app.calls * chance.Noise(kRunSpread);
    job.bytes_per_gpu_s = app.bytes * chance.Noise(kRunSpread);
    job.busy = std::min(1.0, app.busy * chance.Noise(kRunSpread));
    jobs.push_back(std::move(job));
  }
  return jobs;
}

}  // namespace farlane::pool::sim

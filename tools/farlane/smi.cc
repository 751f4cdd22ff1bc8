// SPDX-License-Identifier: Apache-2.0
// farlane smi: the GPUs of a server in the table that everybody knows, of them what is the asker's.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "protocol/base/environment.h"
#include "protocol/base/log.h"
#include "tools/farlane/build_info.h"
#include "tools/farlane/help_format.h"
#include "tools/farlane/json.h"
#include "tools/farlane/nvml_library.h"
#include "tools/farlane/output_format.h"
#include "tools/farlane/private_server.h"
#include "tools/farlane/verb.h"

namespace farlane::cli {
namespace {

struct SmiOptions {
  std::string server;
  std::string format;
  bool json = false;
};

constexpr char kRule[] =
    "+-----------------------------------------------------------------------------+\n";
constexpr char kColumnsRule[] =
    "+-------------------------------+----------------------+----------------------+\n";
constexpr char kColumnsEnd[] =
    "+===============================+======================+======================+\n";

std::string Mebibytes(uint64_t bytes) {
  return std::to_string(bytes >> 20) + "MiB";
}

// "N/A" for what is not known.
std::string Or(const std::optional<uint64_t>& value, const char* unit, uint64_t divisor = 1) {
  return value.has_value() ? std::to_string(*value / divisor) + unit : "N/A";
}

// A path says most at its end.
std::string EndOf(const std::string& name) {
  constexpr size_t kWidth = 36;
  return name.size() <= kWidth ? name : "..." + name.substr(name.size() - kWidth + 3);
}

std::string StateOf(const GpuStatus& gpu) {
  return gpu.performance_state.has_value() ? "P" + std::to_string(*gpu.performance_state) : "N/A";
}

void PrintGpu(size_t index, const GpuStatus& gpu) {
  const std::string power = Or(gpu.power_mw, "W", 1000) + " / " + Or(gpu.power_limit_mw, "W", 1000);
  const std::string memory = Mebibytes(gpu.used_bytes) + " / " + Mebibytes(gpu.total_bytes);
  const std::string capability =
      std::to_string(gpu.compute_major) + "." + std::to_string(gpu.compute_minor);
  printf("| %3zu  %-24.24s | %-20.20s | %20.20s |\n", index, gpu.name.c_str(),
         gpu.pci_bus_id.c_str(), Or(gpu.ecc_uncorrected, "").c_str());
  printf("| %4.4s %5.5s %4.4s %13.13s | %20.20s | %6u%%  %11.11s |\n",
         Or(gpu.fan_percent, "%").c_str(), Or(gpu.temperature_c, "C").c_str(), StateOf(gpu).c_str(),
         power.c_str(), memory.c_str(), gpu.busy_percent, capability.c_str());
  fputs(kColumnsRule, stdout);
}

void PrintProcesses(const SystemStatus& status) {
  fputs(kRule, stdout);
  printf("| %-75s |\n", "Processes of this session:");
  printf("| %3s  %10s  %4s  %-36s  %14s |\n", "GPU", "PID", "Type", "Process name", "GPU memory");
  printf("+=============================================================================+\n");
  bool any = false;
  for (size_t i = 0; i < status.gpus.size(); ++i) {
    for (const GpuProcess& process : status.gpus[i].processes) {
      printf("| %3zu  %10u  %4s  %-36.36s  %14s |\n", i, process.pid, "C",
             EndOf(process.name).c_str(), Mebibytes(process.used_bytes).c_str());
      any = true;
    }
  }
  if (!any) {
    printf("| %-75s |\n", " none on this machine");
  }
  fputs(kRule, stdout);
}

void PrintTable(const SystemStatus& status) {
  const std::string driver = status.driver_version.empty() ? "N/A" : status.driver_version;
  const std::string cuda = std::to_string(status.cuda_version / 1000) + "." +
                           std::to_string(status.cuda_version % 1000 / 10);
  fputs(kRule, stdout);
  printf("| farlane smi %-16.16s driver %-18.18s CUDA %-15.15s |\n", kVersion, driver.c_str(),
         cuda.c_str());
  fputs(kColumnsRule, stdout);
  printf("| %-29s | %-20s | %20s |\n", "GPU  Name", "Bus-Id", "Uncorr. ECC");
  printf("| %4s %5s %4s %13s | %20s | %8s  %10s |\n", "Fan", "Temp", "Perf", "Pwr:Use/Cap",
         "Memory-Use", "GPU-Util", "Capability");
  fputs(kColumnsEnd, stdout);
  for (size_t i = 0; i < status.gpus.size(); ++i) {
    PrintGpu(i, status.gpus[i]);
  }
  fputs("\n", stdout);
  PrintProcesses(status);
}

// A member only if it is known.
void Add(JsonObject* json, const char* name, const std::optional<uint64_t>& value) {
  if (value.has_value()) {
    json->Number(name, *value);
  } else {
    json->Raw(name, "null");
  }
}

std::string GpuJson(size_t index, const GpuStatus& gpu) {
  std::vector<std::string> processes;
  for (const GpuProcess& process : gpu.processes) {
    processes.push_back(JsonObject()
                            .Number("pid", process.pid)
                            .Text("name", process.name)
                            .Number("used_bytes", process.used_bytes)
                            .str());
  }
  JsonObject json;
  json.Number("index", index)
      .Text("name", gpu.name)
      .Text("uuid", gpu.uuid)
      .Text("pci_bus_id", gpu.pci_bus_id)
      .Text("compute_capability",
            std::to_string(gpu.compute_major) + "." + std::to_string(gpu.compute_minor))
      .Number("memory_total_bytes", gpu.total_bytes)
      .Number("memory_used_bytes", gpu.used_bytes)
      .Number("memory_free_bytes", gpu.free_bytes)
      .Number("busy_percent", gpu.busy_percent)
      .Number("copy_percent", gpu.copy_percent);
  Add(&json, "temperature_c", gpu.temperature_c);
  Add(&json, "fan_percent", gpu.fan_percent);
  Add(&json, "power_mw", gpu.power_mw);
  Add(&json, "power_limit_mw", gpu.power_limit_mw);
  Add(&json, "performance_state", gpu.performance_state);
  Add(&json, "sm_clock_mhz", gpu.sm_clock_mhz);
  Add(&json, "memory_clock_mhz", gpu.memory_clock_mhz);
  Add(&json, "ecc_uncorrected", gpu.ecc_uncorrected);
  json.Raw("processes", JsonList(processes));
  return json.str();
}

void PrintJson(const SystemStatus& status) {
  std::vector<std::string> gpus;
  for (size_t i = 0; i < status.gpus.size(); ++i) {
    gpus.push_back(GpuJson(i, status.gpus[i]));
  }
  printf("%s\n", JsonObject()
                     .Text("driver_version", status.driver_version)
                     .Number("cuda_version", static_cast<uint64_t>(status.cuda_version))
                     .Raw("gpus", JsonList(gpus))
                     .str()
                     .c_str());
}

int Show(const SmiOptions& options, const Installation& installation) {
  const Result<SystemStatus> status = AskNvml(installation.ClientMonitoringLibrary());
  if (!status.ok()) {
    LogError("%s", status.error().message().c_str());
    return 1;
  }
  if (options.json || options.format == "json") {
    PrintJson(*status);
  } else {
    PrintTable(*status);
  }
  return 0;
}

int Act(const SmiOptions& options) {
  const Result<Installation> installation = Installation::Find();
  if (!installation.ok()) {
    LogError("%s", installation.error().message().c_str());
    return kExitFarlane;
  }
  if (!options.server.empty()) {
    setenv("FARLANE_SERVER", options.server.c_str(), 1);
  }
  if (Environment("FARLANE_SERVER").has_value() || Environment("FARLANE_POOL").has_value()) {
    return Show(options, *installation);
  }
  int interrupted_by = 0;
  const Result<PrivateServer> server =
      PrivateServer::Start(*installation, {}, nullptr, &interrupted_by);
  if (!server.ok()) {
    LogError("%s", server.error().message().c_str());
    return kExitFarlane;
  }
  setenv("FARLANE_SERVER", server->address().c_str(), 1);
  return Show(options, *installation);
}

}  // namespace

Verb AddSmi(CLI::App& root) {
  auto options = std::make_shared<SmiOptions>();  // shared by the parser and the verb's action
  CLI::App* app = root.add_subcommand("smi", "Show the GPUs of a server and what runs on them");
  app->formatter(std::make_shared<HelpFormat>("[OPTIONS]"));
  app->add_option("--server", options->server,
                  "GPU server to ask (default: FARLANE_SERVER, else a private one)")
      ->type_name("ADDRESS");
  AddOutputFormat(app, &options->format);
  app->add_flag("--json", options->json, "the same as -o json");
  app->footer(
      "Memory, utilisation and processes are those of one session: of FARLANE_SESSION, which\n"
      "farlane run sets for its command, else of this user's programs that run without it.\n"
      "Temperature, power and errors are the whole GPU's, as far as the server knows them.\n\n"
      "Exit code: 0 if there was an answer, 1 if there was none, 125 if nothing could be asked.\n\n"
      "Examples:\n"
      "  farlane smi --server gpu1:7450\n"
      "  farlane run -- sh -c './train & farlane smi; wait'\n"
      "  farlane smi --json");
  const auto act = [options](const std::vector<std::string>&) { return Act(*options); };
  return {.app = app, .act = act};
}

}  // namespace farlane::cli

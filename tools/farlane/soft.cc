// SPDX-License-Identifier: Apache-2.0
// farlane soft info: what device code a file carries, and what of it the software GPU can run.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <memory>

#include "protocol/base/log.h"
#include "tools/farlane/help_format.h"
#include "tools/farlane/image_report.h"
#include "tools/farlane/json.h"
#include "tools/farlane/output_format.h"
#include "tools/farlane/verb.h"

namespace farlane::cli {
namespace {

struct SoftOptions {
  std::string topic;
  std::string file;
  std::string format;
  bool json = false;
};

// What all images together say of the file.
struct Verdict {
  uint64_t ptx_count = 0;      // PTX that can be read
  uint64_t lacking_count = 0;  // instructions that are refused
  uint64_t problems_count = 0;
};

Verdict Judge(const std::vector<ImageReport>& reports) {
  Verdict verdict;
  for (const ImageReport& report : reports) {
    verdict.problems_count += report.problem.empty() ? 0 : 1;
    if (report.coverage.has_value()) {
      ++verdict.ptx_count;
      for (const soft::ptx::LackingUse& use : report.coverage->lacking) {
        verdict.lacking_count += use.count;
      }
    }
  }
  return verdict;
}

bool IsWell(const Verdict& verdict) {
  return verdict.ptx_count != 0 && verdict.lacking_count == 0 && verdict.problems_count == 0;
}

std::string Sentence(const Verdict& verdict) {
  if (verdict.ptx_count == 0) {
    return "the software GPU runs PTX, and there is none that it can read; rebuild with PTX: "
           "nvcc's "
           "default, or -arch=compute_XX -code=compute_XX";
  }
  if (verdict.lacking_count != 0) {
    return "kernels with instructions that the software GPU lacks fail when they are launched";
  }
  return verdict.problems_count != 0 ? "some of it cannot be read"
                                     : "the software GPU has every instruction in it";
}

void PrintKernels(const ImageReport& report) {
  printf("  %10s  %10s  %9s  %12s  kernel\n", "parameters", "shared", "registers", "instructions");
  for (const KernelReport& kernel : report.kernels) {
    const std::string parameters = std::to_string(kernel.parameters_count) + " (" +
                                   std::to_string(kernel.parameter_bytes) + " B)";
    const std::string shared =
        std::to_string(kernel.shared_bytes) + (kernel.has_dynamic_shared ? " B+" : " B");
    const std::string registers =
        kernel.registers.has_value()
            ? (report.coverage.has_value() ? "~" : "") + std::to_string(*kernel.registers)
            : "-";
    const std::string instructions =
        kernel.instructions.has_value() ? std::to_string(*kernel.instructions) : "-";
    printf("  %10s  %10s  %9s  %12s  %s%s\n", parameters.c_str(), shared.c_str(), registers.c_str(),
           instructions.c_str(), kernel.name.c_str(),
           kernel.lacking_count != 0 ? "  (cannot run)" : "");
  }
}

void PrintCoverage(const soft::ptx::Coverage& coverage) {
  printf("  %" PRIu64 " instructions, %zu opcodes, stage %s\n", coverage.instructions_count,
         coverage.opcodes.size(), std::string(NameOf(coverage.stage)).c_str());
  printf("  %10s  %9s  %-5s  opcode\n", "count", "lacking", "stage");
  for (const soft::ptx::OpcodeUse& use : coverage.opcodes) {
    printf("  %10" PRIu64 "  %9s  %-5s  %s\n", use.count,
           use.lacking_count != 0 ? std::to_string(use.lacking_count).c_str() : "-",
           std::string(NameOf(use.stage)).c_str(), use.name.c_str());
  }
  for (const soft::ptx::LackingUse& use : coverage.lacking) {
    printf("  lacking: %s (%" PRIu64 "), first in %s, line %u\n", use.text.c_str(), use.count,
           use.function.c_str(), use.line);
  }
}

void PrintText(const std::string& path,
               const DeviceCode& code,
               const std::vector<ImageReport>& reports,
               const Verdict& verdict) {
  printf("%s: %s", path.c_str(), code.kind.c_str());
  printf(code.fatbins_count != 0 ? ", %" PRIu64 " fatbins, %zu images\n" : "\n", code.fatbins_count,
         reports.size());
  for (size_t i = 0; i < reports.size(); ++i) {
    const ImageReport& report = reports[i];
    printf("\nimage %zu: %s %s, %" PRIu64 " bytes", i + 1, report.kind.c_str(),
           report.image->architecture.c_str(), report.plain_bytes);
    if (report.image->compression != abi::Compression::kNone) {
      printf(" (%" PRIu64 " by %s)", report.image->stored_bytes,
             CompressionName(report.image->compression).c_str());
    }
    printf("%s%s%s\n", report.image->relocatable ? ", relocatable" : "",
           report.name.empty() ? "" : ", ", report.name.c_str());
    if (!report.problem.empty()) {
      printf("  problem: %s\n", report.problem.c_str());
    }
    if (!report.kernels.empty()) {
      PrintKernels(report);
    }
    if (report.coverage.has_value()) {
      PrintCoverage(*report.coverage);
    }
  }
  printf("\n%s\n", Sentence(verdict).c_str());
}

std::string KernelJson(const KernelReport& kernel) {
  JsonObject json;
  json.Text("name", kernel.name)
      .Number("parameters", kernel.parameters_count)
      .Number("parameter_bytes", kernel.parameter_bytes)
      .Number("shared_bytes", kernel.shared_bytes)
      .Bool("dynamic_shared", kernel.has_dynamic_shared)
      .Number("lacking", kernel.lacking_count);
  if (kernel.registers.has_value()) {
    json.Number("registers", *kernel.registers);
  }
  if (kernel.instructions.has_value()) {
    json.Number("instructions", *kernel.instructions);
  }
  return json.str();
}

void AddCoverage(const soft::ptx::Coverage& coverage, JsonObject* json) {
  std::vector<std::string> opcodes;
  for (const soft::ptx::OpcodeUse& use : coverage.opcodes) {
    opcodes.push_back(JsonObject()
                          .Text("opcode", use.name)
                          .Text("stage", NameOf(use.stage))
                          .Number("count", use.count)
                          .Number("lacking", use.lacking_count)
                          .str());
  }
  std::vector<std::string> lacking;
  for (const soft::ptx::LackingUse& use : coverage.lacking) {
    lacking.push_back(JsonObject()
                          .Text("instruction", use.text)
                          .Text("stage", NameOf(use.stage))
                          .Number("count", use.count)
                          .Text("function", use.function)
                          .Number("line", use.line)
                          .str());
  }
  json->Number("instructions", coverage.instructions_count)
      .Text("stage", NameOf(coverage.stage))
      .Raw("opcodes", JsonList(opcodes))
      .Raw("lacking", JsonList(lacking));
}

std::string ImageJson(const ImageReport& report) {
  JsonObject json;
  json.Text("kind", report.kind)
      .Text("architecture", report.image->architecture)
      .Text("name", report.name)
      .Bool("relocatable", report.image->relocatable)
      .Text("compression", CompressionName(report.image->compression))
      .Number("stored_bytes", report.image->stored_bytes)
      .Number("bytes", report.plain_bytes);
  if (!report.problem.empty()) {
    json.Text("problem", report.problem);
  }
  std::vector<std::string> kernels(report.kernels.size());
  std::transform(report.kernels.begin(), report.kernels.end(), kernels.begin(), KernelJson);
  json.Raw("kernels", JsonList(kernels));
  if (report.coverage.has_value()) {
    AddCoverage(*report.coverage, &json);
  }
  return json.str();
}

int Info(const SoftOptions& options) {
  const Result<DeviceCode> code = DeviceCode::Read(options.file);
  if (!code.ok()) {
    LogError("%s", code.error().message().c_str());
    return kExitFarlane;
  }
  std::vector<ImageReport> reports(code->images.size());
  std::transform(code->images.begin(), code->images.end(), reports.begin(), Report);
  const Verdict verdict = Judge(reports);
  if (options.json || options.format == "json") {
    std::vector<std::string> images(reports.size());
    std::transform(reports.begin(), reports.end(), images.begin(), ImageJson);
    const std::string json = JsonObject()
                                 .Text("file", options.file)
                                 .Text("kind", code->kind)
                                 .Number("fatbins", code->fatbins_count)
                                 .Raw("images", JsonList(images))
                                 .Bool("all_there", IsWell(verdict))
                                 .Text("verdict", Sentence(verdict))
                                 .str();
    printf("%s\n", json.c_str());
  } else {
    PrintText(options.file, *code, reports, verdict);
  }
  return IsWell(verdict) ? 0 : 1;
}

}  // namespace

Verb AddSoft(CLI::App& root) {
  auto options = std::make_shared<SoftOptions>();  // shared by the parser and the verb's action
  CLI::App* app = root.add_subcommand("soft", "Say what of a program the software GPU can run");
  app->formatter(std::make_shared<HelpFormat>("info [OPTIONS] FILE"));
  app->add_option("topic", options->topic, "\"info\": the device code of a file")
      ->required()
      ->check(CLI::IsMember({"info"}))
      ->type_name("");
  app->add_option("file", options->file, "program, library, object file, fatbin, cubin or PTX")
      ->required()
      ->type_name("");
  AddOutputFormat(app, &options->format);
  app->add_flag("--json", options->json, "the same as -o json");
  app->footer(
      "Reports the images in the file (architecture, kind, size), their kernels, and for PTX the\n"
      "opcodes with their counts, the stage of the software GPU that has them, and what it lacks.\n"
      "Nothing is compiled or run.\n\n"
      "Exit code: 0 if the software GPU has every instruction, 1 if it lacks some or cannot read\n"
      "all, 125 if the file carries no device code.\n\n"
      "Examples:\n"
      "  farlane soft info ./vector_add\n"
      "  farlane soft info --json kernels.ptx");
  const auto act = [options](const std::vector<std::string>&) { return Info(*options); };
  return {.app = app, .act = act};
}

}  // namespace farlane::cli

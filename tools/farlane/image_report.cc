// SPDX-License-Identifier: Apache-2.0
#include "tools/farlane/image_report.h"

#include <algorithm>

#include "protocol/abi/cubin.h"
#include "soft-gpu/ptx/parser.h"

namespace farlane::cli {
namespace {

// A kernel's code section keeps its number of registers in the upper byte of sh_info.
constexpr uint32_t kRegistersShift = 24;

// What a stranger's file says reaches a terminal: nothing of it may be read as a command there.
std::string Shown(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](char letter) { return letter < ' ' || letter > '~'; }, '?');
  return text;
}

std::string KindName(abi::EntryKind kind) {
  switch (kind) {
    case abi::EntryKind::kPtx:
      return "PTX";
    case abi::EntryKind::kElf:
      return "cubin";
    case abi::EntryKind::kLtoIr:
      return "link-time code";
  }
  return "kind " + std::to_string(static_cast<unsigned>(kind));
}

const abi::ElfSection* SectionOrNull(const abi::ElfView& elf, const std::string& name) {
  const auto found =
      std::find_if(elf.sections().begin(), elf.sections().end(),
                   [&](const abi::ElfSection& section) { return section.name == name; });
  return found == elf.sections().end() ? nullptr : &*found;
}

Status ReportCubin(ConstBytes cubin, ImageReport* report) {
  FARLANE_ASSIGN(const abi::ElfView elf, abi::ElfView::Open(cubin));
  FARLANE_ASSIGN(const abi::ModuleIndex index, abi::IndexCubin(cubin));
  for (const abi::KernelLayout& layout : index.kernels) {
    KernelReport kernel{.name = Shown(layout.name),
                        .parameters_count = layout.parameters.size(),
                        .parameter_bytes = layout.parameter_bytes,
                        .registers = std::nullopt,
                        .instructions = std::nullopt};
    if (const abi::ElfSection* shared = SectionOrNull(elf, ".nv.shared." + layout.name)) {
      kernel.shared_bytes = shared->header.sh_size;
    }
    if (const abi::ElfSection* code = SectionOrNull(elf, ".text." + layout.name)) {
      kernel.registers = code->header.sh_info >> kRegistersShift;
    }
    report->kernels.push_back(std::move(kernel));
  }
  return Status::Ok();
}

Status ReportPtx(ConstBytes bytes, ImageReport* report) {
  std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  text.resize(std::min(text.find('\0'), text.size()));  // behind it is padding
  FARLANE_ASSIGN(const soft::ptx::Module module, soft::ptx::ParseModule(std::move(text)));
  FARLANE_ASSIGN(soft::ptx::Coverage coverage, soft::ptx::CoverModule(module));
  for (const soft::ptx::KernelUse& use : coverage.kernels) {
    report->kernels.push_back({.name = Shown(use.name),
                               .parameters_count = use.parameters_count,
                               .parameter_bytes = use.parameter_bytes,
                               .shared_bytes = use.shared_bytes,
                               .has_dynamic_shared = use.has_dynamic_shared,
                               .registers = use.registers,
                               .instructions = use.instructions_count,
                               .lacking_count = use.lacking_count});
  }
  for (soft::ptx::OpcodeUse& use : coverage.opcodes) {
    use.name = Shown(use.name);
  }
  for (soft::ptx::LackingUse& use : coverage.lacking) {
    use.text = Shown(use.text);
    use.function = Shown(use.function);
  }
  report->coverage = std::move(coverage);
  return Status::Ok();
}

}  // namespace

std::string CompressionName(abi::Compression compression) {
  switch (compression) {
    case abi::Compression::kNone:
      return "none";
    case abi::Compression::kLz4:
      return "lz4";
    case abi::Compression::kZstd:
      return "zstd";
    case abi::Compression::kUnknown:
      break;
  }
  return "unknown";
}

ImageReport Report(const DeviceImage& image) {
  ImageReport report;
  report.kind = KindName(image.kind);
  report.image = &image;
  report.name = Shown(image.name);
  const Result<std::vector<std::byte>> plain = image.Unpack();
  if (!plain.ok()) {
    report.problem = Shown(plain.error().message());
    return report;
  }
  report.plain_bytes = plain->size();
  Status read = Status::Ok();
  if (image.kind == abi::EntryKind::kPtx) {
    read = ReportPtx(*plain, &report);
  } else if (image.kind == abi::EntryKind::kElf) {
    read = ReportCubin(*plain, &report);
  }
  report.problem = Shown(read.message());
  return report;
}

}  // namespace farlane::cli

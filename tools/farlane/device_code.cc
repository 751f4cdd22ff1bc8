// SPDX-License-Identifier: Apache-2.0
#include "tools/farlane/device_code.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "protocol/abi/byte_view.h"
#include "protocol/abi/cubin.h"
#include "protocol/abi/image.h"
#include "protocol/abi/ptx_index.h"
#include "protocol/base/fd.h"

namespace farlane::cli {
namespace {

constexpr uint64_t kFileBytesMax = 4_GiB;  // above every library known
constexpr uint16_t kMachineCuda = 190;
// Where compilers put fatbins into programs; the second are relocatable ones.
constexpr std::string_view kFatbinSections[] = {".nv_fatbin", "__nv_relfatbin"};
constexpr uint64_t kFatbinAlign = 8;

Status Invalid(std::string message) {
  return {StatusCode::kInvalidArgument, std::move(message)};
}

Result<std::vector<std::byte>> ReadFile(const std::string& path) {
  const Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));

  struct stat facts {};

  if (!file.valid() || fstat(file.get(), &facts) != 0) {
    return Status(StatusCode::kNotFound, strerror(errno));
  }
  if (!S_ISREG(facts.st_mode)) {
    return Invalid(S_ISDIR(facts.st_mode) ? "it is a folder" : "it is no regular file");
  }
  const auto bytes = static_cast<uint64_t>(facts.st_size);
  if (bytes == 0 || bytes > kFileBytesMax) {
    return Invalid(bytes == 0 ? "it is empty" : "it is larger than 4 GiB");
  }
  std::vector<std::byte> content(bytes);
  for (size_t done = 0; done < content.size();) {
    const ssize_t got = read(file.get(), content.data() + done, content.size() - done);
    if (got < 0 && errno != EINTR) {
      return Status(StatusCode::kInternal, strerror(errno));
    }
    if (got == 0) {
      return Invalid("it became shorter while it was read");
    }
    done += static_cast<size_t>(std::max<ssize_t>(got, 0));
  }
  return content;
}

std::string ArchitectureName(abi::EntryKind kind, uint32_t architecture, abi::ArchScope scope) {
  const char* suffix = scope == abi::ArchScope::kExact    ? "a"
                       : scope == abi::ArchScope::kFamily ? "f"
                                                          : "";
  return (kind == abi::EntryKind::kElf ? "sm_" : "compute_") + std::to_string(architecture) +
         suffix;
}

Status AddFatbin(ConstBytes fatbin, bool relocatable, DeviceCode* code) {
  FARLANE_ASSIGN(const std::vector<abi::FatbinEntry> entries, abi::ReadFatbin(fatbin));
  ++code->fatbins_count;
  for (const abi::FatbinEntry& entry : entries) {
    code->images.push_back(
        {.kind = entry.kind,
         .architecture = ArchitectureName(entry.kind, entry.architecture, entry.scope),
         .name = std::string(entry.name),
         .relocatable = relocatable,
         .compression = entry.compression,
         .stored_bytes = entry.stored.size(),
         .packed = entry});
  }
  return Status::Ok();
}

// Fatbins stand behind each other, with zeros between them.
Status AddSection(ConstBytes section, bool relocatable, DeviceCode* code) {
  while (section.size() >= abi::kFatbinHeaderBytes) {
    uint32_t magic = 0;
    memcpy(&magic, section.data(), sizeof magic);
    if (magic == 0) {
      section = section.subspan(kFatbinAlign);
      continue;
    }
    FARLANE_ASSIGN(const uint64_t extent, abi::FatbinExtent(section));
    if (extent > section.size()) {
      return Invalid("a fatbin of it is cut off");
    }
    FARLANE_TRY(AddFatbin(section.first(extent), relocatable, code));
    section = section.subspan(std::min<uint64_t>(RoundUp(extent, kFatbinAlign), section.size()));
  }
  return Status::Ok();
}

// The sections of a host's ELF file whose names are ours; ElfView reads device code only.
Status AddHostFile(ConstBytes file, DeviceCode* code) {
  const abi::ByteView view(file);
  const auto header = view.Read<Elf64_Ehdr>(0);
  if (!header || header->e_ident[EI_CLASS] != ELFCLASS64 ||
      header->e_shentsize != sizeof(Elf64_Shdr)) {
    return Invalid("it is an ELF file, but none of 64 bits with sections");
  }
  const auto section_at = [&](uint64_t index) {
    return view.Read<Elf64_Shdr>(header->e_shoff + index * sizeof(Elf64_Shdr));
  };
  const auto names_header = section_at(header->e_shstrndx);
  const auto names_bytes =
      names_header ? view.Range(names_header->sh_offset, names_header->sh_size) : std::nullopt;
  if (!names_bytes) {
    return Invalid("its sections have no names");
  }
  const abi::ByteView names(*names_bytes);
  for (uint64_t i = 0; i < header->e_shnum; ++i) {
    const auto section = section_at(i);
    const auto name = section ? names.Text(section->sh_name) : std::nullopt;
    const auto found = std::find(std::begin(kFatbinSections), std::end(kFatbinSections),
                                 name.value_or(std::string_view()));
    if (!name || found == std::end(kFatbinSections) || section->sh_type == SHT_NOBITS) {
      continue;
    }
    const auto bytes = view.Range(section->sh_offset, section->sh_size);
    if (!bytes) {
      return Invalid("its device code lies outside of the file");
    }
    FARLANE_TRY(AddSection(*bytes, found != std::begin(kFatbinSections), code));
  }
  return Status::Ok();
}

Status AddCubin(ConstBytes file, DeviceCode* code) {
  FARLANE_ASSIGN(const abi::ElfView elf, abi::ElfView::Open(file));
  code->kind = "cubin";
  code->images.push_back(
      {.kind = abi::EntryKind::kElf,
       .architecture = ArchitectureName(abi::EntryKind::kElf, abi::CubinArchitecture(elf.header()),
                                        abi::ArchScope::kForward),
       .relocatable = elf.header().e_type == ET_REL,
       .stored_bytes = file.size(),
       .bytes = file});
  return Status::Ok();
}

Status AddPtx(ConstBytes file, DeviceCode* code) {
  FARLANE_ASSIGN(const abi::PtxHead head, abi::ReadPtxHead(file));
  code->kind = "PTX";
  code->images.push_back(
      {.kind = abi::EntryKind::kPtx,
       .architecture = ArchitectureName(abi::EntryKind::kPtx, head.architecture, head.scope),
       .stored_bytes = file.size(),
       .bytes = file});
  return Status::Ok();
}

bool StartsWith(ConstBytes file, std::string_view start) {
  return file.size() >= start.size() && memcmp(file.data(), start.data(), start.size()) == 0;
}

Status Add(ConstBytes file, DeviceCode* code) {
  const auto header = abi::ByteView(file).Read<Elf64_Ehdr>(0);
  const bool is_elf = StartsWith(file, ELFMAG);
  if (is_elf && (!header || header->e_machine != kMachineCuda)) {
    code->kind = "program or library";
    FARLANE_TRY(AddHostFile(file, code));
    return code->images.empty() ? Invalid("it carries no device code") : Status::Ok();
  }
  if (StartsWith(file, "!<arch>\n")) {
    return Invalid("it is an archive; take its members out first (ar x)");
  }
  switch (abi::Identify(file)) {
    case abi::ImageKind::kCubin:
      return AddCubin(file, code);
    case abi::ImageKind::kFatbin:
      code->kind = "fatbin";
      return AddSection(file, false, code);
    case abi::ImageKind::kPtx:
      return AddPtx(file, code);
    case abi::ImageKind::kWrapper:
    case abi::ImageKind::kUnknown:
      break;
  }
  return Invalid("it is no program, fatbin, cubin or PTX");
}

}  // namespace

Result<std::vector<std::byte>> DeviceImage::Unpack() const {
  if (packed.has_value()) {
    return abi::Unpack(*packed);
  }
  return std::vector<std::byte>(bytes.begin(), bytes.end());
}

Result<DeviceCode> DeviceCode::Read(const std::string& path) {
  Result<std::vector<std::byte>> file = ReadFile(path);
  if (!file.ok()) {
    return Status(file.error().code(), "cannot read " + path + ": " + file.error().message());
  }
  DeviceCode code;
  code.file = std::move(file).value();
  const Status added = Add(code.file, &code);
  if (!added.ok()) {
    return Status(added.code(), path + ": " + added.message());
  }
  return code;
}

}  // namespace farlane::cli

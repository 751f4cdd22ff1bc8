// SPDX-License-Identifier: Apache-2.0
#include "protocol/abi/cubin.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "protocol/abi/byte_view.h"

namespace farlane::abi {
namespace {

constexpr uint8_t kAbiVersionWide = 8;  // from here on the architecture is one byte further up
constexpr uint8_t kSymbolIsKernel = 0x10;
constexpr uint8_t kSymbolIsManaged = 0x04;
constexpr std::string_view kInfoPrefix = ".nv.info.";

// Records of a kernel's .nv.info section.
enum InfoFormat : uint8_t { kNoValue = 1, kByteValue = 2, kShortValue = 3, kSizedValue = 4 };

enum InfoId : uint8_t {
  kParameterBlock = 0x0a,
  kParameter = 0x17,
  kParameterBytes = 0x19,
  kLargeParameter = 0x45,  // used for all parameters of a kernel that has more than 4 KB
};

struct InfoHead {
  uint8_t format;
  uint8_t id;
  uint16_t value;
};

struct ParameterRecord {
  uint32_t index;
  uint16_t ordinal;
  uint16_t offset;
  uint32_t packed;  // the size in its upper 14 bits
};

struct LargeParameterRecord {
  uint32_t index;
  uint16_t ordinal;
  uint16_t offset;
  uint16_t bytes;
  uint16_t flags;
};

struct ParameterBlockRecord {
  uint32_t symbol;
  uint16_t offset;
  uint16_t bytes;
};

struct NumberedParameter {
  uint16_t ordinal;
  KernelParameter parameter;
};

struct KernelInfo {
  std::vector<NumberedParameter> parameters;
  std::optional<uint32_t> bytes;
};

Status Corrupt(const std::string& what) {
  return Status(StatusCode::kCorrupt, "cubin: " + what);
}

// False if the record is shorter than its kind.
bool TakeSizedRecord(uint8_t id, const ByteView& payload, KernelInfo* info) {
  switch (id) {
    case kParameter: {
      const auto record = payload.Read<ParameterRecord>(0);
      if (record) {
        info->parameters.push_back({record->ordinal, {record->offset, record->packed >> 18}});
      }
      return record.has_value();
    }
    case kLargeParameter: {
      const auto record = payload.Read<LargeParameterRecord>(0);
      if (record) {
        info->parameters.push_back({record->ordinal, {record->offset, record->bytes}});
      }
      return record.has_value();
    }
    case kParameterBlock: {
      const auto record = payload.Read<ParameterBlockRecord>(0);
      if (record && !info->bytes) {
        info->bytes = record->bytes;
      }
      return record.has_value();
    }
    default:
      return true;
  }
}

Result<KernelInfo> ReadInfo(ConstBytes section) {
  const ByteView view(section);
  KernelInfo info;
  uint64_t offset = 0;
  while (offset < view.size()) {
    const auto head = view.Read<InfoHead>(offset);
    if (!head) {
      return Corrupt("a kernel's description is cut off");
    }
    offset += sizeof(InfoHead);
    if (head->format == kSizedValue) {
      const auto payload = view.Range(offset, head->value);
      if (!payload || !TakeSizedRecord(head->id, ByteView(*payload), &info)) {
        return Corrupt("a kernel's description is cut off");
      }
      offset += head->value;
    } else if (head->format != kNoValue && head->format != kByteValue &&
               head->format != kShortValue) {
      return Corrupt("a kernel's description has a record of format " +
                     std::to_string(head->format));
    } else if (head->id == kParameterBytes) {
      info.bytes = head->value;
    }
  }
  return info;
}

// Checks that the parameters number 0 … n-1 and lie in order inside their block.
Result<KernelLayout> Arrange(std::string_view name, KernelInfo info) {
  KernelLayout layout;
  layout.name = name;
  std::sort(info.parameters.begin(), info.parameters.end(),
            [](const auto& a, const auto& b) { return a.ordinal < b.ordinal; });
  uint32_t end = 0;
  for (const NumberedParameter& numbered : info.parameters) {
    const KernelParameter& parameter = numbered.parameter;
    if (numbered.ordinal != layout.parameters.size() || parameter.offset < end) {
      return Corrupt("the parameters of kernel " + layout.name + " do not follow one another");
    }
    end = parameter.offset + parameter.bytes;
    layout.parameters.push_back(parameter);
  }
  layout.parameter_bytes = info.bytes.value_or(end);
  if (end > layout.parameter_bytes) {
    return Corrupt("the parameters of kernel " + layout.name + " exceed their block");
  }
  return layout;
}

std::optional<VariableSpace> SpaceOf(std::string_view section) {
  if (section == ".nv.global" || section == ".nv.global.init") {
    return VariableSpace::kGlobal;
  }
  if (section == ".nv.constant3") {
    return VariableSpace::kConstant;
  }
  return std::nullopt;
}

}  // namespace

uint32_t CubinArchitecture(const Elf64_Ehdr& header) {
  const uint32_t shift = header.e_ident[EI_ABIVERSION] >= kAbiVersionWide ? 8 : 0;
  return (header.e_flags >> shift) & 0xff;
}

Result<ModuleIndex> IndexCubin(ConstBytes cubin) {
  FARLANE_ASSIGN(const ElfView elf, ElfView::Open(cubin));
  std::unordered_map<std::string_view, ConstBytes> infos;
  for (const ElfSection& section : elf.sections()) {
    if (section.name.starts_with(kInfoPrefix)) {
      infos.emplace(section.name.substr(kInfoPrefix.size()), section.bytes);
    }
  }
  ModuleIndex index;
  index.architecture = CubinArchitecture(elf.header());
  for (const ElfSymbol& symbol : elf.symbols()) {
    if (symbol.section == 0) {
      continue;
    }
    if ((symbol.symbol.st_other & kSymbolIsKernel) != 0 &&
        ELF64_ST_TYPE(symbol.symbol.st_info) == STT_FUNC) {
      const auto found = infos.find(symbol.name);
      FARLANE_ASSIGN(KernelInfo info,
                     ReadInfo(found != infos.end() ? found->second : ConstBytes()));
      FARLANE_ASSIGN(KernelLayout layout, Arrange(symbol.name, std::move(info)));
      index.kernels.push_back(std::move(layout));
      continue;
    }
    const auto space = SpaceOf(elf.sections()[symbol.section].name);
    if (space && ELF64_ST_TYPE(symbol.symbol.st_info) == STT_OBJECT) {
      index.variables.push_back({std::string(symbol.name), symbol.symbol.st_size, *space,
                                 (symbol.symbol.st_other & kSymbolIsManaged) != 0});
    }
  }
  return index;
}

}  // namespace farlane::abi

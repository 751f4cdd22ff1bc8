// SPDX-License-Identifier: Apache-2.0
#include "protocol/abi/module_index.h"

#include "protocol/abi/cubin.h"
#include "protocol/abi/fatbin.h"
#include "protocol/abi/ptx_index.h"

namespace farlane::abi {
namespace {

Result<ModuleIndex> IndexFatbin(ConstBytes fatbin, int capability, bool machine_code) {
  FARLANE_ASSIGN(const std::vector<FatbinEntry> entries, ReadFatbin(fatbin));
  const FatbinEntry* chosen = ChooseForDevice(entries, capability, machine_code);
  if (chosen == nullptr) {
    return Status(StatusCode::kNotFound, "none of the fatbin's " + std::to_string(entries.size()) +
                                             " entries is for this GPU");
  }
  FARLANE_ASSIGN(const std::vector<std::byte> plain, Unpack(*chosen));
  return chosen->kind == EntryKind::kElf ? IndexCubin(plain) : IndexPtx(plain);
}

}  // namespace

Result<ModuleIndex> IndexImage(const ImageView& image, int capability, bool machine_code) {
  switch (image.kind) {
    case ImageKind::kFatbin:
      return IndexFatbin(image.bytes, capability, machine_code);
    case ImageKind::kCubin:
      if (!machine_code) {
        return Status(StatusCode::kNotFound, "the image is a cubin and holds no PTX");
      }
      return IndexCubin(image.bytes);
    case ImageKind::kPtx:
      return IndexPtx(image.bytes);
    case ImageKind::kWrapper:
    case ImageKind::kUnknown:
      break;
  }
  return Status(StatusCode::kInvalidArgument, "the image is of no kind that has an index");
}

}  // namespace farlane::abi

// SPDX-License-Identifier: Apache-2.0
#include "protocol/abi/image.h"

#include <algorithm>

#include "protocol/abi/byte_view.h"
#include "protocol/abi/elf_view.h"
#include "protocol/abi/fatbin.h"

namespace farlane::abi {
namespace {

constexpr uint32_t kElfMagic = 0x464c457f;

bool IsBlank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

}  // namespace

const char* ImageKindName(ImageKind kind) {
  switch (kind) {
    case ImageKind::kUnknown:
      return "unknown image";
    case ImageKind::kWrapper:
      return "fatbin wrapper";
    case ImageKind::kFatbin:
      return "fatbin";
    case ImageKind::kCubin:
      return "cubin";
    case ImageKind::kPtx:
      return "PTX";
  }
  return "unknown image";
}

ImageKind Identify(ConstBytes image) {
  switch (ByteView(image).Read<uint32_t>(0).value_or(0)) {
    case kWrapperMagic:
      return ImageKind::kWrapper;
    case kFatbinMagic:
      return ImageKind::kFatbin;
    case kElfMagic:
      return ImageKind::kCubin;
    default:
      break;
  }
  // PTX opens with a directive or a comment.
  for (const std::byte byte : image) {
    const char c = static_cast<char>(byte);
    if (!IsBlank(c)) {
      return c == '.' || c == '/' ? ImageKind::kPtx : ImageKind::kUnknown;
    }
  }
  return ImageKind::kUnknown;
}

Result<ImageView> ViewImage(ConstBytes image) {
  if (image.size() > kImageBytesMax) {
    return Status(StatusCode::kExhausted, "the image has " + std::to_string(image.size()) +
                                              " bytes, more than a module may");
  }
  ImageView view;
  view.kind = Identify(image);
  switch (view.kind) {
    case ImageKind::kFatbin: {
      FARLANE_ASSIGN(const uint64_t extent, FatbinExtent(image));
      if (extent > image.size()) {
        return Status(StatusCode::kCorrupt, "the fatbin is cut off");
      }
      view.bytes = image.first(extent);
      FARLANE_TRY(ReadFatbin(view.bytes));
      return view;
    }
    case ImageKind::kCubin: {
      FARLANE_ASSIGN(const ElfView elf, ElfView::Open(image));
      view.bytes = image.first(elf.extent());
      return view;
    }
    case ImageKind::kPtx:
      view.bytes = image.first(
          static_cast<size_t>(std::find(image.begin(), image.end(), std::byte{0}) - image.begin()));
      return view;
    case ImageKind::kWrapper:
      return Status(StatusCode::kCorrupt, "a fatbin wrapper cannot leave its process");
    case ImageKind::kUnknown:
      break;
  }
  return Status(StatusCode::kCorrupt, "the image is neither a fatbin, nor a cubin, nor PTX");
}

}  // namespace farlane::abi

// SPDX-License-Identifier: Apache-2.0
// Pointers of the program, without a size: spans are made here, each after a header that says how
// far the memory reaches has been validated.
#include <cstring>

#include "protocol/abi/elf_view.h"
#include "protocol/abi/fatbin.h"
#include "protocol/abi/image.h"

namespace farlane::abi {
namespace {

// A program linked from more object files with device code than this has not been seen.
constexpr size_t kRelocatablesMax = 1 << 16;

ConstBytes Span(const void* start, uint64_t count) {
  return {static_cast<const std::byte*>(start), static_cast<size_t>(count)};
}

Result<ConstBytes> WholeFatbin(const void* start) {
  FARLANE_ASSIGN(const uint64_t extent, FatbinExtent(Span(start, kFatbinHeaderBytes)));
  return Span(start, extent);
}

// The file header tells where the section table is, the table how far the sections reach.
Result<ConstBytes> WholeCubin(const void* start) {
  FARLANE_ASSIGN(const uint64_t first_end,
                 ElfView::SectionCountExtent(Span(start, kElfHeaderBytes)));
  FARLANE_ASSIGN(const uint64_t tables_end, ElfView::TablesExtent(Span(start, first_end)));
  FARLANE_ASSIGN(const uint64_t extent, ElfView::FileExtent(Span(start, tables_end)));
  return Span(start, extent);
}

Result<ImageView> ViewWrapper(const void* start) {
  FatbinWrapper wrapper;
  memcpy(&wrapper, start, sizeof wrapper);
  if (wrapper.version != 1 && wrapper.version != 2) {
    return Status(StatusCode::kUnsupported,
                  "the fatbin wrapper has version " + std::to_string(wrapper.version));
  }
  if (wrapper.fatbin == nullptr || Identify(wrapper.fatbin) != ImageKind::kFatbin) {
    return Status(StatusCode::kCorrupt, "the fatbin wrapper points to no fatbin");
  }
  FARLANE_ASSIGN(const ConstBytes fatbin, WholeFatbin(wrapper.fatbin));
  FARLANE_ASSIGN(ImageView view, ViewImage(fatbin));
  if (wrapper.version == 1 || wrapper.relocatables == nullptr) {
    return view;
  }
  for (const void* const* next = wrapper.relocatables; *next != nullptr; ++next) {
    if (view.relocatables.size() == kRelocatablesMax) {
      return Status(StatusCode::kExhausted, "the list of relocatable fatbins does not end");
    }
    if (Identify(*next) != ImageKind::kFatbin) {
      return Status(StatusCode::kCorrupt, "the fatbin wrapper lists something that is no fatbin");
    }
    FARLANE_ASSIGN(const ConstBytes listed, WholeFatbin(*next));
    FARLANE_TRY(ReadFatbin(listed));
    view.relocatables.push_back(listed);
  }
  return view;
}

}  // namespace

ImageKind Identify(const void* image) {
  // A text may be shorter than a magic number: no byte after a NUL is read.
  const char* text = static_cast<const char*>(image);
  const size_t length = strnlen(text, sizeof(uint32_t));
  if (length == sizeof(uint32_t)) {
    const ImageKind kind = Identify(Span(image, length));
    if (kind != ImageKind::kUnknown) {
      return kind;
    }
  }
  return Identify(Span(image, strspn(text, " \t\r\n") + 1));
}

Result<ImageView> ViewImage(const void* image) {
  if (image == nullptr) {
    return Status(StatusCode::kInvalidArgument, "the image is a null pointer");
  }
  switch (Identify(image)) {
    case ImageKind::kWrapper:
      return ViewWrapper(image);
    case ImageKind::kFatbin: {
      FARLANE_ASSIGN(const ConstBytes whole, WholeFatbin(image));
      return ViewImage(whole);
    }
    case ImageKind::kCubin: {
      FARLANE_ASSIGN(const ConstBytes whole, WholeCubin(image));
      return ViewImage(whole);
    }
    case ImageKind::kPtx:
      return ViewImage(Span(image, strnlen(static_cast<const char*>(image), kImageBytesMax)));
    case ImageKind::kUnknown:
      break;
  }
  return Status(StatusCode::kCorrupt, "the image is neither a fatbin, nor a cubin, nor PTX");
}

}  // namespace farlane::abi

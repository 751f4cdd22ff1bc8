// SPDX-License-Identifier: Apache-2.0
// What a program hands to cuModuleLoadData and cuLibraryLoadData: a pointer without a size. This
// file finds out which of the four forms stands there and where it ends.
// The forms with ConstBytes are for bytes of a peer and never leave them; the forms with a pointer
// believe the program as far as the driver has to, and no further than kImageBytesMax.
#pragma once

#include <cstdint>
#include <vector>

#include "protocol/base/bytes.h"
#include "protocol/base/result.h"

namespace farlane::abi {

// Above every image known (128 MB); offsets inside a fatbin's entries are 32 bits wide.
inline constexpr uint64_t kImageBytesMax = 2_GiB;

enum class ImageKind : uint32_t {
  kUnknown = 0,
  kWrapper = 1,  // points to a fatbin; what nvcc puts into a program
  kFatbin = 2,   // several cubins and PTX texts, for several architectures
  kCubin = 3,    // an ELF file for one architecture
  kPtx = 4,      // text
};

const char* ImageKindName(ImageKind kind);

ImageKind Identify(ConstBytes image);
ImageKind Identify(const void* image);

// An image with its extent. The bytes are borrowed.
struct ImageView {
  ImageKind kind = ImageKind::kUnknown;  // never kWrapper
  ConstBytes bytes;                      // PTX: without the NUL
  // Fatbins of relocatable code that a wrapper of version 2 carries for linking at run time.
  std::vector<ConstBytes> relocatables;
};

// A wrapper is refused: its pointers mean nothing in another process. PTX needs no NUL; what
// follows one is left out. Bytes after the end of a fatbin or a cubin are left out as well.
Result<ImageView> ViewImage(ConstBytes image);
Result<ImageView> ViewImage(const void* image);

}  // namespace farlane::abi

// SPDX-License-Identifier: Apache-2.0
// A ModulePackage is a module image on its way to a GPU server: one run of bytes without pointers,
// holding only what that server's GPUs could use. Its hash names the module, so the same image for
// the same GPUs always gives the same bytes.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "protocol/abi/fatbin.h"
#include "protocol/abi/image.h"
#include "protocol/base/bytes.h"
#include "protocol/base/result.h"

namespace farlane::abi {

// kNotFound if no GPU of these compute capabilities could use any of it; kRefused if one could, but
// for the choice. A cubin that comes by itself leaves nothing to choose.
Result<std::vector<std::byte>> PackModule(const ImageView& image,
                                          std::span<const int> capabilities,
                                          const CodeChoice& choice = {});

// A package of a peer, proved to hold what it claims, in the shape that a driver wants.
// Thread: immutable.
class ModulePackage {
 public:
  static Result<ModulePackage> Open(std::vector<std::byte> package);

  // For cuModuleLoadData and cuLibraryLoadData; lives as long as this object, moves of it included.
  const void* image() const;

  const ImageView& view() const { return view_; }

 private:
  ModulePackage() = default;

  std::vector<std::byte> package_;
  ImageView view_;
  // Only where there are relocatables: what the program's own wrapper looked like.
  std::unique_ptr<FatbinWrapper> wrapper_;
  std::vector<const void*> relocatables_;
};

}  // namespace farlane::abi

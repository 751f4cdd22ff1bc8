// SPDX-License-Identifier: Apache-2.0
#include "protocol/abi/module_package.h"

#include <string>

#include "protocol/abi/byte_view.h"

namespace farlane::abi {
namespace {

constexpr uint32_t kPackageMagic = 0x4b504c46;  // "FLPK"
constexpr uint64_t kPartAlignment = 8;          // drivers read headers of parts in place
constexpr uint32_t kPartsMax = 1 << 16;

// Then a u64 size for each part, then the parts, each padded with zeros to kPartAlignment. The
// first part is the image, the others are relocatable fatbins. PTX carries its NUL.
struct PackageHeader {
  uint32_t magic = kPackageMagic;
  uint32_t kind = 0;
  uint32_t part_count = 0;
  uint32_t reserved = 0;
};

Status Corrupt(const char* what) {
  return Status(StatusCode::kCorrupt, std::string("module package: ") + what);
}

void Append(std::vector<std::byte>* to, ConstBytes bytes) {
  to->insert(to->end(), bytes.begin(), bytes.end());
}

template <typename T>
void AppendValue(std::vector<std::byte>* to, const T& value) {
  Append(to, std::as_bytes(std::span(&value, 1)));
}

using Parts = std::vector<std::vector<std::byte>>;

Result<Parts> MakeParts(const ImageView& image,
                        std::span<const int> capabilities,
                        const CodeChoice& choice) {
  Parts parts;
  if (image.kind == ImageKind::kPtx && !choice.compiling) {
    return Status(StatusCode::kRefused,
                  "PTX has to be compiled, which CUDA_DISABLE_PTX_JIT or CUDA_DISABLE_JIT forbids");
  }
  if (image.kind != ImageKind::kFatbin) {
    parts.emplace_back(image.bytes.begin(), image.bytes.end());
    if (image.kind == ImageKind::kPtx) {
      parts.back().push_back(std::byte{0});
    }
    return parts;
  }
  Result<std::vector<std::byte>> linked = FilterForDevices(image.bytes, capabilities, choice);
  const bool relink = !linked.has_value() && linked.error().code() == StatusCode::kNotFound &&
                      !image.relocatables.empty();
  if (relink) {
    // Linked for other GPUs. It goes along whole, so that the driver sees what it would see here,
    // and links the relocatable code again.
    parts.emplace_back(image.bytes.begin(), image.bytes.end());
  } else {
    FARLANE_ASSIGN(parts.emplace_back(), std::move(linked));
  }
  for (const ConstBytes relocatable : image.relocatables) {
    Result<std::vector<std::byte>> filtered = FilterForDevices(relocatable, capabilities, choice);
    if (filtered.has_value()) {
      parts.push_back(std::move(filtered).value());
    } else if (filtered.error().code() != StatusCode::kNotFound &&
               (relink || filtered.error().code() != StatusCode::kRefused)) {
      return filtered.error();
    }
  }
  if (relink && parts.size() == 1) {
    return linked.error();
  }
  return parts;
}

// The parts behind the header and the sizes, if they fill the package exactly.
Result<std::vector<ConstBytes>> FindParts(const ByteView& package, uint32_t count) {
  std::vector<ConstBytes> parts;
  uint64_t offset = sizeof(PackageHeader) + count * sizeof(uint64_t);
  for (uint32_t i = 0; i < count; ++i) {
    const auto bytes = package.Read<uint64_t>(sizeof(PackageHeader) + i * sizeof(uint64_t));
    const auto part = bytes ? package.Range(offset, *bytes) : std::nullopt;
    if (!part) {
      return Corrupt("a part lies outside");
    }
    parts.push_back(*part);
    offset = RoundUp(offset + *bytes, kPartAlignment);
  }
  if (offset != package.size()) {
    return Corrupt("the parts do not fill it");
  }
  return parts;
}

// The part must be the whole image: nothing cut off, nothing behind it.
Result<ImageView> CheckPart(ConstBytes part, ImageKind kind) {
  FARLANE_ASSIGN(ImageView view, ViewImage(part));
  const uint64_t nul = kind == ImageKind::kPtx ? 1 : 0;
  if (view.kind != kind || view.bytes.size() + nul != part.size()) {
    return Corrupt("a part is not the image that it claims to be");
  }
  return view;
}

}  // namespace

Result<std::vector<std::byte>> PackModule(const ImageView& image,
                                          std::span<const int> capabilities,
                                          const CodeChoice& choice) {
  if (image.kind == ImageKind::kUnknown || image.kind == ImageKind::kWrapper) {
    return Status(StatusCode::kInvalidArgument, "only a fatbin, a cubin or PTX can be packed");
  }
  FARLANE_ASSIGN(const Parts parts, MakeParts(image, capabilities, choice));
  PackageHeader header;
  header.kind = static_cast<uint32_t>(image.kind);
  header.part_count = static_cast<uint32_t>(parts.size());
  if (parts.size() > kPartsMax) {
    return Status(StatusCode::kExhausted,
                  "the module has " + std::to_string(parts.size()) + " relocatable fatbins");
  }
  std::vector<std::byte> package;
  AppendValue(&package, header);
  for (const auto& part : parts) {
    AppendValue(&package, uint64_t{part.size()});
  }
  for (const auto& part : parts) {
    Append(&package, part);
    package.resize(RoundUp(package.size(), kPartAlignment));
  }
  return package;
}

Result<ModulePackage> ModulePackage::Open(std::vector<std::byte> package) {
  const ByteView bytes{ConstBytes(package)};
  const auto header = bytes.Read<PackageHeader>(0);
  if (!header || header->magic != kPackageMagic || header->reserved != 0) {
    return Corrupt("there is no header");
  }
  if (header->part_count == 0 || header->part_count > kPartsMax) {
    return Corrupt("the number of parts is impossible");
  }
  const auto kind = static_cast<ImageKind>(header->kind);
  if (header->part_count > 1 && kind != ImageKind::kFatbin) {
    return Corrupt("only a fatbin has relocatable parts");
  }
  FARLANE_ASSIGN(const std::vector<ConstBytes> parts, FindParts(bytes, header->part_count));
  ModulePackage module;
  FARLANE_ASSIGN(module.view_, CheckPart(parts[0], kind));
  for (size_t i = 1; i < parts.size(); ++i) {
    FARLANE_ASSIGN(const ImageView view, CheckPart(parts[i], ImageKind::kFatbin));
    module.view_.relocatables.push_back(view.bytes);
    module.relocatables_.push_back(view.bytes.data());
  }
  if (!module.relocatables_.empty()) {
    module.relocatables_.push_back(nullptr);
    module.wrapper_ = std::make_unique<FatbinWrapper>(FatbinWrapper{
        .version = 2,
        .fatbin = module.view_.bytes.data(),
        .relocatables = module.relocatables_.data(),
    });
  }
  module.package_ = std::move(package);  // a moved vector keeps its bytes where they are
  return module;
}

const void* ModulePackage::image() const {
  if (wrapper_ != nullptr) {
    return wrapper_.get();
  }
  return view_.bytes.data();
}

}  // namespace farlane::abi

// SPDX-License-Identifier: Apache-2.0
#include "protocol/abi/link_package.h"

#include <cstring>

#include "protocol/abi/byte_view.h"

namespace farlane::abi {
namespace {

constexpr uint32_t kLinkMagic = 0x4b4c4c46;  // "FLLK"
constexpr uint64_t kLinkPartsMax = 1 << 16;

struct LinkHeader {
  uint32_t magic = kLinkMagic;
  uint32_t part_count = 0;
};

// Before each part; then its name and its data, padded with zeros to eight bytes.
struct PartHeader {
  uint32_t type = 0;
  uint32_t name_bytes = 0;
  uint64_t data_bytes = 0;
};

Status Corrupt(const char* what) {
  return Status(StatusCode::kCorrupt, std::string("link package: ") + what);
}

void Append(std::vector<std::byte>* to, ConstBytes bytes) {
  to->insert(to->end(), bytes.begin(), bytes.end());
}

}  // namespace

std::vector<std::byte> PackLink(std::span<const LinkPart> parts) {
  std::vector<std::byte> package;
  LinkHeader header;
  header.part_count = static_cast<uint32_t>(parts.size());
  Append(&package, std::as_bytes(std::span(&header, 1)));
  for (const LinkPart& part : parts) {
    const PartHeader head{part.type, static_cast<uint32_t>(part.name.size()), part.data.size()};
    Append(&package, std::as_bytes(std::span(&head, 1)));
    Append(&package, std::as_bytes(std::span(part.name)));
    Append(&package, part.data);
    package.resize(RoundUp(package.size(), 8));
  }
  return package;
}

Result<std::vector<LinkPart>> OpenLink(ConstBytes package) {
  const ByteView bytes{package};
  const auto header = bytes.Read<LinkHeader>(0);
  if (!header || header->magic != kLinkMagic || header->part_count > kLinkPartsMax) {
    return Corrupt("there is no header");
  }
  std::vector<LinkPart> parts;
  uint64_t offset = sizeof(LinkHeader);
  for (uint32_t i = 0; i < header->part_count; ++i) {
    const auto head = bytes.Read<PartHeader>(offset);
    if (!head) {
      return Corrupt("a part has no header");
    }
    offset += sizeof(PartHeader);
    const auto name = bytes.Range(offset, head->name_bytes);
    const auto data =
        name ? bytes.Range(offset + head->name_bytes, head->data_bytes) : std::nullopt;
    if (!data) {
      return Corrupt("a part lies outside");
    }
    LinkPart part;
    part.type = head->type;
    part.name.assign(reinterpret_cast<const char*>(name->data()), name->size());
    part.data.assign(data->begin(), data->end());
    parts.push_back(std::move(part));
    offset = RoundUp(offset + head->name_bytes + head->data_bytes, 8);
  }
  if (offset != package.size()) {
    return Corrupt("the parts do not fill it");
  }
  return parts;
}

}  // namespace farlane::abi

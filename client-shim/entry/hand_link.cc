// SPDX-License-Identifier: Apache-2.0
// The linker of device code. Inputs are only gathered here; the server's driver links them when the
// program asks for the result, since it alone knows how. The result's bytes come back, for the
// program may do with them what it likes.
#include <cstring>
#include <map>
#include <memory>
#include <optional>

#include "client-shim/bodies.h"
#include "client-shim/call_scope.h"
#include "client-shim/file_content.h"
#include "client-shim/modules.h"
#include "protocol/abi/link_package.h"
#include "protocol/base/guarded.h"
#include "protocol/base/log.h"

namespace farlane::shim {
namespace {

// Bounds what a wrong size makes us copy; no linked program known comes near it.
constexpr size_t kInputBytesMax = 1_GiB;
// Room for the linker's messages on their way here.
constexpr uint32_t kLogBytes = 64 << 10;

// Shared by the table and by a call that links while another one destroys.
// Thread: any, guarded.
struct Link {
  struct Contents {
    std::vector<abi::LinkPart> parts;
    std::vector<std::byte> linked;
    bool complete = false;
  };

  std::vector<CUjit_option> options;
  void** values = nullptr;  // the program's; it keeps them until the link is destroyed
  Guarded<Contents> contents;
};

using SharedLink = std::shared_ptr<Link>;

struct Links {
  uint64_t minted = 0;
  std::map<uint64_t, SharedLink> by_handle;
};

Guarded<Links>& AllLinks() {
  static auto* const links =
      new Guarded<Links>();  // never destroyed: exit handlers may destroy one
  return *links;
}

SharedLink FindLink(CUlinkState state) {
  return AllLinks().With([&](const Links& links) -> SharedLink {
    const auto found = links.by_handle.find(ToWire(state));
    return found == links.by_handle.end() ? nullptr : found->second;
  });
}

CUresult Add(CUlinkState state, abi::LinkPart part) {
  const CallScope scope;
  if (scope.result() != CUDA_SUCCESS) {
    return scope.result();
  }
  const SharedLink link = FindLink(state);
  if (link == nullptr) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  if (part.data.empty() || part.data.size() > kInputBytesMax ||
      part.type >= static_cast<uint32_t>(CU_JIT_NUM_INPUT_TYPES)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  return link->contents.With([&](Link::Contents& contents) {
    if (contents.complete) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    contents.parts.push_back(std::move(part));
    return CUDA_SUCCESS;
  });
}

// Fetches what was linked, piece by piece.
CUresult Fetch(const CallScope& scope,
               const wire::ImageLinkReply& made,
               std::vector<std::byte>* linked) {
  while (linked->size() < made.linked_bytes) {
    channel::Answer answer;
    CUresult result = scope.session().Call(scope.context(),
                                           wire::LinkedRead{.hash_0 = made.hash_0,
                                                            .hash_1 = made.hash_1,
                                                            .hash_2 = made.hash_2,
                                                            .hash_3 = made.hash_3,
                                                            .offset = linked->size()},
                                           &answer);
    wire::LinkedReadReply reply;
    if (result == CUDA_SUCCESS &&
        (Decode(answer.body, &reply) != wire::WireError::kNone || reply.data.empty() ||
         reply.data.size() > made.linked_bytes - linked->size())) {
      LogError("the GPU server sends linked code in a way that cannot be read");
      result = CUDA_ERROR_UNKNOWN;
    }
    if (result != CUDA_SUCCESS) {
      return result;
    }
    linked->insert(linked->end(), reply.data.begin(), reply.data.end());
  }
  return CUDA_SUCCESS;
}

// The lock is held meanwhile: whoever else wants this result waits for the same one.
CUresult LinkNow(const CallScope& scope, Link& link, Link::Contents& contents) {
  const auto package = std::make_shared<const std::vector<std::byte>>(PackLink(contents.parts));
  const ImageHash hash = scope.session().images().Offer(package);
  channel::Answer answer;
  CUresult result = scope.session().Call(scope.context(),
                                         wire::ImageLink{.image_bytes = package->size(),
                                                         .hash_0 = hash[0],
                                                         .hash_1 = hash[1],
                                                         .hash_2 = hash[2],
                                                         .hash_3 = hash[3],
                                                         .log_bytes = kLogBytes},
                                         &answer);
  scope.session().images().Withdraw(hash);
  wire::ImageLinkReply reply;
  const bool readable =
      !answer.body.empty() && Decode(answer.body, &reply) == wire::WireError::kNone;
  const auto count = static_cast<unsigned>(link.options.size());
  JitLogs logs;
  if (readable &&
      JitLogs::FromOptions(count, link.options.data(), link.values, &logs) == CUDA_SUCCESS) {
    JitLogs::Report(count, link.options.data(), link.values, reply.log, logs);
  }
  if (result == CUDA_SUCCESS) {
    result = readable && reply.linked_bytes <= kInputBytesMax ? CUDA_SUCCESS : CUDA_ERROR_UNKNOWN;
  }
  if (result == CUDA_SUCCESS) {
    result = Fetch(scope, reply, &contents.linked);
  }
  contents.complete = result == CUDA_SUCCESS;
  if (!contents.complete) {
    contents.linked.clear();
  }
  return result;
}

}  // namespace

CUresult cuLinkCreate_v2(unsigned int numOptions,
                         CUjit_option* options,
                         void** optionValues,
                         CUlinkState* stateOut) {
  const CallScope scope;
  if (scope.result() != CUDA_SUCCESS) {
    return scope.result();
  }
  JitLogs logs;
  if (stateOut == nullptr ||
      JitLogs::FromOptions(numOptions, options, optionValues, &logs) != CUDA_SUCCESS) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const auto link = std::make_shared<Link>();
  link->options.assign(options, options + numOptions);
  link->values = optionValues;
  *stateOut = AllLinks().With([&](Links& links) {
    links.by_handle.emplace(++links.minted, link);
    return FromWire<CUlinkState>(links.minted);
  });
  return CUDA_SUCCESS;
}

CUresult cuLinkAddData_v2(CUlinkState state,
                          CUjitInputType type,
                          void* data,
                          size_t size,
                          const char* name,
                          unsigned int,
                          CUjit_option*,
                          void**) {
  if (data == nullptr || size > kInputBytesMax) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const auto* bytes = static_cast<const std::byte*>(data);
  return Add(state, {.type = static_cast<uint32_t>(type),
                     .name = name == nullptr ? "" : name,
                     .data = {bytes, bytes + size}});
}

CUresult cuLinkAddFile_v2(
    CUlinkState state, CUjitInputType type, const char* path, unsigned int, CUjit_option*, void**) {
  if (path == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  std::optional<std::vector<std::byte>> content = FileContent(path);
  if (!content) {
    return CUDA_ERROR_FILE_NOT_FOUND;
  }
  return Add(state,
             {.type = static_cast<uint32_t>(type), .name = path, .data = std::move(*content)});
}

CUresult cuLinkComplete(CUlinkState state, void** cubinOut, size_t* sizeOut) {
  const CallScope scope;
  if (scope.result() != CUDA_SUCCESS) {
    return scope.result();
  }
  if (cubinOut == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const SharedLink link = FindLink(state);
  if (link == nullptr) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  return link->contents.With([&](Link::Contents& contents) {
    const CUresult result = contents.complete ? CUDA_SUCCESS : LinkNow(scope, *link, contents);
    if (result == CUDA_SUCCESS) {
      *cubinOut = contents.linked.data();
    }
    if (result == CUDA_SUCCESS && sizeOut != nullptr) {
      *sizeOut = contents.linked.size();
    }
    return result;
  });
}

CUresult cuLinkDestroy(CUlinkState state) {
  return AllLinks().With([&](Links& links) {
    return links.by_handle.erase(ToWire(state)) == 0 ? CUDA_ERROR_INVALID_HANDLE : CUDA_SUCCESS;
  });
}

}  // namespace farlane::shim

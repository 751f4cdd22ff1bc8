// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/api/copy_call.h"

#include <cstring>
#include <vector>

#include "soft-gpu/exec/texel_memory.h"

namespace farlane::soft {
namespace {

// Below it, doing the copy costs the caller less than waking another thread for it; and so much of
// the program's memory is set aside at the call rather than waited for.
constexpr uint64_t kBriefBytes = 64_KiB;

uint64_t BoxBytes(const Box& box) {
  uint64_t bytes = 0;
  if (__builtin_mul_overflow(box.width_bytes, box.height, &bytes) ||
      __builtin_mul_overflow(bytes, box.depth, &bytes)) {
    return ~uint64_t{0};
  }
  return bytes;
}

// A copy of the program's bytes, packed, that the request then reads from.
std::shared_ptr<std::vector<std::byte>> SetAside(CopyRequest* request) {
  auto aside = std::make_shared<std::vector<std::byte>>(BoxBytes(request->box));
  const Box& box = request->box;
  size_t at = 0;
  for (uint64_t layer = 0; layer < box.depth; ++layer) {
    for (uint64_t row = 0; row < box.height; ++row) {
      const uint64_t from = request->from.address + row * request->from.pitch_bytes +
                            layer * request->from.layer_bytes;
      std::memcpy(aside->data() + at, reinterpret_cast<const void*>(from), box.width_bytes);
      at += box.width_bytes;
    }
  }
  request->from.address = reinterpret_cast<uint64_t>(aside->data());
  request->from.pitch_bytes = box.width_bytes;
  request->from.layer_bytes = box.width_bytes * box.height;
  return aside;
}

bool Idle(const StreamUse& use) {
  return use.context->Pending(*use.stream).empty();
}

CUresult Finish(const StreamUse& use, const SharedCompletion& done, bool wait) {
  if (!wait) {
    return CUDA_SUCCESS;
  }
  done->Wait();
  return use.context->failed().get();
}

}  // namespace

Side DeviceSide(CUdeviceptr address) {
  Side side;
  side.address = address;
  side.known = true;
  return side;
}

Side AnySide(const ContextCall& call, CUdeviceptr address) {
  AddressSpace& space = call.driver->space();
  Side side;
  side.address = address;
  // What is inside the window is never the program's own, whether or not something is mapped there.
  side.known = space.window().Contains(address, 1) || space.table().Find(address).has_value();
  return side;
}

Side HostSide(const ContextCall& call, const void* pointer) {
  return AnySide(call, reinterpret_cast<uint64_t>(pointer));
}

CUresult ArraySide(const ContextCall& call, CUarray handle, const abi::ArrayBox& box, Side* side) {
  const std::shared_ptr<const Array> array = call.driver->arrays().Find(HandleNumber(handle));
  if (array == nullptr || array->is_mipmapped) {
    return handle == nullptr ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_INVALID_HANDLE;
  }
  if (!array->shape.Holds(box)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const TexelImage& image = array->images[0];
  side->address = AddressOfTexel(image, box.x, box.y, box.z);
  side->pitch_bytes = image.row_bytes;
  side->layer_bytes = image.slice_bytes;
  side->known = true;
  return CUDA_SUCCESS;
}

CUresult SubmitCopy(const ContextCall& call,
                    CUstream stream,
                    const CopyRequest& request,
                    CopyWait wait) {
  StreamUse use;
  FARLANE_SOFT_TRY(FindStream(call, stream, &use));
  const uint64_t bytes = BoxBytes(request.box);
  if (bytes == 0) {
    return CUDA_SUCCESS;
  }
  AddressSpace* space = &call.driver->space();
  if (request.to.address == 0 || request.from.address == 0 ||
      !Reachable(space, request.to, request.box, Access::kReadWrite) ||
      !Reachable(space, request.from, request.box, Access::kRead)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const bool synchronous = wait == CopyWait::kSynchronous;
  CopyRequest copy = request;
  std::shared_ptr<std::vector<std::byte>> aside;
  // A graph reads the program's memory at each launch.
  const bool may_record = call.driver->captures().busy();
  if (!synchronous && !copy.from.known && bytes <= kBriefBytes && !may_record && !Idle(use)) {
    aside = SetAside(&copy);
  }
  const bool own_memory = !copy.to.known || (!copy.from.known && aside == nullptr);
  Work work;
  work.brief = synchronous || bytes <= kBriefBytes;
  work.run = [space, copy, aside] {
    return Copy(space, copy) ? CUDA_SUCCESS : CUDA_ERROR_ILLEGAL_ADDRESS;
  };
  work.node = CU_GRAPH_NODE_TYPE_MEMCPY;
  SharedCompletion done;
  FARLANE_SOFT_TRY(Put(call, use, std::move(work), &done));
  return Finish(use, done, synchronous || own_memory);
}

CUresult SubmitFill(const ContextCall& call,
                    CUstream stream,
                    const FillRequest& request,
                    CopyWait wait) {
  StreamUse use;
  FARLANE_SOFT_TRY(FindStream(call, stream, &use));
  const uint64_t bytes = BoxBytes(request.box);
  if (bytes == 0) {
    return CUDA_SUCCESS;
  }
  AddressSpace* space = &call.driver->space();
  if (request.to.address % request.value_bytes != 0 ||
      request.to.pitch_bytes % request.value_bytes != 0 ||
      !Reachable(space, request.to, request.box, Access::kReadWrite)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  Work work;
  work.brief = bytes <= kBriefBytes;
  work.run = [space, request] {
    return Fill(space, request) ? CUDA_SUCCESS : CUDA_ERROR_ILLEGAL_ADDRESS;
  };
  const auto range = space->table().Find(request.to.address);
  const bool host = range && (range->host() || range->kind == MemoryKind::kManaged);
  work.node = CU_GRAPH_NODE_TYPE_MEMSET;
  SharedCompletion done;
  FARLANE_SOFT_TRY(Put(call, use, std::move(work), &done));
  return Finish(use, done, wait == CopyWait::kSynchronous && host);
}

}  // namespace farlane::soft

// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/api/copy_call.h"

#include <cstring>
#include <vector>

#include "soft-gpu/api/injection.h"
#include "soft-gpu/api/load_call.h"
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

// The first half of a box, of its largest parts.
Box HalfOf(Box box) {
  uint64_t& count = box.depth > 1 ? box.depth : box.height > 1 ? box.height : box.width_bytes;
  count /= 2;
  return box;
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

bool IsHost(AddressSpace& space, const Side& side) {
  const auto range = space.table().Find(side.address);
  return !side.known || (range && range->host());
}

// Copies from the program's memory to the program's memory are nothing to the device.
EngineLoad LoadOf(const DeviceModel& model, AddressSpace& space, const CopyRequest& request) {
  const bool from_host = IsHost(space, request.from);
  const bool to_host = IsHost(space, request.to);
  if (from_host && to_host) {
    return {};
  }
  const Engine engine = from_host ? Engine::kCopyIn : to_host ? Engine::kCopyOut : Engine::kCompute;
  return model.OfCopy(engine, BoxBytes(request.box));
}

uint64_t HeightOf(const Side& side) {
  return side.pitch_bytes == 0 ? 0 : side.layer_bytes / side.pitch_bytes;
}

// What a recorded copy does, for those who ask.
graph::NodeParamsPtr Describe(const ContextCall& call, const CopyRequest& request) {
  AddressSpace& space = call.driver->space();
  CUDA_MEMCPY3D copy{};
  copy.WidthInBytes = request.box.width_bytes;
  copy.Height = request.box.height;
  copy.Depth = request.box.depth;
  if (request.from.array != 0) {
    copy.srcMemoryType = CU_MEMORYTYPE_ARRAY;
    copy.srcArray = AsHandle<CUarray>(request.from.array);
    copy.srcXInBytes = request.from.x_bytes;
    copy.srcY = request.from.y;
    copy.srcZ = request.from.z;
  } else {
    const bool host = IsHost(space, request.from);
    copy.srcMemoryType = host ? CU_MEMORYTYPE_HOST : CU_MEMORYTYPE_DEVICE;
    copy.srcHost = host ? reinterpret_cast<const void*>(request.from.address) : nullptr;
    copy.srcDevice = host ? 0 : request.from.address;
    copy.srcPitch = request.from.pitch_bytes;
    copy.srcHeight = HeightOf(request.from);
  }
  if (request.to.array != 0) {
    copy.dstMemoryType = CU_MEMORYTYPE_ARRAY;
    copy.dstArray = AsHandle<CUarray>(request.to.array);
    copy.dstXInBytes = request.to.x_bytes;
    copy.dstY = request.to.y;
    copy.dstZ = request.to.z;
  } else {
    const bool host = IsHost(space, request.to);
    copy.dstMemoryType = host ? CU_MEMORYTYPE_HOST : CU_MEMORYTYPE_DEVICE;
    copy.dstHost = host ? reinterpret_cast<void*>(request.to.address) : nullptr;
    copy.dstDevice = host ? 0 : request.to.address;
    copy.dstPitch = request.to.pitch_bytes;
    copy.dstHeight = HeightOf(request.to);
  }
  return graph::Keep(*graph::CopyNode(&copy, AsHandle<CUcontext>(call.context->handle())));
}

graph::NodeParamsPtr Describe(const ContextCall& call, const FillRequest& request) {
  const CUDA_MEMSET_NODE_PARAMS fill{.dst = request.to.address,
                                     .pitch = request.to.pitch_bytes,
                                     .value = request.value,
                                     .elementSize = request.value_bytes,
                                     .width = request.box.width_bytes / request.value_bytes,
                                     .height = request.box.height};
  return graph::Keep(*graph::FillNode(&fill, AsHandle<CUcontext>(call.context->handle())));
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
  side->array = HandleNumber(handle);
  side->x_bytes = box.x;
  side->y = box.y;
  side->z = box.z;
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
  const PlannedFault fault = TakeFaultWithin();
  if (fault.kind != FaultKind::kNone) {
    copy.box = HalfOf(copy.box);
  }
  work.run = [space, copy, aside, fault] {
    const CUresult result = Copy(space, copy) ? CUDA_SUCCESS : CUDA_ERROR_ILLEGAL_ADDRESS;
    return fault.kind == FaultKind::kNone || result != CUDA_SUCCESS ? result : EndHalfway(fault);
  };
  if (const DeviceModel* const model = call.driver->model_or_null()) {
    MakeLoad(LoadOf(*model, *space, request), &work);
  }
  work.node = CU_GRAPH_NODE_TYPE_MEMCPY;
  if (may_record) {
    work.params = Describe(call, request);
  }
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
  const PlannedFault fault = TakeFaultWithin();
  FillRequest fill = request;
  if (fault.kind != FaultKind::kNone) {
    fill.box = HalfOf(fill.box);
    fill.box.width_bytes -= fill.box.width_bytes % fill.value_bytes;
  }
  work.run = [space, fill, fault] {
    const CUresult result = Fill(space, fill) ? CUDA_SUCCESS : CUDA_ERROR_ILLEGAL_ADDRESS;
    return fault.kind == FaultKind::kNone || result != CUDA_SUCCESS ? result : EndHalfway(fault);
  };
  const auto range = space->table().Find(request.to.address);
  const bool host = range && (range->host() || range->kind == MemoryKind::kManaged);
  const DeviceModel* const model = call.driver->model_or_null();
  if (model != nullptr && !IsHost(*space, request.to)) {
    MakeLoad(model->OfCopy(Engine::kCompute, bytes), &work);
  }
  work.node = CU_GRAPH_NODE_TYPE_MEMSET;
  if (call.driver->captures().busy()) {
    work.params = Describe(call, request);
  }
  SharedCompletion done;
  FARLANE_SOFT_TRY(Put(call, use, std::move(work), &done));
  return Finish(use, done, wait == CopyWait::kSynchronous && host);
}

}  // namespace farlane::soft

// SPDX-License-Identifier: Apache-2.0
#include "client-shim/box_copies.h"

#include <cstring>

#include "client-shim/bodies.h"
#include "client-shim/host_posts.h"
#include "client-shim/host_reads.h"
#include "protocol/base/log.h"

namespace farlane::shim {
namespace {

// One side of a copy, with its offsets worked in.
struct Side {
  bool device = false;
  wire::Handle array = 0;  // then x, y and z in place of an address
  uint64_t x = 0;
  uint64_t y = 0;
  uint64_t z = 0;
  uint64_t address = 0;
  uint64_t pitch = 0;
  uint64_t slice = 0;
};

struct Box {
  uint64_t width = 0;
  uint64_t rows = 0;
  uint64_t slices = 0;
};

struct SideDescription {
  CUmemorytype type;
  const void* host;
  CUdeviceptr device;
  CUarray array;
  uint64_t pitch;
  uint64_t height;  // rows per slice
  uint64_t x;
  uint64_t y;
  uint64_t z;
};

CUresult ResolveArray(const CallScope& scope,
                      const SideDescription& described,
                      const Box& box,
                      Side* side) {
  if (!scope.Knows(described.array)) {
    return described.array == nullptr ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_INVALID_HANDLE;
  }
  side->device = true;
  side->array = ToWire(described.array);
  side->x = described.x;
  side->y = described.y;
  side->z = described.z;
  const bool holds =
      scope.session()
          .objects()
          .arrays.Find(side->array)
          ->shape.Holds({described.x, described.y, described.z, box.width, box.rows, box.slices});
  return holds ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult Resolve(const CallScope& scope,
                 const SideDescription& described,
                 const Box& box,
                 Side* side) {
  uint64_t base = 0;
  switch (described.type) {
    case CU_MEMORYTYPE_HOST:
      base = reinterpret_cast<uint64_t>(described.host);
      break;
    case CU_MEMORYTYPE_DEVICE:
      base = described.device;
      side->device = true;
      break;
    case CU_MEMORYTYPE_UNIFIED:
      base = described.device;
      side->device = scope.session().DeviceOfAddress(base) >= 0;
      break;
    case CU_MEMORYTYPE_ARRAY:
      return ResolveArray(scope, described, box, side);
    default:
      return CUDA_ERROR_INVALID_VALUE;
  }
  side->pitch = described.pitch != 0 ? described.pitch : box.width + described.x;
  const uint64_t height = described.height != 0 ? described.height : box.rows + described.y;
  const bool pitch_fits = box.rows <= 1 || side->pitch >= box.width;
  const bool height_fits = box.slices <= 1 || height >= box.rows;
  if (base == 0 || !pitch_fits || !height_fits || side->pitch > UINT32_MAX || height > UINT32_MAX ||
      described.x > UINT32_MAX || described.y > UINT32_MAX || described.z > UINT32_MAX) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  side->slice = side->pitch * height;
  side->address = base + described.x + described.y * side->pitch + described.z * side->slice;
  return CUDA_SUCCESS;
}

// The box is a run of rows whose last one starts so far in; a program may ask for any numbers.
std::optional<uint64_t> ExtentOf(const Side& side, const Box& box) {
  uint64_t slices_bytes = 0;
  uint64_t rows_bytes = 0;
  uint64_t extent = 0;
  const bool too_large = __builtin_mul_overflow(side.slice, box.slices - 1, &slices_bytes) ||
                         __builtin_mul_overflow(side.pitch, box.rows - 1, &rows_bytes) ||
                         __builtin_add_overflow(slices_bytes, rows_bytes, &extent) ||
                         __builtin_add_overflow(extent, box.width, &extent);
  return too_large ? std::nullopt : std::optional(extent);
}

bool OwnsBox(const CallScope& scope, const Side& side, const Box& box) {
  if (!side.device || side.array != 0) {
    return true;
  }
  const std::optional<uint64_t> extent = ExtentOf(side, box);
  return extent.has_value() && scope.OwnsRows(side.address, *extent, 1, 0, 1);
}

// Mirrored memory of the program is copied on the device.
void PreferDevice(const CallScope& scope, Side* side, const Box& box) {
  const std::optional<uint64_t> extent = ExtentOf(*side, box);
  if (side->device || !extent.has_value()) {
    return;
  }
  const CUdeviceptr mirror =
      scope.DeviceSideOf(reinterpret_cast<const void*>(side->address), *extent);
  if (mirror != 0) {
    side->device = true;
    side->address = mirror;
  }
}

CUresult CopyOnHost(
    const CallScope& scope, const Side& to, const Side& from, const Box& box, CUstream stream) {
  if (scope.session().captures().busy()) {
    const RowShape shape{
        .width = box.width, .rows = box.rows, .host_pitch = to.pitch, .device_pitch = from.pitch};
    CUresult taken = CUDA_SUCCESS;
    bool all = true;
    for (uint64_t z = 0; z < box.slices && all && taken == CUDA_SUCCESS; ++z) {
      all = TakeMoveIntoCapture(scope, stream, reinterpret_cast<void*>(to.address + z * to.slice),
                                reinterpret_cast<const void*>(from.address + z * from.slice), shape,
                                &taken);
    }
    if (all) {
      return taken;
    }
  }
  const CUresult result = scope.Call(wire::StreamSynchronize{.hStream = ToWire(stream)});
  if (result != CUDA_SUCCESS) {
    return result;
  }
  for (uint64_t z = 0; z < box.slices; ++z) {
    for (uint64_t y = 0; y < box.rows; ++y) {
      memmove(reinterpret_cast<void*>(to.address + z * to.slice + y * to.pitch),
              reinterpret_cast<const void*>(from.address + z * from.slice + y * from.pitch),
              box.width);
    }
  }
  return CUDA_SUCCESS;
}

// Between boxes on the device, of which one is in an array at least.
CUresult CopyWithArray(
    const CallScope& scope, const Side& to, const Side& from, const Box& box, CUstream stream) {
  return scope.Post(wire::ArrayCopyShape{.to_array = to.array,
                                         .from_array = from.array,
                                         .to = to.address,
                                         .from = from.address,
                                         .stream = ToWire(stream),
                                         .width = box.width,
                                         .rows = box.rows,
                                         .slices = box.slices,
                                         .to_x = to.x,
                                         .to_y = to.y,
                                         .to_z = to.z,
                                         .from_x = from.x,
                                         .from_y = from.y,
                                         .from_z = from.z,
                                         .to_pitch = to.pitch,
                                         .to_slice = to.slice,
                                         .from_pitch = from.pitch,
                                         .from_slice = from.slice});
}

// Where one slice of a side starts.
CopyPlace PlaceOf(const Side& side, uint64_t slice) {
  return side.array == 0 ? CopyPlace(side.address + slice * side.slice)
                         : CopyPlace(side.array, side.x, side.y, side.z + slice);
}

CUresult CopySlice(const CallScope& scope,
                   void* host,
                   const CopyPlace& device,
                   const RowShape& shape,
                   bool to_device,
                   CUstream stream,
                   Wait wait) {
  Transfers& transfers = scope.session().transfers();
  CUresult taken = CUDA_SUCCESS;
  if (TakeCopyIntoCapture(scope, stream,
                          to_device ? HostCall::Kind::kFetch : HostCall::Kind::kStore, host, device,
                          shape, &taken)) {
    return taken;
  }
  const uint64_t extent = (shape.rows - 1) * shape.host_pitch + shape.width;
  if (to_device) {
    RowShape rows = shape;
    rows.fence = wait == Wait::kYes && !scope.session().config().synchronous;
    const CUresult result = ChooseHostRead(scope, stream, host, extent, wait, &rows.late);
    return result == CUDA_SUCCESS
               ? transfers.Send(scope.context(), ToWire(stream), device, host, rows)
               : result;
  }
  const bool waits = wait == Wait::kYes || scope.session().config().synchronous ||
                     !scope.session().IsPinned(host, extent);
  const CUresult sent = waits ? scope.SendMirrored() : CUDA_SUCCESS;
  return sent == CUDA_SUCCESS
             ? transfers.Receive(scope.context(), ToWire(stream), host, device, shape, waits)
             : sent;
}

CUresult CopyOnDevice(
    const CallScope& scope, const Side& to, const Side& from, const Box& box, CUstream stream) {
  if (to.array != 0 || from.array != 0) {
    return CopyWithArray(scope, to, from, box, stream);
  }
  return scope.Post(wire::CopyShape{.to = to.address,
                                    .from = from.address,
                                    .stream = ToWire(stream),
                                    .width = box.width,
                                    .rows = box.rows,
                                    .slices = box.slices,
                                    .to_pitch = to.pitch,
                                    .from_pitch = from.pitch,
                                    .to_slice = to.slice,
                                    .from_slice = from.slice});
}

CUresult CopyThroughHost(const CallScope& scope,
                         const Side& to,
                         const Side& from,
                         const Box& box,
                         CUstream stream,
                         Wait wait) {
  const RowShape shape{.width = box.width,
                       .rows = box.rows,
                       .host_pitch = to.device ? from.pitch : to.pitch,
                       .device_pitch = to.device ? to.pitch : from.pitch};
  const Side& host = to.device ? from : to;
  const MirroredWork work(scope.session(), scope.context(), ToWire(stream),
                          {.all = false,
                           .read = to.device || from.array != 0 ? 0 : from.address,
                           .written = to.device && to.array == 0 ? to.address : 0});
  CUresult result = work.result();
  for (uint64_t z = 0; z < box.slices && result == CUDA_SUCCESS; ++z) {
    result = CopySlice(scope, reinterpret_cast<void*>(host.address + z * host.slice),
                       PlaceOf(to.device ? to : from, z), shape, to.device, stream, wait);
  }
  return result;
}

CUresult CopySides(const CallScope& scope,
                   const SideDescription& to_described,
                   const SideDescription& from_described,
                   const Box& box,
                   CUstream stream,
                   Wait wait) {
  if (!scope.KnowsOrNull(stream)) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  if (box.width == 0 || box.rows == 0 || box.slices == 0) {
    return CUDA_SUCCESS;
  }
  Side to;
  Side from;
  CUresult result = Resolve(scope, to_described, box, &to);
  result = result == CUDA_SUCCESS ? Resolve(scope, from_described, box, &from) : result;
  if (result != CUDA_SUCCESS) {
    return result;
  }
  if (!OwnsBox(scope, to, box) || !OwnsBox(scope, from, box)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  PreferDevice(scope, &to, box);
  PreferDevice(scope, &from, box);
  if (!to.device && !from.device) {
    return CopyOnHost(scope, to, from, box, stream);
  }
  const bool stays = to.device && from.device;
  result = stays ? CopyOnDevice(scope, to, from, box, stream)
                 : CopyThroughHost(scope, to, from, box, stream, wait);
  // As with linear copies: what fails shows now if calls are to wait, and the program may look at
  // mirrored memory as soon as a copy that waits, or that goes into managed memory, has returned.
  MirroredMemory& mirrored = scope.session().mirrored();
  const bool shows = mirrored.any() && (wait == Wait::kYes || mirrored.IsManaged(to.address));
  const bool waits = shows || (to.device && !stays && scope.session().config().synchronous);
  if (result == CUDA_SUCCESS && !waits && to.device && !stays && wait == Wait::kYes &&
      scope.session().shares().any()) {
    return scope.Call(wire::StreamSynchronize{.hStream = ToWire(stream)});
  }
  return result == CUDA_SUCCESS && waits ? scope.WaitForPosted() : result;
}

// CUDA_MEMCPY3D and CUDA_MEMCPY3D_PEER name these fields alike.
template <typename Copy>
CUresult Copy3D(const CallScope& scope, const Copy& copy, CUstream stream, Wait wait) {
  return CopySides(scope,
                   {copy.dstMemoryType, copy.dstHost, copy.dstDevice, copy.dstArray, copy.dstPitch,
                    copy.dstHeight, copy.dstXInBytes, copy.dstY, copy.dstZ},
                   {copy.srcMemoryType, copy.srcHost, copy.srcDevice, copy.srcArray, copy.srcPitch,
                    copy.srcHeight, copy.srcXInBytes, copy.srcY, copy.srcZ},
                   {copy.WidthInBytes, copy.Height, copy.Depth}, stream, wait);
}

bool IsThere(const CallScope& scope, CUmemorytype type, CUcontext context) {
  return type == CU_MEMORYTYPE_HOST || scope.Knows(context);
}

}  // namespace

CUresult CopyBox(const CallScope& scope, const CUDA_MEMCPY2D& copy, CUstream stream, Wait wait) {
  return CopySides(scope,
                   {copy.dstMemoryType, copy.dstHost, copy.dstDevice, copy.dstArray, copy.dstPitch,
                    0, copy.dstXInBytes, copy.dstY, 0},
                   {copy.srcMemoryType, copy.srcHost, copy.srcDevice, copy.srcArray, copy.srcPitch,
                    0, copy.srcXInBytes, copy.srcY, 0},
                   {copy.WidthInBytes, copy.Height, 1}, stream, wait);
}

CUresult CopyBox(const CallScope& scope, const CUDA_MEMCPY3D& copy, CUstream stream, Wait wait) {
  return Copy3D(scope, copy, stream, wait);
}

CUresult CopyBox(const CallScope& scope,
                 const CUDA_MEMCPY3D_PEER& copy,
                 CUstream stream,
                 Wait wait) {
  const bool there = IsThere(scope, copy.dstMemoryType, copy.dstContext) &&
                     IsThere(scope, copy.srcMemoryType, copy.srcContext);
  return there ? Copy3D(scope, copy, stream, wait) : CUDA_ERROR_INVALID_CONTEXT;
}

// ---- runs of bytes in arrays --------------------------------------------------------------------

namespace {

SideDescription InArray(const ArrayPlace& place) {
  return {CU_MEMORYTYPE_ARRAY, nullptr, 0, place.array, 0, 0, place.offset, 0, 0};
}

SideDescription OnHost(const void* host) {
  return {CU_MEMORYTYPE_HOST, host, 0, nullptr, 0, 0, 0, 0, 0};
}

SideDescription OnDevice(CUdeviceptr address) {
  return {CU_MEMORYTYPE_DEVICE, nullptr, address, nullptr, 0, 0, 0, 0, 0};
}

}  // namespace

CUresult CopyIntoArray(const CallScope& scope,
                       const ArrayPlace& to,
                       const void* from,
                       size_t bytes,
                       CUstream stream,
                       Wait wait) {
  return CopySides(scope, InArray(to), OnHost(from), {bytes, 1, 1}, stream, wait);
}

CUresult CopyIntoArray(
    const CallScope& scope, const ArrayPlace& to, CUdeviceptr from, size_t bytes, CUstream stream) {
  return CopySides(scope, InArray(to), OnDevice(from), {bytes, 1, 1}, stream, Wait::kNo);
}

CUresult CopyOutOfArray(const CallScope& scope,
                        void* to,
                        const ArrayPlace& from,
                        size_t bytes,
                        CUstream stream,
                        Wait wait) {
  return CopySides(scope, OnHost(to), InArray(from), {bytes, 1, 1}, stream, wait);
}

CUresult CopyOutOfArray(
    const CallScope& scope, CUdeviceptr to, const ArrayPlace& from, size_t bytes, CUstream stream) {
  return CopySides(scope, OnDevice(to), InArray(from), {bytes, 1, 1}, stream, Wait::kNo);
}

CUresult CopyBetweenArrays(const CallScope& scope,
                           const ArrayPlace& to,
                           const ArrayPlace& from,
                           size_t bytes,
                           CUstream stream) {
  return CopySides(scope, InArray(to), InArray(from), {bytes, 1, 1}, stream, Wait::kNo);
}

}  // namespace farlane::shim

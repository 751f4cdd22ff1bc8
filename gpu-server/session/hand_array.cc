// SPDX-License-Identifier: Apache-2.0
// Arrays, textures and surfaces. An array's bytes are asked of the ledger before the driver is.
#include "gpu-server/session/client_session.h"
#include "gpu-server/session/hand.h"
#include "gpu-server/session/staged_copies.h"

namespace farlane::server {
namespace {

using wire::WireError;

// One ArrayCreate on its way: shared by the steps, of which each runs on another thread.
struct Creation {
  wire::MessageView view;  // its body is gone
  wire::Handle handle = 0;
  BoundArray array;
  uint32_t levels = 0;  // 0: not mipmapped
  CUresult result = CUDA_SUCCESS;
};

using CreationPtr = std::shared_ptr<Creation>;

CUresult AskDriver(const DriverTable& driver, Creation* creation) {
  const CUDA_ARRAY3D_DESCRIPTOR& descriptor = creation->array.shape.descriptor();
  ArrayMemory& memory = *creation->array.memory;
  if (creation->levels != 0) {
    return driver.cuMipmappedArrayCreate(&memory.mipmapped, &descriptor, creation->levels);
  }
  const CUresult result = driver.cuArray3DCreate_v2(&memory.array, &descriptor);
  creation->array.array = memory.array;
  return result;
}

CUresult End(const DriverTable& driver, ArrayMemory* memory) {
  const CUresult result = memory->mipmapped != nullptr
                              ? driver.cuMipmappedArrayDestroy(memory->mipmapped)
                              : driver.cuArrayDestroy(memory->array);
  memory->reservation = Reservation();
  return result;
}

// On the dispatch thread.
void FinishCreation(ClientSession& session, const CreationPtr& creation) {
  CUresult result = creation->result;
  if (result == CUDA_SUCCESS &&
      session.CheckNew(creation->handle, wire::HandleKind::kArray) != WireError::kNone) {
    result = CUDA_ERROR_INVALID_HANDLE;  // given to another array in the meantime
    static_cast<void>(End(session.driver(), creation->array.memory.get()));
  }
  if (result == CUDA_SUCCESS) {
    session.arrays().Bind(creation->handle, creation->array);
  } else {
    creation->array.memory->reservation = Reservation();  // before the client hears of it
  }
  session.Answer(creation->view, result);
}

// On the dispatch thread, when the ledger has answered.
void Create(ClientSession& session, const CreationPtr& creation) {
  if (creation->array.memory->reservation.bytes() == 0) {
    session.Answer(creation->view, CUDA_ERROR_OUT_OF_MEMORY);
    return;
  }
  session.DeferIn(creation->array.context, creation->view, [&session, creation] {
    creation->result = AskDriver(session.driver(), creation.get());
    const Scrubber* const scrubber = session.memory(creation->array.context->device)->scrubber();
    if (creation->result == CUDA_SUCCESS && scrubber != nullptr) {
      // Before the client knows of it.
      creation->result = creation->array.memory->Zero(session.driver(), *scrubber);
      if (creation->result != CUDA_SUCCESS) {
        static_cast<void>(End(session.driver(), creation->array.memory.get()));
      }
    }
    session.Return([&session, creation] { FinishCreation(session, creation); });
  });
}

CUDA_ARRAY3D_DESCRIPTOR DescriptorOf(const wire::ArrayCreate& message) {
  CUDA_ARRAY3D_DESCRIPTOR descriptor{};
  descriptor.Width = message.width;
  descriptor.Height = message.height;
  descriptor.Depth = message.depth;
  descriptor.Format = static_cast<CUarray_format>(message.format);
  descriptor.NumChannels = message.channels;
  descriptor.Flags = message.flags;
  return descriptor;
}

// Plain memory as a side of a box copy; `rows` from one slice to the next come out.
CUresult ProvePlain(ClientSession& session, const DeviceBox& box, size_t* rows) {
  if (!OwnsBox(session, box)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *rows = box.slices > 1 ? box.slice / box.pitch : box.rows;
  return CUDA_SUCCESS;
}

CUresult SetDestination(ClientSession& session,
                        const wire::ArrayCopyShape& message,
                        CUDA_MEMCPY3D* shape) {
  if (message.to_array == 0) {
    shape->dstMemoryType = CU_MEMORYTYPE_DEVICE;
    shape->dstDevice = message.to;
    shape->dstPitch = message.to_pitch;
    return ProvePlain(session,
                      {message.to, message.to_pitch, message.to_slice, message.width, message.rows,
                       message.slices},
                      &shape->dstHeight);
  }
  shape->dstMemoryType = CU_MEMORYTYPE_ARRAY;
  shape->dstXInBytes = message.to_x;
  shape->dstY = message.to_y;
  shape->dstZ = message.to_z;
  return session.arrays().Prove(
      message.to_array,
      {message.to_x, message.to_y, message.to_z, message.width, message.rows, message.slices},
      &shape->dstArray);
}

CUresult SetSource(ClientSession& session,
                   const wire::ArrayCopyShape& message,
                   CUDA_MEMCPY3D* shape) {
  if (message.from_array == 0) {
    shape->srcMemoryType = CU_MEMORYTYPE_DEVICE;
    shape->srcDevice = message.from;
    shape->srcPitch = message.from_pitch;
    return ProvePlain(session,
                      {message.from, message.from_pitch, message.from_slice, message.width,
                       message.rows, message.slices},
                      &shape->srcHeight);
  }
  shape->srcMemoryType = CU_MEMORYTYPE_ARRAY;
  shape->srcXInBytes = message.from_x;
  shape->srcY = message.from_y;
  shape->srcZ = message.from_z;
  return session.arrays().Prove(
      message.from_array,
      {message.from_x, message.from_y, message.from_z, message.width, message.rows, message.slices},
      &shape->srcArray);
}

}  // namespace

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::ArrayCreate& message) {
  FARLANE_WIRE_TRY(session.CheckNew(message.array, wire::HandleKind::kArray));
  const ContextPtr context = session.context();
  if (context == nullptr) {
    return session.Refuse(view, CUDA_ERROR_INVALID_CONTEXT);
  }
  const auto creation = std::make_shared<Creation>();
  creation->view = {.op = view.op, .flags = view.flags, .sequence = view.sequence, .body = {}};
  creation->handle = message.array;
  creation->levels = message.levels;
  creation->array = {.array = nullptr,
                     .shape = abi::ArrayShape(DescriptorOf(message), message.levels),
                     .is_level = false,
                     .memory = std::make_shared<ArrayMemory>(),
                     .context = context};
  creation->array.memory->shape = creation->array.shape;
  const CUresult possible = creation->array.shape.Check([&session,
                                                         &context](CUdevice_attribute attribute) {
    int value = 0;
    static_cast<void>(session.driver().cuDeviceGetAttribute(&value, attribute, context->device));
    return value;
  });
  if (possible != CUDA_SUCCESS) {
    return session.Refuse(view, possible);
  }
  const DeviceMemory* memory = session.memory(context->device);
  session.AskForMemory(memory->ordinal(), creation->array.shape.DeviceBytes(),
                       CreditSource::Purpose::kObject, [&session, creation](Reservation granted) {
                         creation->array.memory->reservation = std::move(granted);
                         session.Return([&session, creation] { Create(session, creation); });
                       });
  return WireError::kNone;
}

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::ArrayLevel& message) {
  FARLANE_WIRE_TRY(session.CheckNew(message.level_array, wire::HandleKind::kArray));
  const BoundArray* whole = session.arrays().Find(message.array);
  if (whole == nullptr || whole->array != nullptr) {
    return session.Refuse(view, CUDA_ERROR_INVALID_HANDLE);
  }
  if (message.level >= whole->shape.levels()) {
    return session.Refuse(view, CUDA_ERROR_INVALID_VALUE);
  }
  BoundArray level{.array = nullptr,
                   .shape = whole->shape.Level(message.level),
                   .is_level = true,
                   .memory = whole->memory,
                   .context = whole->context};
  const CUresult result = session.driver().cuMipmappedArrayGetLevel(
      &level.array, whole->memory->mipmapped, message.level);
  if (result == CUDA_SUCCESS) {
    session.arrays().Bind(message.level_array, std::move(level));
  }
  session.Finish(view, result);
  return WireError::kNone;
}

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::ArrayDestroy& message) {
  BoundArray taken;
  if (!session.arrays().Take(message.array, &taken)) {
    return session.Refuse(view, CUDA_ERROR_INVALID_HANDLE);
  }
  // Work under way may still use it, and the driver waits for that.
  const DeviceMemory* const device = session.memory(taken.context->device);
  const Scrubber* const scrubber = device->scrubs_after() ? device->scrubber() : nullptr;
  session.DeferIn(taken.context, view, [&session, view, scrubber, memory = taken.memory] {
    if (scrubber != nullptr && session.driver().cuCtxSynchronize() == CUDA_SUCCESS) {
      static_cast<void>(memory->Zero(session.driver(), *scrubber));
    }
    const CUresult result = End(session.driver(), memory.get());
    session.AnswerWaited(view, result);
  });
  return WireError::kNone;
}

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::ArrayCopyIn& message) {
  CUresult proved = CUDA_SUCCESS;
  const DeviceRows to = RowsInArray(session, message, &proved);
  return StageIn(session, view, to, {message.stream, message.fence != 0}, message.data, proved);
}

WireError Execute(ClientSession& session,
                  const wire::MessageView&,
                  const wire::ArrayCopyOut& message) {
  CUresult proved = CUDA_SUCCESS;
  const DeviceRows from = RowsInArray(session, message, &proved);
  return StageOut(session, from, message.stream, {.id = message.transfer}, proved);
}

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::ArrayCopyShape& message) {
  CUstream stream = nullptr;
  if (!session.FindOrNull(message.stream, &stream)) {
    return session.Refuse(view, CUDA_ERROR_INVALID_HANDLE);
  }
  if (message.width == 0 || message.rows == 0 || message.slices == 0) {
    return WireError::kNone;
  }
  CUDA_MEMCPY3D shape{};
  shape.WidthInBytes = message.width;
  shape.Height = message.rows;
  shape.Depth = message.slices;
  CUresult result = SetDestination(session, message, &shape);
  result = result == CUDA_SUCCESS ? SetSource(session, message, &shape) : result;
  if (result != CUDA_SUCCESS) {
    return session.Refuse(view, result);
  }
  session.Finish(view, session.driver().cuMemcpy3DAsync_v2(&shape, stream));
  return WireError::kNone;
}

}  // namespace farlane::server

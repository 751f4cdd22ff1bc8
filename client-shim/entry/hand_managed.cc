// SPDX-License-Identifier: Apache-2.0
// Managed memory: allocations and variables that the program and the GPU both use by one address.
#include "client-shim/bodies.h"
#include "client-shim/call_scope.h"
#include "client-shim/contexts.h"
#include "client-shim/mapped_host.h"
#include "client-shim/modules.h"

namespace farlane::shim {
namespace {

// Runtimes ask for managed variables before they make any context, but on the server a variable
// lives in one. Then the first device's primary context is made, for good: giving it back would
// take the variable's content with it.
CUresult ContextForVariables(Session& session, wire::Handle* context, int32_t* device) {
  *context = ThreadState::Mine().current();
  const Context* current = session.objects().contexts.Find(*context);
  if (current != nullptr && current->alive) {
    *device = current->device;
    return CUDA_SUCCESS;
  }
  *device = session.first_device();
  *context = session.primary_context(*device);
  return session.objects().contexts.Find(*context)->alive
             ? CUDA_SUCCESS
             : RetainPrimary(session, *device, context);
}

}  // namespace

CUresult cuMemAllocManaged(CUdeviceptr* dptr, size_t bytesize, unsigned int flags) {
  const CallScope scope;
  if (scope.result() != CUDA_SUCCESS) {
    return scope.result();
  }
  const CUresult safe = scope.CheckSafe();
  if (safe != CUDA_SUCCESS) {
    return safe;
  }
  const bool known = flags == CU_MEM_ATTACH_GLOBAL || flags == CU_MEM_ATTACH_HOST;
  if (dptr == nullptr || bytesize == 0 || !known || bytesize > UINT64_MAX / 2) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const CUresult result = AllocateMirrored(scope, MirrorKind::kManaged, bytesize, dptr);
  if (result == CUDA_SUCCESS) {
    scope.session().objects().advice.Forget({*dptr, bytesize});
    return scope.session().mirrored().Attach(*dptr, flags);
  }
  return result;
}

CUresult cuLibraryGetManaged(CUdeviceptr* dptr,
                             size_t* bytes,
                             CUlibrary library,
                             const char* name) {
  Session* session = Process::Get().session();
  if (session == nullptr) {
    return Process::Get().Why();
  }
  if (name == nullptr || (dptr == nullptr && bytes == nullptr)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  int32_t device = 0;
  wire::Handle context = 0;
  CUresult result = ContextForVariables(*session, &context, &device);
  uint64_t size = 0;
  uint64_t address = 0;
  if (result == CUDA_SUCCESS) {
    result = FindGlobal(*session, context, device, ToWire(library), name, &address, &size);
  }
  if (result == CUDA_SUCCESS && !session->mirrored().IsManaged(address)) {
    result = session->mirrored().AddVariable(context, address, size);
  }
  if (result == CUDA_SUCCESS && dptr != nullptr) {
    *dptr = address;
  }
  if (result == CUDA_SUCCESS && bytes != nullptr) {
    *bytes = size;
  }
  return result;
}

}  // namespace farlane::shim

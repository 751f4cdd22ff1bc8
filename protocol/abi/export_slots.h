// SPDX-License-Identifier: Apache-2.0
// The functions behind the private tables: what a closed library reaches when it calls a slot.
// They run in somebody else's process, before cuInit and inside exit handlers too: none may throw,
// and none but LoadWrapper, LoadFatbin and VisitModuleFunctions may wait for another machine.
#pragma once

#include <cstddef>
#include <cstdint>

#include "protocol/abi/context_storage.h"
#include "protocol/abi/cuda_abi.h"
#include "protocol/abi/host.h"

namespace farlane::abi {

// The runtime's own interface.
CUresult LoadWrapper(CUmodule* module, const void* wrapper);
CUresult LoadWrapperWithOptions(
    CUmodule* module, const void* wrapper, void* unknown1, void* unknown2, uint32_t unknown3);
CUresult LoadFatbin(
    const void* fatbin, CUmodule* module, void* unknown1, void* unknown2, uint32_t unknown3);
CUresult PrimaryContextHandle(CUcontext* context, CUdevice device);
CUresult PreloadCompilers();

// Flags that say which runtime calls and events a tool listens to: all zero, as no tool does.
void RuntimeCallFlags(void** flags, size_t* count);
void RuntimeEventFlags(void** flags, size_t* count);

CUresult ThreadContext(CUcontext* context);

// Context-local storage; a null context means the calling thread's.
CUresult PutContextLocal(CUcontext context, void* key, void* value, ContextDestructor destructor);
CUresult EraseContextLocal(CUcontext context, void* key);
CUresult GetContextLocal(void** value, CUcontext context, void* key);

CUresult CheckContext(CUcontext context, uint32_t* flags, void** unknown);
uint32_t CheckAtStart();

CUresult UniqueContextId(CUcontext context, uint64_t* id);
CUresult StreamTokenOf(CUcontext context, CUstream stream, void** token, int per_thread);
CUresult UniqueStreamId(CUcontext context, void* token, uint64_t* id);

// One is success here, not zero.
int VisitModuleFunctions(CUcontext context, CUmodule module, FunctionVisitor visit, void* user);

// Which processors belong together on the chip: a library that is told nothing plans without.
CUresult ProcessorLayout(uint8_t** groups, uint64_t* unknown);

}  // namespace farlane::abi

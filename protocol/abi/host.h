// SPDX-License-Identifier: Apache-2.0
// Host is what the private tables ask of the library that carries them: who is current, which
// devices there are, what a stream is called. Each libcuda of ours implements it once and installs
// it when it is loaded, before any program can ask for a table.
// No function of it may wait for another machine, except LoadModule and VisitFunctions.
#pragma once

#include <cstdint>

#include "protocol/abi/cuda_abi.h"

namespace farlane::abi {

// One device as the program sees it. The values must be those that the attribute calls answer.
struct DeviceIdentity {
  CUuuid uuid;
  int32_t pci_domain;
  int32_t pci_bus;
  int32_t pci_device;
};

// What a closed library passes to be called once for each function of a module.
using FunctionVisitor = int (*)(void* user, CUfunction function, uint64_t reserved);

// Thread: any; implementations guard themselves.
class Host {
 public:
  // What cuDriverGetVersion answers.
  virtual int DriverVersion() = 0;
  virtual int DeviceCount() = 0;
  virtual CUresult Identify(CUdevice device, DeviceIdentity* identity) = 0;

  // The handle that cuDevicePrimaryCtxRetain will give, without creating or retaining the context.
  virtual CUresult PrimaryContext(CUdevice device, CUcontext* context) = 0;
  // The calling thread's context, or null. Asked on nearly every runtime call: keep it free of
  // locks.
  virtual CUcontext CurrentContext() = 0;
  // False from the moment a context is being destroyed or reset.
  virtual bool ContextAlive(CUcontext context) = 0;
  // A number that no other context of this process ever had.
  virtual CUresult ContextId(CUcontext context, uint64_t* id) = 0;

  // A token that stays the same for a stream's life. `per_thread` says which default stream a null
  // handle means; the calling thread's own one has a token per thread.
  virtual CUresult StreamToken(CUcontext context,
                               CUstream stream,
                               bool per_thread,
                               void** token) = 0;
  // A number that no other stream of this process ever had, for a token of StreamToken.
  virtual CUresult StreamId(CUcontext context, void* token, uint64_t* id) = 0;

  // Calls `visit` with every function of the module, handles valid for launches.
  virtual CUresult VisitFunctions(CUcontext context,
                                  CUmodule module,
                                  FunctionVisitor visit,
                                  void* user) = 0;
  // As cuModuleLoadData: a fatbin wrapper, a fatbin, a cubin or PTX.
  virtual CUresult LoadModule(CUmodule* module, const void* image) = 0;

 protected:
  ~Host() = default;
};

// The host is borrowed for the rest of the process: tables are still used by exit handlers.
void Install(Host* host);
// Null before Install.
Host* InstalledHost();

}  // namespace farlane::abi

// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/api/host.h"

#include <mutex>

#include "soft-gpu/api/call.h"
#include "soft-gpu/bodies.h"

namespace farlane::soft {
namespace {

// Thread: any; the driver guards itself.
class SoftHost final : public abi::Host {
 public:
  int DriverVersion() override { return kDriverVersion; }

  int DeviceCount() override {
    const Driver* driver = Driver::Get();
    return driver == nullptr ? 0 : static_cast<int>(driver->devices().size());
  }

  CUresult Identify(CUdevice device, abi::DeviceIdentity* identity) override {
    const PlainCall call;
    FARLANE_SOFT_TRY(call.result);
    const Device* found = nullptr;
    FARLANE_SOFT_TRY(FindDevice(call, device, &found));
    identity->uuid = found->Uuid();
    FARLANE_SOFT_TRY(found->Attribute(CU_DEVICE_ATTRIBUTE_PCI_DOMAIN_ID, &identity->pci_domain));
    FARLANE_SOFT_TRY(found->Attribute(CU_DEVICE_ATTRIBUTE_PCI_BUS_ID, &identity->pci_bus));
    return found->Attribute(CU_DEVICE_ATTRIBUTE_PCI_DEVICE_ID, &identity->pci_device);
  }

  CUresult PrimaryContext(CUdevice device, CUcontext* context) override {
    const PlainCall call;
    FARLANE_SOFT_TRY(call.result);
    const Device* found = nullptr;
    FARLANE_SOFT_TRY(FindDevice(call, device, &found));
    *context = AsHandle<CUcontext>(call.driver->primary(device)->handle());
    return CUDA_SUCCESS;
  }

  CUcontext CurrentContext() override {
    const Context* context = ThisThread().current();
    return context == nullptr ? nullptr : AsHandle<CUcontext>(context->handle());
  }

  bool ContextAlive(CUcontext context) override {
    // The usual question is about the current context, and needs no table.
    if (const Context* current = ThisThread().current();
        current != nullptr && current->handle() == HandleNumber(context)) {
      return current->alive();
    }
    Driver* driver = Driver::Get();
    if (driver == nullptr) {
      return false;
    }
    const auto found = driver->contexts().Find(HandleNumber(context));
    return found != nullptr && found->alive();
  }

  CUresult ContextId(CUcontext context, uint64_t* id) override {
    const PlainCall call;
    FARLANE_SOFT_TRY(call.result);
    std::shared_ptr<Context> found;
    FARLANE_SOFT_TRY(FindContext(call, context, &found));
    *id = found->id();
    return CUDA_SUCCESS;
  }

  CUresult StreamToken(CUcontext context, CUstream stream, bool per_thread, void** token) override {
    const PlainCall call;
    FARLANE_SOFT_TRY(call.result);
    std::shared_ptr<Context> found;
    FARLANE_SOFT_TRY(FindContext(call, context, &found));
    const bool own = stream == CU_STREAM_PER_THREAD || (stream == nullptr && per_thread);
    std::shared_ptr<Stream> meant;
    if (own) {
      meant = OwnStream(found.get());
    } else if (stream == nullptr || stream == CU_STREAM_LEGACY) {
      meant = found->legacy();
    } else {
      meant = call.driver->streams().Find(HandleNumber(stream));
    }
    if (meant == nullptr) {
      return CUDA_ERROR_INVALID_HANDLE;
    }
    // Its id: never used twice, and never looked behind.
    *token = AsHandle<void*>(meant->traits().id);
    return CUDA_SUCCESS;
  }

  CUresult StreamId(CUcontext, void* token, uint64_t* id) override {
    *id = reinterpret_cast<uint64_t>(token);
    return CUDA_SUCCESS;
  }

  CUresult VisitFunctions(CUcontext,
                          CUmodule module,
                          abi::FunctionVisitor visit,
                          void* user) override {
    const PlainCall call;
    FARLANE_SOFT_TRY(call.result);
    const auto found = call.driver->modules().Find(HandleNumber(module));
    if (found == nullptr) {
      return CUDA_ERROR_INVALID_HANDLE;
    }
    for (const std::shared_ptr<Function>& function : found->functions()) {
      visit(user, AsHandle<CUfunction>(function->handle), 0);
    }
    return CUDA_SUCCESS;
  }

  CUresult LoadModule(CUmodule* module, const void* image) override {
    return cuModuleLoadData(module, image);
  }
};

}  // namespace

void InstallHost() {
  static std::once_flag once;
  std::call_once(once, [] { abi::Install(new SoftHost()); });  // for the rest of the process
}

}  // namespace farlane::soft

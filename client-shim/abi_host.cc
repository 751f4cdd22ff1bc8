// SPDX-License-Identifier: Apache-2.0
#include "client-shim/abi_host.h"

#include <new>

#include "client-shim/bodies.h"
#include "client-shim/current_context.h"
#include "client-shim/process.h"
#include "protocol/abi/host.h"

namespace farlane::shim {
namespace {

// Thread: any.
class ShimHost final : public abi::Host {
 public:
  int DriverVersion() override {
    const Servers* const servers = Process::Get().servers();
    return servers == nullptr ? 0 : servers->driver_version();
  }

  int DeviceCount() override {
    const Servers* const servers = Process::Get().servers();
    return servers == nullptr ? 0 : servers->devices_count();
  }

  CUresult Identify(CUdevice device, abi::DeviceIdentity* identity) override {
    const Session* const session = Process::Get().SessionOfDevice(device);
    if (session == nullptr) {
      return CUDA_ERROR_INVALID_DEVICE;
    }
    const Device& described = session->device(device);
    identity->uuid = described.uuid;
    identity->pci_domain = described.attribute(CU_DEVICE_ATTRIBUTE_PCI_DOMAIN_ID);
    identity->pci_bus = described.attribute(CU_DEVICE_ATTRIBUTE_PCI_BUS_ID);
    identity->pci_device = described.attribute(CU_DEVICE_ATTRIBUTE_PCI_DEVICE_ID);
    return CUDA_SUCCESS;
  }

  CUresult PrimaryContext(CUdevice device, CUcontext* context) override {
    const Session* const session = Process::Get().SessionOfDevice(device);
    if (session == nullptr) {
      return CUDA_ERROR_INVALID_DEVICE;
    }
    *context = FromWire<CUcontext>(session->primary_context(device));
    return CUDA_SUCCESS;
  }

  CUcontext CurrentContext() override { return FromWire<CUcontext>(ThreadState::Mine().current()); }

  bool ContextAlive(CUcontext context) override {
    Session* session = Process::Get().SessionOf(ToWire(context));
    const Context* found =
        session == nullptr ? nullptr : session->objects().contexts.Find(ToWire(context));
    return found != nullptr && found->alive;
  }

  CUresult ContextId(CUcontext context, uint64_t* id) override {
    Session* session = Process::Get().SessionOf(ToWire(context));
    const Context* found =
        session == nullptr ? nullptr : session->objects().contexts.Find(ToWire(context));
    if (found == nullptr) {
      return CUDA_ERROR_INVALID_CONTEXT;
    }
    *id = found->id;
    return CUDA_SUCCESS;
  }

  CUresult StreamToken(CUcontext context, CUstream stream, bool per_thread, void** token) override {
    if (stream == nullptr || stream == CU_STREAM_LEGACY || stream == CU_STREAM_PER_THREAD) {
      const bool own = stream == CU_STREAM_PER_THREAD || (stream == nullptr && per_thread);
      // The legacy stream is one per context, so the context's handle stands for it.
      *token = own ? static_cast<void*>(ThreadStream()) : static_cast<void*>(context);
      return CUDA_SUCCESS;
    }
    *token = stream;
    return CUDA_SUCCESS;
  }

  CUresult StreamId(CUcontext context, void* token, uint64_t* id) override {
    const auto handle = reinterpret_cast<uint64_t>(token);
    Session* session = Process::Get().SessionOf(handle);
    if (Process::Get().servers() == nullptr) {
      return CUDA_ERROR_DEINITIALIZED;
    }
    if (const Stream* stream =
            session == nullptr ? nullptr : session->objects().streams.Find(handle)) {
      *id = stream->id;
      return CUDA_SUCCESS;
    }
    return ContextId(token == nullptr ? context : FromWire<CUcontext>(handle), id);
  }

  CUresult VisitFunctions(CUcontext,
                          CUmodule module,
                          abi::FunctionVisitor visit,
                          void* user) override {
    unsigned int count = 0;
    CUresult result = cuModuleGetFunctionCount(&count, module);
    std::vector<CUfunction> functions(count);
    if (result == CUDA_SUCCESS) {
      result = cuModuleEnumerateFunctions(functions.data(), count, module);
    }
    for (size_t i = 0; i < functions.size() && result == CUDA_SUCCESS; ++i) {
      visit(user, functions[i], 0);
    }
    return result;
  }

  CUresult LoadModule(CUmodule* module, const void* image) override {
    return cuModuleLoadData(module, image);
  }
};

}  // namespace

void InstallAbiHost() {
  alignas(ShimHost) static char place[sizeof(ShimHost)];
  abi::Install(new (place)
                   ShimHost());  // placed: exit handlers of other libraries use it to the end
}

}  // namespace farlane::shim

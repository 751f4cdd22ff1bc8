// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/device/driver.h"

#include <mutex>

#include <pthread.h>

#include "protocol/abi/context_storage.h"
#include "protocol/abi/device_choice.h"
#include "protocol/abi/driver_environment.h"
#include "protocol/base/log.h"
#include "protocol/base/standard_descriptors.h"
#include "soft-gpu/exec/window.h"

namespace farlane::soft {
namespace {

std::atomic<Driver*> the_driver{nullptr};
std::atomic<bool> forked{false};

void ForgetInChild() {
  forked.store(true, std::memory_order_relaxed);
  the_driver.store(nullptr, std::memory_order_relaxed);
}

// Takes those devices out that the program is not to see. A server's worker sees all: the daemon
// keeps the variable from it, and clients choose.
Status HideDevices(Config* config) {
  const auto& list = abi::DriverEnvironment::OfProgram().visible_devices;
  if (!list.has_value()) {
    return Status::Ok();
  }
  std::vector<abi::DeviceName> names;
  for (uint32_t place = 0; place < config->device_count; ++place) {
    const Device device(*config, static_cast<int>(place));
    names.push_back({.uuid = device.Uuid(), .bus_id = device.PciBusId()});
  }
  for (const size_t place : abi::VisibleDevices(names, *list)) {
    config->visible.push_back(static_cast<uint32_t>(place));
  }
  if (config->visible.empty()) {
    return Status(StatusCode::kNotFound,
                  "CUDA_VISIBLE_DEVICES=\"" + *list + "\" leaves no device visible");
  }
  return Status::Ok();
}

}  // namespace

Result<std::unique_ptr<Driver>> Driver::Make() {
  FARLANE_ASSIGN(Config config, ReadConfig());
  FARLANE_TRY(config.instances == 0 ? HideDevices(&config) : ChooseInstance(&config));
  SetExecutionOptions(config.execution);
  FARLANE_ASSIGN(auto space, AddressSpace::Create(config));
  SetDeviceWindow(space->window().base(), space->window().size_bytes());
  if (config.visible_count() > 1) {
    FARLANE_TRY(FrameRights::Open());
  }
  std::unique_ptr<Driver> driver(new Driver(config, std::move(space)));
  FARLANE_TRY(driver->MakeEngines());
  driver->MakePrimaries();
  return driver;
}

Status Driver::MakeEngines() {
  if (!config_.model.has_value()) {
    return Status::Ok();
  }
  std::shared_ptr<const BusyLog> log;
  if (!config_.busy_log_path.empty()) {
    FARLANE_ASSIGN(BusyLog opened, BusyLog::Open(config_.busy_log_path));
    log = std::make_shared<const BusyLog>(std::move(opened));
  }
  for (uint32_t device = 0; device < config_.visible_count(); ++device) {
    engines_.push_back(
        std::make_unique<Engines>(space_->frame_file(), config_.PlaceOf(device), log));
  }
  return Status::Ok();
}

void Driver::MakePrimaries() {
  for (int ordinal = 0; ordinal < static_cast<int>(config_.visible_count()); ++ordinal) {
    devices_.emplace_back(config_, ordinal);
    const uint64_t handle = contexts_.Mint();
    primaries_.push_back(
        std::make_shared<Context>(handle, ordinal, true, &streams_, EnginesOf(ordinal)));
    contexts_.Set(handle, primaries_.back());
  }
}

Driver::Driver(const Config& config, std::unique_ptr<AddressSpace> space)
    : config_(config),
      space_(std::move(space)),
      memory_(std::make_unique<DeviceMemory>(space_.get(), config.visible_count())),
      host_memory_(std::make_unique<HostMemory>(space_.get())),
      virtual_memory_(std::make_unique<VirtualMemory>(space_.get())),
      allocations_(std::make_unique<TableAllocations>(space_->table())),
      pools_(std::make_unique<MemoryPools>(config.visible_count())),
      graph_source_(
          std::make_unique<GraphSource>(memory_.get(), static_cast<int>(config.visible_count()))),
      graph_memory_(std::make_unique<graph::GraphMemory>(graphs_, *graph_source_)),
      primary_states_(std::vector<Primary>(config.visible_count())) {}

CUresult Driver::Start() {
  static std::once_flag once;
  static CUresult answer = CUDA_ERROR_NOT_INITIALIZED;
  if (forked.load(std::memory_order_relaxed)) {
    return CUDA_ERROR_NOT_INITIALIZED;
  }
  std::call_once(once, [] {
    const StandardDescriptors kept_clear;
    for (const std::string& unheeded : abi::UnheededWishes()) {
      LogWarn("soft-gpu: %s", unheeded.c_str());
    }
    Result<std::unique_ptr<Driver>> made = Make();
    if (!made.ok()) {
      LogError("soft-gpu: %s", made.error().message().c_str());
      answer = CUDA_ERROR_NO_DEVICE;
      return;
    }
    pthread_atfork(nullptr, nullptr, &ForgetInChild);
    // Never deleted, see driver.h.
    Driver* const driver = std::move(made).value().release();
    SetAllocations(driver->allocations_.get());
    the_driver.store(driver, std::memory_order_release);
    answer = CUDA_SUCCESS;
  });
  return answer;
}

Driver* Driver::Get() {
  return the_driver.load(std::memory_order_acquire);
}

const Device* Driver::FindDevice(CUdevice ordinal) const {
  return ordinal >= 0 && ordinal < static_cast<int>(devices_.size())
             ? &devices_[static_cast<size_t>(ordinal)]
             : nullptr;
}

std::shared_ptr<Context> Driver::CreateContext(int device, uint32_t flags) {
  const uint64_t handle = contexts_.Mint();
  auto context = std::make_shared<Context>(handle, device, false, &streams_, EnginesOf(device));
  context->Open(context_ids_.fetch_add(1) + 1, flags);
  contexts_.Set(handle, context);
  return context;
}

std::shared_ptr<Context> Driver::CreateGreen(const ProcessorSet& processors) {
  const int device = processors.device();
  static_cast<void>(RetainPrimary(device));  // cannot fail
  ProcessorSet own = processors;
  own.Settle();
  const uint64_t handle = contexts_.Mint();
  auto green = std::make_shared<Context>(handle, primary(device), own, &streams_);
  green->Open(context_ids_.fetch_add(1) + 1, primary_flags(device));
  primary(device)->AddGreen(green);
  contexts_.Set(handle, green);
  return green;
}

void Driver::CloseGreen(const std::shared_ptr<Context>& green) {
  if (green->alive()) {
    green->Close();
    abi::DestroyContextStorage(AsHandle<CUcontext>(green->handle()));
    static_cast<void>(contexts_.Take(green->handle()));  // null: another thread was first
  }
}

CUresult Driver::RetainPrimary(int device) {
  return primary_states_.With([&](std::vector<Primary>& states) {
    Primary& state = states[static_cast<size_t>(device)];
    const std::shared_ptr<Context>& context = primary(device);
    if (state.retains++ == 0 || !context->alive()) {
      context->Open(context_ids_.fetch_add(1) + 1, state.flags);
    }
    return CUDA_SUCCESS;
  });
}

CUresult Driver::ReleasePrimary(int device) {
  const bool last = primary_states_.With([&](std::vector<Primary>& states) {
    Primary& state = states[static_cast<size_t>(device)];
    return state.retains > 0 && --state.retains == 0;
  });
  if (last) {
    CloseContext(primary(device));
  }
  // Releasing what nobody retains is an error only while the context was never opened.
  return last || primary(device)->alive() ? CUDA_SUCCESS : CUDA_ERROR_INVALID_CONTEXT;
}

void Driver::SetPrimaryFlags(int device, uint32_t flags) {
  primary_states_.With(
      [&](std::vector<Primary>& states) { states[static_cast<size_t>(device)].flags = flags; });
  primary(device)->settings().With([&](ContextSettings& settings) { settings.flags = flags; });
}

uint32_t Driver::primary_flags(int device) const {
  return primary_states_.With([&](const std::vector<Primary>& states) {
    return states[static_cast<size_t>(device)].flags;
  });
}

void Driver::CloseContext(const std::shared_ptr<Context>& context) {
  if (!context->alive()) {
    return;
  }
  for (const std::shared_ptr<Context>& green : context->greens()) {
    CloseGreen(green);
  }
  context->Close();
  abi::DestroyContextStorage(AsHandle<CUcontext>(context->handle()));
  for (const std::shared_ptr<Module>& module : modules_.All()) {
    if (module->context() == context) {
      UnloadModule(module);
    }
  }
  for (const std::shared_ptr<Library>& library : libraries_.All()) {
    library->modules().With(
        [&](Library::Modules& modules) { modules.by_context.erase(context->handle()); });
  }
  for (const std::shared_ptr<Event>& event : events_.All()) {
    if (event->context() == context) {
      static_cast<void>(events_.Take(event->handle()));  // null if it was destroyed just now
    }
  }
  textures_.ForgetContext(context->handle());
  references_.TakeIf(
      [&context](const Reference& reference) { return reference.context() == context->handle(); });
  arrays_.ForgetContext(context->handle());
  for (const MemoryRange& range : space_->table().OfContext(context->handle())) {
    graph_memory_->Forget(range.base);
  }
  memory_->FreeContext(context->handle());
  opened_memory_.ForgetContext(context->handle());
  host_memory_->FreeContext(context->handle());
  if (!context->primary()) {
    static_cast<void>(contexts_.Take(context->handle()));
  }
}

}  // namespace farlane::soft

// SPDX-License-Identifier: Apache-2.0
// A program that really runs: the driver's view of exec's Program.
#include <cstring>

#include "protocol/base/log.h"
#include "soft-gpu/device/kernel_program.h"
#include "soft-gpu/exec/program.h"

namespace farlane::soft {
namespace {

// Thread: any; the allocator guards itself.
class DevicePlaces final : public GlobalPlaces {
 public:
  explicit DevicePlaces(const ProgramPlace& place) : place_(place) {}

  Result<uint64_t> Allocate(uint64_t size_bytes, uint64_t align_bytes) override {
    AllocationRequest request;
    request.device = place_.device;
    request.context = place_.context;
    request.size_bytes = size_bytes;
    request.align_bytes = align_bytes;
    request.kind = MemoryKind::kGlobal;
    uint64_t address = 0;
    if (place_.memory->Allocate(request, &address) != CUDA_SUCCESS) {
      return Status(
          StatusCode::kExhausted,
          std::to_string(size_bytes) + " bytes of device memory for variables are not there");
    }
    // Blocks are used again and again; only fresh frames are empty.
    std::memset(reinterpret_cast<void*>(address), 0, size_bytes);
    return address;
  }

  void Free(uint64_t address) override {
    if (place_.memory->Free(address, {MemoryKind::kGlobal}) != CUDA_SUCCESS) {
      LogError("soft-gpu: a module gives back memory that it does not have");
    }
  }

 private:
  ProgramPlace place_;
};

KernelFacts FactsOf(const KernelInfo& info) {
  KernelFacts facts;
  facts.name = info.name;
  for (const KernelParameter& parameter : info.parameters) {
    facts.parameters.push_back({parameter.offset_bytes, parameter.size_bytes});
  }
  facts.parameter_bytes = info.parameter_bytes;
  facts.registers = info.registers;
  facts.threads_max = info.threads_max;
  return facts;
}

CUresult ResultOf(const Status& status) {
  switch (status.code()) {
    case StatusCode::kOk:
      return CUDA_SUCCESS;
    case StatusCode::kUnsupported:
      return CUDA_ERROR_NOT_SUPPORTED;
    case StatusCode::kExhausted:
      return CUDA_ERROR_OUT_OF_MEMORY;
    case StatusCode::kNotFound:
      return CUDA_ERROR_NOT_FOUND;
    default:
      return CUDA_ERROR_INVALID_PTX;
  }
}

CUresult ResultOf(Fault fault) {
  switch (fault) {
    case Fault::kNone:
      return CUDA_SUCCESS;
    case Fault::kIllegalAddress:
      return CUDA_ERROR_ILLEGAL_ADDRESS;
    case Fault::kMisaligned:
      return CUDA_ERROR_MISALIGNED_ADDRESS;
    case Fault::kTrap:
      return CUDA_ERROR_LAUNCH_FAILED;
    case Fault::kAssert:
      return CUDA_ERROR_ASSERT;
    case Fault::kStackOverflow:
      return CUDA_ERROR_HARDWARE_STACK_ERROR;
    case Fault::kIllegalInstruction:
      return CUDA_ERROR_ILLEGAL_INSTRUCTION;
    case Fault::kUnsupported:
      return CUDA_ERROR_NOT_SUPPORTED;
  }
  return CUDA_ERROR_UNKNOWN;
}

// Thread: any; exec's program guards itself.
class JitProgram final : public KernelProgram {
 public:
  JitProgram(std::unique_ptr<DevicePlaces> places, std::unique_ptr<Program> program)
      : places_(std::move(places)), program_(std::move(program)) {
    for (const KernelInfo& info : program_->kernels()) {
      kernels_.push_back(FactsOf(info));
    }
    for (const GlobalInfo& info : program_->globals()) {
      variables_.push_back({info.name, info.address, info.size_bytes, info.constant, info.managed});
    }
  }

  std::span<const KernelFacts> kernels() const override { return kernels_; }

  std::span<const VariableFacts> variables() const override { return variables_; }

  Outcome Prepare(uint32_t kernel) override {
    const Status prepared = program_->Prepare(kernel);
    return {ResultOf(prepared), prepared.message()};
  }

  KernelMemory MemoryOf(uint32_t kernel) override {
    const Result<KernelSizes> sizes = program_->Measure(kernel);
    if (!sizes.ok()) {
      return {};  // a launch will say why
    }
    return {sizes->static_shared_bytes, sizes->local_bytes};
  }

  uint32_t compiled_count() const override { return program_->compiled_count(); }

  bool runs() const override { return true; }

  Outcome Launch(uint32_t kernel,
                 const GridShape& shape,
                 std::span<const std::byte> parameters) override {
    LaunchShape launch;
    for (size_t i = 0; i < 3; ++i) {
      launch.grid[i] = shape.grid[i];
      launch.block[i] = shape.block[i];
    }
    launch.dynamic_shared_bytes = shape.dynamic_shared_bytes;
    launch.cooperative = shape.cooperative;
    LaunchOutcome outcome = program_->Launch(kernel, launch, parameters);
    return {ResultOf(outcome.fault), std::move(outcome.detail)};
  }

 private:
  std::unique_ptr<DevicePlaces> places_;  // before the program: that frees into it
  std::unique_ptr<Program> program_;
  std::vector<KernelFacts> kernels_;
  std::vector<VariableFacts> variables_;
};

}  // namespace

LoadedProgram LoadJitProgram(const CodeImage& code, const ProgramPlace& place) {
  auto places = std::make_unique<DevicePlaces>(place);
  Result<std::unique_ptr<Program>> program = Program::Load(code.ptx, *places);
  if (!program.ok()) {
    return {{ResultOf(program.error()), program.error().message()}, nullptr};
  }
  return {{}, std::make_unique<JitProgram>(std::move(places), std::move(program).value())};
}

}  // namespace farlane::soft

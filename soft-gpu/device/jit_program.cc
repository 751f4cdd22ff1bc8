// SPDX-License-Identifier: Apache-2.0
// A program that really runs: the driver's view of exec's Program.
#include "soft-gpu/device/device_places.h"
#include "soft-gpu/device/kernel_program.h"
#include "soft-gpu/device/references.h"
#include "soft-gpu/exec/conditions.h"
#include "soft-gpu/exec/program.h"

namespace farlane::soft {
namespace {

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
    case StatusCode::kMismatch:
      return CUDA_ERROR_UNSUPPORTED_PTX_VERSION;
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
    case Fault::kInvalidCall:
      return CUDA_ERROR_INVALID_PC;
    case Fault::kUnsupported:
      return CUDA_ERROR_NOT_SUPPORTED;
    case Fault::kStopped:
      return CUDA_ERROR_CONTEXT_IS_DESTROYED;
    case Fault::kTimeout:
      return CUDA_ERROR_LAUNCH_TIMEOUT;
  }
  return CUDA_ERROR_UNKNOWN;
}

// Thread: any; exec's program guards itself.
class JitProgram final : public KernelProgram {
 public:
  JitProgram(std::unique_ptr<DevicePlaces> places,
             std::unique_ptr<Program> program,
             std::shared_ptr<ContextHeap> heap)
      : places_(std::move(places)), program_(std::move(program)), heap_(std::move(heap)) {
    for (const KernelInfo& info : program_->kernels()) {
      kernels_.push_back(FactsOf(info));
    }
    for (const GlobalInfo& info : program_->globals()) {
      variables_.push_back({info.name, info.address, info.size_bytes, info.constant, info.managed});
    }
    for (const ReferenceInfo& info : program_->references()) {
      references_.push_back({info.name, info.variable, info.is_surface});
    }
  }

  std::span<const KernelFacts> kernels() const override { return kernels_; }

  std::span<const VariableFacts> variables() const override { return variables_; }

  std::span<const ReferenceFacts> references() const override { return references_; }

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

  uint32_t compiled_count() const override {
    return program_->compiled_count() + program_->found_count();
  }

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
    launch.stack_bytes = shape.stack_bytes;
    launch.rights = shape.rights;
    launch.cooperative = shape.cooperative;
    launch.processors = shape.processors;
    launch.processors_there = shape.processors_there;
    launch.owner = places_->context();
    launch.conditions = Conditions::OfThread();
    if (shape.references != nullptr) {
      launch.references = shape.references->numbers;
    }
    launch.heap = heap_ == nullptr ? nullptr : &heap_->heap();
    LaunchOutcome outcome = program_->Launch(kernel, launch, parameters);
    return {ResultOf(outcome.fault), std::move(outcome.detail)};
  }

 private:
  std::unique_ptr<DevicePlaces> places_;  // before the program: that frees into it
  std::unique_ptr<Program> program_;
  std::shared_ptr<ContextHeap> heap_;  // the context's, and of each of its programs
  std::vector<KernelFacts> kernels_;
  std::vector<VariableFacts> variables_;
  std::vector<ReferenceFacts> references_;
};

}  // namespace

LoadedProgram LoadJitProgram(const CodeImage& code, const ProgramPlace& place) {
  auto places = std::make_unique<DevicePlaces>(*place.memory, place.device, place.context);
  Result<std::unique_ptr<Program>> program = Program::Load(code.ptx, *places);
  if (!program.ok()) {
    return {{ResultOf(program.error()), program.error().message()}, nullptr};
  }
  return {{},
          std::make_unique<JitProgram>(std::move(places), std::move(program).value(), place.heap)};
}

}  // namespace farlane::soft

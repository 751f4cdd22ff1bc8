// SPDX-License-Identifier: Apache-2.0
// The programs of null mode: names, layouts and variables are real, kernels do nothing.
#include <algorithm>
#include <cstring>

#include "soft-gpu/device/kernel_program.h"

namespace farlane::soft {
namespace {

KernelFacts FactsOf(const abi::KernelLayout& layout) {
  KernelFacts facts;
  facts.name = layout.name;
  facts.parameters = layout.parameters;
  facts.parameter_bytes = layout.parameter_bytes;
  return facts;
}

// A program that could run, but does not.
// Thread: any; the program within guards itself.
class IdleProgram final : public KernelProgram {
 public:
  explicit IdleProgram(std::unique_ptr<KernelProgram> program) : program_(std::move(program)) {}

  std::span<const KernelFacts> kernels() const override { return program_->kernels(); }

  std::span<const VariableFacts> variables() const override { return program_->variables(); }

  std::span<const ReferenceFacts> references() const override { return program_->references(); }

  Outcome Prepare(uint32_t) override { return {}; }

  KernelMemory MemoryOf(uint32_t kernel) override { return program_->MemoryOf(kernel); }

  uint32_t compiled_count() const override { return program_->compiled_count(); }

  bool runs() const override { return false; }

  Outcome Launch(uint32_t, const GridShape&, std::span<const std::byte>) override { return {}; }

 private:
  std::unique_ptr<KernelProgram> program_;
};

// What is known of machine code without running it.
// Thread: immutable once loaded.
class CubinProgram final : public KernelProgram {
 public:
  CubinProgram(std::vector<KernelFacts> kernels, const ProgramPlace& place)
      : kernels_(std::move(kernels)), place_(place) {}

  ~CubinProgram() override {
    for (const VariableFacts& variable : variables_) {
      // Fails only where the context is gone, and its memory with it.
      static_cast<void>(place_.memory->Free(variable.address, {MemoryKind::kGlobal}));
    }
  }

  CUresult AddVariable(const abi::ModuleVariable& variable, const InitialValues& values) {
    AllocationRequest request;
    request.device = place_.device;
    request.context = place_.context;
    request.size_bytes = std::max<uint64_t>(variable.bytes, 1);
    request.kind = MemoryKind::kGlobal;
    VariableFacts facts;
    const CUresult result = place_.memory->Allocate(request, &facts.address);
    if (result != CUDA_SUCCESS) {
      return result;
    }
    // Blocks are used again and again; only fresh frames are empty.
    auto* const memory = reinterpret_cast<std::byte*>(facts.address);
    std::memset(memory, 0, request.size_bytes);
    if (const auto value = values.find(variable.name); value != values.end()) {
      std::copy_n(value->second.data(), std::min(value->second.size(), variable.bytes), memory);
    }
    facts.name = variable.name;
    facts.size_bytes = variable.bytes;
    facts.constant = variable.space == abi::VariableSpace::kConstant;
    facts.managed = variable.managed;
    variables_.push_back(std::move(facts));
    return CUDA_SUCCESS;
  }

  std::span<const KernelFacts> kernels() const override { return kernels_; }

  std::span<const VariableFacts> variables() const override { return variables_; }

  // Machine code does not name them where they could be read.
  std::span<const ReferenceFacts> references() const override { return {}; }

  Outcome Prepare(uint32_t) override { return {}; }

  KernelMemory MemoryOf(uint32_t) override { return {}; }

  uint32_t compiled_count() const override { return 0; }

  bool runs() const override { return false; }

  Outcome Launch(uint32_t, const GridShape&, std::span<const std::byte>) override { return {}; }

 private:
  std::vector<KernelFacts> kernels_;
  std::vector<VariableFacts> variables_;
  ProgramPlace place_;
};

}  // namespace

LoadedProgram LoadNullProgram(const CodeImage& code, const ProgramPlace& place) {
  if (!code.ptx.empty()) {
    LoadedProgram loaded = LoadJitProgram(code, place);
    if (loaded.program != nullptr) {
      loaded.program = std::make_unique<IdleProgram>(std::move(loaded.program));
    }
    // Of PTX that is too new to be understood nothing is run either: its index is enough.
    if (loaded.outcome.result != CUDA_ERROR_UNSUPPORTED_PTX_VERSION) {
      return loaded;
    }
  }
  std::vector<KernelFacts> kernels;
  for (const abi::KernelLayout& layout : code.index.kernels) {
    kernels.push_back(FactsOf(layout));
  }
  auto program = std::make_unique<CubinProgram>(std::move(kernels), place);
  for (const abi::ModuleVariable& variable : code.index.variables) {
    const CUresult result = program->AddVariable(variable, code.values);
    if (result != CUDA_SUCCESS) {
      return {{result, "no device memory is left for variable " + variable.name}, nullptr};
    }
  }
  return {{}, std::move(program)};
}

}  // namespace farlane::soft

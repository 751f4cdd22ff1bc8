// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/exec/program.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <iterator>
#include <optional>
#include <utility>

#include "protocol/base/bytes.h"
#include "protocol/base/guarded.h"
#include "soft-gpu/exec/block_threads.h"
#include "soft-gpu/exec/code_cache.h"
#include "soft-gpu/exec/device_heap.h"
#include "soft-gpu/exec/frame_rights.h"
#include "soft-gpu/exec/grid.h"
#include "soft-gpu/exec/options.h"
#include "soft-gpu/exec/running_grids.h"
#include "soft-gpu/exec/runtime.h"
#include "soft-gpu/exec/worker_pool.h"
#include "soft-gpu/jit/jit_engine.h"
#include "soft-gpu/jit/kernel_source.h"
#include "soft-gpu/ptx/parser.h"
#include "soft-gpu/ptx/register_estimate.h"
#include "soft-gpu/ptx/survey.h"

namespace farlane::soft {
namespace {

constexpr uint64_t kSharedBytesMax = 227_KiB;
constexpr uint64_t kGridWorkspaceBytes = 256;

uint32_t ThreadsMax(const ptx::FunctionDirectives& directives) {
  const ptx::Extent& extent = directives.reqntid[0] != 0 ? directives.reqntid : directives.maxntid;
  const uint64_t product = uint64_t{extent[0]} * extent[1] * extent[2];
  return product == 0 ? kBlockThreadsMax
                      : static_cast<uint32_t>(std::min<uint64_t>(product, kBlockThreadsMax));
}

KernelInfo Describe(const ptx::Module& module, const ptx::Function& function) {
  KernelInfo info;
  info.name = std::string(function.name);
  const std::vector<uint64_t> offsets = jit::LayoutParameters(function);
  for (size_t i = 0; i < function.parameters.size(); ++i) {
    info.parameters.push_back({static_cast<uint32_t>(offsets[i]),
                               static_cast<uint32_t>(function.parameters[i].SizeOf())});
  }
  info.parameter_bytes = static_cast<uint32_t>(offsets.back());
  info.threads_max = ThreadsMax(function.directives);
  info.ptx_version = module.version_major * 10u + module.version_minor;
  return info;
}

// Addresses for a program's functions that no other program of this process has: a call through a
// pointer from elsewhere then fails instead of reaching a wrong function.
uint64_t TakeFunctionAddresses(size_t count) {
  static std::atomic<uint64_t> next{jit::kFunctionStrideBytes};
  return next.fetch_add(count * jit::kFunctionStrideBytes, std::memory_order_relaxed);
}

// One kernel, and what is known of it once somebody has asked.
struct Kernel {
  uint32_t function = 0;       // into Module::functions
  uint32_t spilled_bytes = 0;  // see RegisterEstimate
  Guarded<std::optional<KernelSizes>> sizes;
  Guarded<std::optional<KernelCode>> code;
};

// Memory in which the blocks of one cooperative grid meet.
// Thread: the launching one.
class GridWorkspace {
 public:
  explicit GridWorkspace(GlobalPlaces& places) : places_(places) {}

  GridWorkspace(const GridWorkspace&) = delete;
  GridWorkspace& operator=(const GridWorkspace&) = delete;

  ~GridWorkspace() {
    if (address_ != 0) {
      places_.Free(address_);
    }
  }

  Status Allocate() {
    FARLANE_ASSIGN(address_, places_.Allocate(kGridWorkspaceBytes, kGridWorkspaceBytes));
    return Status::Ok();
  }

  uint64_t address() const { return address_; }

 private:
  GlobalPlaces& places_;
  uint64_t address_ = 0;
};

LaunchOutcome Unrunnable(const std::string& why) {
  return {Fault::kUnsupported, why};
}

// Ok, or what is wrong with a launch.
Status CheckLaunch(const KernelInfo& info,
                   const KernelCode& code,
                   const LaunchShape& shape,
                   std::span<const std::byte> parameters) {
  const uint64_t threads = uint64_t{shape.block[0]} * shape.block[1] * shape.block[2];
  const uint64_t blocks = uint64_t{shape.grid[0]} * shape.grid[1] * shape.grid[2];
  const bool fits = std::max({shape.block[0], shape.block[1], shape.block[2]}) <= kBlockThreadsMax;
  if (threads == 0 || blocks == 0 || !fits || threads > info.threads_max) {
    return {StatusCode::kInvalidArgument, "kernel " + info.name + " runs with 1 to " +
                                              std::to_string(info.threads_max) +
                                              " threads per block, in at least one block"};
  }
  if (code.static_shared_bytes + shape.dynamic_shared_bytes > kSharedBytesMax) {
    return {StatusCode::kExhausted, "the launch of " + info.name + " wants " +
                                        std::to_string(shape.dynamic_shared_bytes) +
                                        " bytes of shared memory more than there are"};
  }
  if (parameters.size() < code.parameter_bytes) {
    return {StatusCode::kInvalidArgument,
            "the launch of " + info.name + " gives " + std::to_string(parameters.size()) + " of " +
                std::to_string(code.parameter_bytes) + " bytes of parameters"};
  }
  return Status::Ok();
}

}  // namespace

// Thread: any; the guarded members say which change.
struct Program::Contents {
  explicit Contents(GlobalPlaces& places) : globals(places) {}

  ptx::Module module;
  uint64_t functions_base = 0;
  std::optional<ptx::KernelLayouts> layouts;  // set by Load, and nothing after it
  Globals globals;
  std::vector<KernelInfo> infos;
  std::vector<std::unique_ptr<Kernel>> kernels;
  Guarded<std::unique_ptr<jit::JitEngine>> engine;  // made for the first kernel
  std::atomic<uint32_t> compiled_count{0};
  std::atomic<uint32_t> found_count{0};  // ready in the cache

  Result<jit::JitEngine*> Engine() {
    return engine.With([](auto& engine) -> Result<jit::JitEngine*> {
      if (engine == nullptr) {
        const jit::EngineOptions options{
            CodeCache::InstanceOrNull(), CurrentExecutionOptions().check,
            FrameRights::TableOrNull() != nullptr, CurrentExecutionOptions().fibers_only};
        FARLANE_ASSIGN(engine, jit::JitEngine::Create(RuntimeFunctions(), options));
      }
      return engine.get();
    });
  }

  void Survey(ptx::Survey survey) {
    // Functions whose address a body or a variable holds.
    std::vector<uint32_t> taken;
    std::set_union(survey.taken.begin(), survey.taken.end(), globals.functions().begin(),
                   globals.functions().end(), std::back_inserter(taken));
    layouts.emplace(module, std::move(survey), taken);
  }

  Status CheckIndex(uint32_t kernel) const {
    return kernel < kernels.size()
               ? Status::Ok()
               : Status(StatusCode::kNotFound, "kernel " + std::to_string(kernel) + " of " +
                                                   std::to_string(kernels.size()));
  }

  // The variables' addresses, and in the places of references the numbers that a launch brings;
  // empty where it brings none.
  std::vector<uint64_t> SymbolsOf(const LaunchShape& shape) const {
    std::vector<uint64_t> symbols;
    if (!shape.references.empty()) {
      symbols.assign(globals.addresses().begin(), globals.addresses().end());
    }
    for (const ReferenceNumber& reference : shape.references) {
      if (reference.variable < symbols.size()) {
        symbols[reference.variable] = reference.number;
      }
    }
    return symbols;
  }

  Result<jit::KernelSource> SourceOf(uint32_t kernel) const {
    return jit::CollectKernel(module, *layouts, kernels[kernel]->function);
  }

  Result<KernelSizes> Measure(uint32_t kernel) {
    FARLANE_TRY(CheckIndex(kernel));
    return kernels[kernel]->sizes.With([&](auto& sizes) -> Result<KernelSizes> {
      if (!sizes.has_value()) {
        FARLANE_ASSIGN(const ptx::KernelLayout layout, layouts->Of(kernels[kernel]->function));
        sizes = {static_cast<uint32_t>(layout.static_shared_bytes),
                 static_cast<uint32_t>(layout.local_bytes) + kernels[kernel]->spilled_bytes};
      }
      return *sizes;
    });
  }

  // ", in function f, line 12 of the PTX (file.cu:3)"; empty if the place is not known.
  std::string WhereIs(uint32_t kernel, uint64_t place) const {
    const Result<jit::KernelSource> source = SourceOf(kernel);
    const uint64_t function = place >> 32;
    const uint64_t number = (place & 0xffffffff) - 1;
    if (place == 0 || !source.ok() || function >= source->functions.size() ||
        number >= source->functions[function].body.instructions.size()) {
      return "";
    }
    const ptx::Body& body = source->functions[function].body;
    const ptx::Instruction& instruction = body.instructions[number];
    std::string where =
        ", in function " + std::string(module.functions[source->functions[function].index].name) +
        ", line " + std::to_string(jit::LineOf(module, instruction)) + " of the PTX";
    if (instruction.location == ptx::kNoIndex) {
      return where;
    }
    const ptx::SourceLocation& location = body.locations[instruction.location];
    for (const ptx::SourceFile& file : module.files) {
      if (file.index == location.file) {
        where += " (" + std::string(file.name) + ":" + std::to_string(location.line) + ")";
      }
    }
    return where;
  }

  // A kernel must not find 0 where it expects a variable.
  Status CheckVariables(const jit::KernelSource& source) const {
    for (const uint32_t variable : source.global_variables) {
      const std::string_view problem = globals.ProblemOf(variable);
      if (!problem.empty()) {
        return {StatusCode::kUnsupported, "variable " +
                                              std::string(module.variables[variable].name) + " " +
                                              std::string(problem)};
      }
    }
    return Status::Ok();
  }

  Result<KernelCode> Compile(uint32_t kernel) {
    FARLANE_ASSIGN(jit::KernelSource source, SourceOf(kernel));
    FARLANE_TRY(CheckVariables(source));
    FARLANE_ASSIGN(jit::JitEngine* const compiler, Engine());
    KernelCode code;
    FARLANE_ASSIGN(code.routine, compiler->Compile(source));
    code.parameter_bytes = source.parameter_bytes;
    code.static_shared_bytes = source.layout.static_shared_bytes;
    code.local_bytes = source.layout.local_bytes;
    code.needs_stack = source.layout.needs_stack;
    code.functions_base = functions_base;
    code.uses_heap = source.uses_heap;
    code.symbols = globals.addresses().data();
    code.uses_grid_workspace = source.uses_grid_workspace;
    (code.routine.was_kept ? found_count : compiled_count).fetch_add(1, std::memory_order_relaxed);
    return code;
  }

  // The code, compiled now if it has not been yet; it stays where it is.
  Result<const KernelCode*> CodeOf(uint32_t kernel) {
    FARLANE_TRY(CheckIndex(kernel));
    return kernels[kernel]->code.With([&](auto& code) -> Result<const KernelCode*> {
      if (!code.has_value()) {
        FARLANE_ASSIGN(code, Compile(kernel).While("compiling kernel " + infos[kernel].name));
      }
      return &*code;
    });
  }
};

Program::Program(std::unique_ptr<Contents> contents) : contents_(std::move(contents)) {}

Program::~Program() = default;

Result<std::unique_ptr<Program>> Program::Load(std::string ptx_text, GlobalPlaces& places) {
  auto contents = std::make_unique<Contents>(places);
  FARLANE_ASSIGN(contents->module, ptx::ParseModule(std::move(ptx_text)));
  const ptx::Module& module = contents->module;
  FARLANE_ASSIGN(ptx::Survey survey, ptx::SurveyModule(module));
  contents->functions_base = TakeFunctionAddresses(module.functions.size());
  FARLANE_TRY(contents->globals.Place(module, contents->functions_base));
  contents->Survey(std::move(survey));
  const ptx::RegisterEstimate registers(module, contents->layouts->survey(),
                                        contents->layouts->graph());
  for (uint32_t i = 0; i < module.functions.size(); ++i) {
    const ptx::Function& function = module.functions[i];
    if (function.is_entry && function.has_body) {
      contents->infos.push_back(Describe(module, function));
      contents->kernels.push_back(std::make_unique<Kernel>());
      contents->kernels.back()->function = i;
      const ptx::RegisterNeed need = registers.Of(i);
      contents->infos.back().registers = need.registers;
      contents->kernels.back()->spilled_bytes = need.spilled_bytes;
    }
  }
  return std::unique_ptr<Program>(new Program(std::move(contents)));
}

std::span<const KernelInfo> Program::kernels() const {
  return contents_->infos;
}

std::span<const GlobalInfo> Program::globals() const {
  return contents_->globals.infos();
}

std::span<const ReferenceInfo> Program::references() const {
  return contents_->globals.references();
}

Result<KernelSizes> Program::Measure(uint32_t kernel) {
  return contents_->Measure(kernel);
}

uint32_t Program::compiled_count() const {
  return contents_->compiled_count.load(std::memory_order_relaxed);
}

uint32_t Program::found_count() const {
  return contents_->found_count.load(std::memory_order_relaxed);
}

Status Program::Prepare(uint32_t kernel) {
  return ToStatus(contents_->CodeOf(kernel));
}

LaunchOutcome Program::Launch(uint32_t kernel,
                              const LaunchShape& shape,
                              std::span<const std::byte> parameters) {
  Result<const KernelCode*> code = contents_->CodeOf(kernel);
  if (!code.ok()) {
    return Unrunnable(code.error().message());
  }
  const KernelCode& ready = **code;
  const Status checked = CheckLaunch(contents_->infos[kernel], ready, shape, parameters);
  if (!checked.ok()) {
    return Unrunnable(checked.message());
  }
  if (ready.uses_heap && shape.heap != nullptr) {
    if (const Status opened = shape.heap->Open(); !opened.ok()) {
      return Unrunnable(opened.message());
    }
  }
  GridWorkspace workspace(contents_->globals.places());
  if (shape.cooperative && ready.uses_grid_workspace) {
    if (const Status allocated = workspace.Allocate(); !allocated.ok()) {
      return Unrunnable(allocated.message());
    }
  }
  const std::vector<uint64_t> symbols = contents_->SymbolsOf(shape);
  KernelCode bound = ready;
  bound.symbols = symbols.empty() ? ready.symbols : symbols.data();
  Grid grid(bound, shape, parameters, workspace.address());
  {
    const RunningGrids::Entry running(grid);
    WorkerPool::Instance().Run(grid);
  }
  const std::string text = grid.TakeText();
  if (!text.empty()) {
    // Through the process's own buffer, so that it keeps its place among what the program prints.
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
  }
  LaunchOutcome outcome = grid.outcome();
  outcome.detail += contents_->WhereIs(kernel, outcome.place);
  if (outcome.fault == Fault::kAssert) {
    std::fprintf(stderr, "%s\n", outcome.detail.c_str());
  }
  return outcome;
}

}  // namespace farlane::soft

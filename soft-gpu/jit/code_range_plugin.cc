// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/jit/code_range_plugin.h"

#include <algorithm>

namespace farlane::soft::jit {
namespace {

llvm::Error NoteCode(const llvm::jitlink::LinkGraph& graph, CodeRange* range) {
  // Only what the compiler wrote as code: stubs to the runtime lie elsewhere.
  for (const llvm::jitlink::Section& section : graph.sections()) {
    if (section.getName() != ".text") {
      continue;
    }
    const llvm::jitlink::SectionRange text(section);
    *range = {text.getStart().getValue(), text.getEnd().getValue()};
  }
  return llvm::Error::success();
}

// Thread: whichever loads; the engine loads one object at a time.
class CodeRangePlugin final : public llvm::orc::ObjectLinkingLayer::Plugin {
 public:
  explicit CodeRangePlugin(CodeRange* last) : last_(last) {}

  void modifyPassConfig(llvm::orc::MaterializationResponsibility&,
                        llvm::jitlink::LinkGraph&,
                        llvm::jitlink::PassConfiguration& passes) override {
    passes.PostAllocationPasses.push_back(
        [last = last_](llvm::jitlink::LinkGraph& graph) { return NoteCode(graph, last); });
  }

  llvm::Error notifyFailed(llvm::orc::MaterializationResponsibility&) override {
    return llvm::Error::success();
  }

  llvm::Error notifyRemovingResources(llvm::orc::JITDylib&, llvm::orc::ResourceKey) override {
    return llvm::Error::success();
  }

  void notifyTransferringResources(llvm::orc::JITDylib&,
                                   llvm::orc::ResourceKey,
                                   llvm::orc::ResourceKey) override {}

 private:
  CodeRange* last_;
};

}  // namespace

std::unique_ptr<llvm::orc::ObjectLinkingLayer::Plugin> MakeCodeRangePlugin(CodeRange* last) {
  return std::make_unique<CodeRangePlugin>(last);
}

}  // namespace farlane::soft::jit

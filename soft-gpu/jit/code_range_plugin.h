// SPDX-License-Identifier: Apache-2.0
// The code range plug-in tells where the instructions of an object lie once it is loaded.
#pragma once

#include <memory>

#include <llvm/ExecutionEngine/Orc/ObjectLinkingLayer.h>

#include "soft-gpu/jit/jit_engine.h"

namespace farlane::soft::jit {

// Writes the range of each object to `*last` while the object is loaded.
std::unique_ptr<llvm::orc::ObjectLinkingLayer::Plugin> MakeCodeRangePlugin(CodeRange* last);

}  // namespace farlane::soft::jit

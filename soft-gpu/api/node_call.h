// SPDX-License-Identifier: Apache-2.0
// Nodes that the program describes by itself, as commands that graphs keep.
#pragma once

#include <optional>

#include "soft-gpu/api/call.h"

namespace farlane::soft {

// A description; none where the program passed no pointer.
using NodeDescription = std::optional<CUgraphNodeParams>;

// The command of a node of its own.
CUresult MakeCommand(const CUgraphNodeParams& description,
                     const graph::Attributes& attributes,
                     graph::CommandPtr* made);
// In place of the command that a node has, whose kind it must be.
CUresult MakeReplacement(const graph::CommandPtr& old,
                         const NodeDescription& description,
                         graph::CommandPtr* made);
// The command of a node that allocates or frees; an allocation's address is written into its
// description.
CUresult MakeMemoryCommand(const ContextCall& call,
                           const graph::NodePlace& place,
                           CUgraphNodeParams* description,
                           graph::CommandPtr* made);
// A node that only has a place.
graph::CommandPtr BareCommand(const CUgraphNodeParams& description);

// What nodes that a capture records do, in the words of a program that asks.
graph::NodeParamsPtr ParamsOfKernel(const FunctionUse& use,
                                    const CUgraphNodeParams& value,
                                    const std::vector<std::byte>& packed,
                                    bool cooperative);

}  // namespace farlane::soft

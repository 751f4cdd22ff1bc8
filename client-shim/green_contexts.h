// SPDX-License-Identifier: Apache-2.0
// Green contexts: some processors of a device, and streams that have those alone. Memory, modules
// and events made in one belong to the device's primary context, its home, and outlive it. Here a
// green context and the context that stands for it have one handle.
// What a program holds as a resource is a mark by which the server finds the driver's own.
#pragma once

#include "client-shim/object_scopes.h"

namespace farlane::shim {

// The processors of a context, or of a device where `context` is 0.
CUresult TellResource(Session& session,
                      int32_t device,
                      wire::Handle context,
                      CUdevResourceType type,
                      CUdevResource* resource);

// Where a split puts what it makes. `groups`: how many there is room for, then how many there are.
// Without `parts` it is only said how many there would be.
struct SplitTarget {
  CUdevResource* parts_or_null = nullptr;
  unsigned int* groups = nullptr;
  CUdevResource* rest_or_null = nullptr;
};

CUresult SplitResource(const SplitTarget& target,
                       const CUdevResource& input,
                       unsigned int flags,
                       unsigned int minimum);
CUresult DescribeResources(const CUdevResource* resources, unsigned int count, uint64_t* made);

CUresult CreateGreenContext(const DeviceScope& scope,
                            int32_t device,
                            CUdevResourceDesc description,
                            unsigned int flags,
                            uint64_t* made);
CUresult DestroyGreenContext(const GreenScope& scope);
// As a context that can be current.
CUresult GiveGreenContext(const GreenScope& scope, uint64_t* made);
CUresult CreateGreenStream(const GreenScope& scope,
                           unsigned int flags,
                           int priority,
                           CUstream* stream);

}  // namespace farlane::shim

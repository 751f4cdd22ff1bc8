// SPDX-License-Identifier: Apache-2.0
// Things of the program that live as long as graphs.
#include "soft-gpu/api/call.h"
#include "soft-gpu/bodies.h"

namespace farlane::soft {

CUresult cuUserObjectCreate(CUuserObject* object_out,
                            void* ptr,
                            CUhostFn destroy,
                            unsigned int initialRefcount,
                            unsigned int flags) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  return call.driver->user_objects().Create(destroy, ptr, initialRefcount, flags, object_out);
}

CUresult cuUserObjectRetain(CUuserObject object, unsigned int count) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  return call.driver->user_objects().Retain(object, count);
}

CUresult cuUserObjectRelease(CUuserObject object, unsigned int count) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  return call.driver->user_objects().Release(object, count);
}

CUresult cuGraphRetainUserObject(CUgraph graph,
                                 CUuserObject object,
                                 unsigned int count,
                                 unsigned int flags) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  return call.driver->graphs().RetainObject(HandleNumber(graph),
                                            call.driver->user_objects().Find(object), count, flags);
}

CUresult cuGraphReleaseUserObject(CUgraph graph, CUuserObject object, unsigned int count) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  return call.driver->graphs().ReleaseObject(HandleNumber(graph),
                                             call.driver->user_objects().Find(object), count);
}

}  // namespace farlane::soft

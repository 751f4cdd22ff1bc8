// SPDX-License-Identifier: Apache-2.0
// The log of calls that failed.
#include "protocol/abi/error_log.h"
#include "soft-gpu/bodies.h"

namespace farlane::soft {

CUresult cuLogsRegisterCallback(CUlogsCallback callbackFunc,
                                void* userData,
                                CUlogsCallbackHandle* callback_out) {
  return abi::ErrorLog::Get().Register(callbackFunc, userData, callback_out);
}

CUresult cuLogsUnregisterCallback(CUlogsCallbackHandle callback) {
  return abi::ErrorLog::Get().Unregister(callback);
}

CUresult cuLogsCurrent(CUlogIterator* iterator_out, unsigned int flags) {
  return iterator_out == nullptr || flags != 0 ? CUDA_ERROR_INVALID_VALUE
                                               : abi::ErrorLog::Get().Current(iterator_out);
}

CUresult cuLogsDumpToFile(CUlogIterator* iterator, const char* pathToFile, unsigned int flags) {
  return pathToFile == nullptr || flags != 0
             ? CUDA_ERROR_INVALID_VALUE
             : abi::ErrorLog::Get().DumpToFile(iterator, pathToFile);
}

CUresult cuLogsDumpToMemory(CUlogIterator* iterator,
                            char* buffer,
                            size_t* size,
                            unsigned int flags) {
  return buffer == nullptr || size == nullptr || flags != 0
             ? CUDA_ERROR_INVALID_VALUE
             : abi::ErrorLog::Get().DumpToMemory(iterator, buffer, size);
}

}  // namespace farlane::soft

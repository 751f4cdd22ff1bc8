// SPDX-License-Identifier: Apache-2.0
// Loading code: an image of the program is reduced to what the server's GPUs can use, named, and
// sent only if the server does not have it. What comes back describes every kernel, so that
// launches need no more questions.
#pragma once

#include <string_view>

#include "client-shim/loaded_module.h"
#include "client-shim/session.h"

namespace farlane::shim {

// Where the loader's messages go, as the program asked by JIT options.
struct JitLogs {
  char* info = nullptr;
  uint64_t info_bytes = 0;
  char* error = nullptr;
  uint64_t error_bytes = 0;

  // Understands the options that ask for logs; others tune a compiler that is not here and are left
  // to it.
  static CUresult FromOptions(unsigned count,
                              const CUjit_option* options,
                              void* const* values,
                              JitLogs* logs);
  static void Report(unsigned count,
                     const CUjit_option* options,
                     void** values,
                     std::string_view log,
                     const JitLogs& logs);
};

// Loads from the program's pointer, which has no size. `context` is 0 for a library.
CUresult LoadImage(Session& session,
                   wire::Handle context,
                   int32_t device,
                   const void* image,
                   unsigned options_count,
                   CUjit_option* options,
                   void** option_values,
                   wire::Handle* module);
// Reads the whole file first.
CUresult LoadImageFile(Session& session,
                       wire::Handle context,
                       int32_t device,
                       const char* path,
                       unsigned options_count,
                       CUjit_option* options,
                       void** option_values,
                       wire::Handle* module);
CUresult UnloadImage(Session& session, wire::Handle handle);

// Null for a handle that is none.
std::shared_ptr<LoadedModule> FindLoaded(Session& session, wire::Handle handle);
// As FindLoaded, for whoever needs what is in it: waits for the load and gives its error.
CUresult UseModule(Session& session, wire::Handle handle, std::shared_ptr<LoadedModule>* loaded);

// NOT_FOUND for a name that the image does not have.
CUresult FindFunction(Session& session,
                      wire::Handle handle,
                      const char* name,
                      wire::Handle* function);
CUresult FindGlobal(Session& session,
                    wire::Handle context,
                    int32_t device,
                    wire::Handle handle,
                    const char* name,
                    uint64_t* address,
                    uint64_t* bytes);
// The same in the current context, or for a library before there is one in the first device's
// primary one.
CUresult FindGlobalHere(
    Session& session, wire::Handle module, const char* name, uint64_t* address, uint64_t* bytes);
// A library that was loaded on one server becomes the one that stands for it on the session's,
// which is loaded now if nobody has needed it there.
CUresult BringLibraryTo(Session& session, wire::Handle* library);
// A context has ended, and with it the variables that modules and libraries had in it.
void ForgetGlobals(Session& session, wire::Handle context, int32_t device);

}  // namespace farlane::shim

// SPDX-License-Identifier: Apache-2.0
// LoadedModule is one module or library: an image on its way into the server's driver, and then
// what the server says of it. The load is sent at once and awaited by whoever first needs the
// answer, so that a program which registers much code and uses little waits for little.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "client-shim/images.h"
#include "client-shim/objects.h"
#include "protocol/channel/command_channel.h"

namespace farlane::shim {

class Session;

// Thread: any, guarded. Everything but Begin, Await and OnKernels: only after Await has said
// success.
class LoadedModule {
 public:
  using Package = std::shared_ptr<const std::vector<std::byte>>;  // shared with those who send it

  // `context` is 0 for a library, which belongs to none.
  LoadedModule(Session& session, wire::Handle context);
  ~LoadedModule();

  // Sends the load under a handle that leads here already, since the server speaks of it by that.
  // `current` helps the driver to describe a library.
  CUresult Begin(wire::Handle handle, wire::Handle current, Package image, uint32_t log_bytes);
  // What came of it; waits if nobody has yet. A failure has its line on stderr, once.
  CUresult Await();

  // What the compiler said, after Await.
  const std::string& log() const { return log_; }

  size_t kernels_count() const { return kernels_.size(); }

  // The function handle for a kernel: the same one however often it is asked for.
  wire::Handle FunctionOf(size_t kernel);
  // NOT_FOUND for a name that the image does not have.
  CUresult FindFunction(const char* name, wire::Handle* function);
  CUresult FindGlobal(
      wire::Handle context, int32_t device, const char* name, uint64_t* address, uint64_t* bytes);

  // A context has gone, and with it the variables that lay in it.
  void ForgetGlobals(wire::Handle context, int32_t device);
  // Those of a context that is gone are another's now.
  void HandOverGlobals(wire::Handle from, wire::Handle to);
  // The module itself goes: so do its functions and variables.
  void Forget();

  bool is_library() const { return context_ == 0; }

  // Of a library of a program with several servers: by what handles others know it, and what is
  // sent to those that do not know it yet.
  struct Elsewhere {
    Package package;
    std::map<uint32_t, wire::Handle> handles{};  // by the server's number
  };

  Guarded<Elsewhere>& elsewhere() { return elsewhere_; }

  // A part of the list of kernels. By whoever reads.
  wire::WireError OnKernels(const wire::ImageKernels& part);

 private:
  struct Global {
    std::string name;
    wire::Handle context = 0;  // a library has its variables once per context
    int32_t device = 0;
    uint64_t address = 0;
    uint64_t bytes = 0;
  };

  using Kernels = std::vector<std::shared_ptr<Kernel>>;

  CUresult Finish();
  void ExplainFailure(CUresult result) const;

  Session& session_;
  const wire::Handle context_;
  wire::Handle handle_ = 0;
  ImageHash hash_{};

  std::mutex awaiting_;  // not Guarded: held while the answer is awaited. Guards the next three
  channel::PendingCall pending_;
  CUresult result_ = CUDA_SUCCESS;
  std::string log_;
  std::atomic<bool> awaited_{false};

  Guarded<Kernels> arriving_;
  Guarded<Elsewhere> elsewhere_;  // held while it is posted

  // Set before awaited_, constant afterwards. The names are the kernels' own.
  Kernels kernels_;
  std::unordered_map<std::string_view, size_t> by_name_;

  std::mutex mutex_;  // not Guarded: what it guards is looked at together. Guards the next two
  std::vector<wire::Handle> functions_;  // by kernel; 0 where nobody has asked for it yet
  std::vector<Global> globals_;          // those asked for
};

}  // namespace farlane::shim

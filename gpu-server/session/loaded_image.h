// SPDX-License-Identifier: Apache-2.0
// LoadedImage is one module or library in the driver, with what a client and a launch must know of
// its kernels. Loading it compiles code and may take seconds: never on the dispatch thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "gpu-server/driver/driver_table.h"
#include "gpu-server/memory/credit_source.h"
#include "protocol/base/bytes.h"
#include "protocol/base/guarded.h"

namespace farlane::server {

struct KernelParameter {
  uint32_t offset = 0;
  uint32_t bytes = 0;
};

struct KernelInfo {
  std::string name;
  CUfunction function = nullptr;  // of a library: its CUkernel, which launches take as well
  std::vector<KernelParameter> parameters;
  std::vector<int32_t> attributes;

  // What a launch has to bring.
  uint64_t parameter_bytes() const {
    return parameters.empty() ? 0 : uint64_t{parameters.back().offset} + parameters.back().bytes;
  }
};

struct LoadRequest {
  bool library = false;
  CUdevice device = 0;     // where there is no context: one that the client has
  uint32_t log_bytes = 0;  // how much of the compiler's log is wanted
  // Asks the ledger for the memory of the image's variables; an empty reservation says no. None:
  // they are not counted.
  std::function<Reservation(uint64_t bytes)> reserve = nullptr;
};

// Thread: any; immutable after Load, but for what Unload gives back.
class LoadedImage {
 public:
  // Opens the package (protocol/abi/module_package.h) and has the driver load it in the current
  // context. On failure nothing is left behind; `log` has what the compiler said in either case.
  static CUresult Load(const DriverTable& driver,
                       ConstBytes image,
                       const LoadRequest& request,
                       std::unique_ptr<LoadedImage>* loaded,
                       std::string* log);

  // May wait for the device. The memory of the variables is given back, whoever still has this.
  CUresult Unload(const DriverTable& driver) const;

  CUresult FindGlobal(const DriverTable& driver,
                      const std::string& name,
                      uint64_t* address,
                      uint64_t* bytes) const;

  // A module's; INVALID_HANDLE for a library.
  CUresult FindReference(const DriverTable& driver,
                         const std::string& name,
                         CUtexref* texture) const;
  CUresult FindReference(const DriverTable& driver,
                         const std::string& name,
                         CUsurfref* surface) const;

  const std::vector<KernelInfo>& kernels() const { return kernels_; }

  bool is_library() const { return library_ != nullptr; }

  // A run of kernels as the wire describes them.
  struct KernelPart {
    uint32_t first = 0;
    uint32_t count = 0;
    std::vector<std::byte> records;
  };

  // All kernels, in parts that fit a message each. False if one of them does not.
  bool EncodeKernels(std::vector<KernelPart>* parts) const;

 private:
  CUresult LoadIt(const DriverTable& driver,
                  const void* image,
                  const LoadRequest& request,
                  std::string* log);
  CUresult ListKernels(const DriverTable& driver, CUdevice device);
  CUresult Describe(const DriverTable& driver, CUdevice device, KernelInfo* kernel) const;

  CUmodule module_ = nullptr;
  CUlibrary library_ = nullptr;
  // Of the image; the driver allocates them when it loads it, and frees them when it unloads it.
  mutable Guarded<Reservation> variables_;
  std::vector<KernelInfo> kernels_;
};

}  // namespace farlane::server

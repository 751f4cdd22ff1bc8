// SPDX-License-Identifier: Apache-2.0
#include "protocol/transport/tls.h"

#include <dlfcn.h>
#include <unistd.h>

#include "protocol/base/environment.h"

namespace farlane::transport {
namespace {

constexpr char kFileName[] = "libfarlane-tls.so";
// From where the programs are to where the client's libraries are.
constexpr char kFromPrograms[] = "/../lib/farlane/client/";

std::string FolderOf(const std::string& path) {
  return path.substr(0, path.rfind('/'));
}

// Where the file lies that this code is part of. The loader knows a program only by the word that
// it was started with.
std::string OwnFolder() {
  Dl_info own{};
  if (dladdr(reinterpret_cast<void*>(&OwnFolder), &own) != 0 && own.dli_fname != nullptr &&
      std::string(own.dli_fname).find("/libcuda.so") != std::string::npos) {
    return FolderOf(own.dli_fname);
  }
  char path[4096];
  const ssize_t size = readlink("/proc/self/exe", path, sizeof path);
  return FolderOf(std::string(path, size > 0 ? static_cast<size_t>(size) : 0));
}

Result<TlsLibrary*> LoadFrom(const std::string& path) {
  void* const library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* const why = dlerror();
    return Status(StatusCode::kUnsupported,
                  std::string("TLS cannot be used here, its library does not load: ") +
                      (why != nullptr ? why : path));
  }
  const auto entry = reinterpret_cast<TlsEntry>(dlsym(library, kTlsEntry));
  TlsLibrary* const found = entry == nullptr ? nullptr : entry(kTlsInterface);
  if (found == nullptr) {
    return Status(StatusCode::kUnsupported, path + " is not of the same build as this library");
  }
  return found;
}

Result<TlsLibrary*> LoadOnce() {
  const std::string folder = OwnFolder();
  const std::string beside = folder + "/" + kFileName;
  return LoadFrom(access(beside.c_str(), F_OK) == 0 ? beside : folder + kFromPrograms + kFileName);
}

}  // namespace

TlsSettings TlsSettings::FromEnvironment() {
  // Whoever trusts a pool's authority trusts it for the pool's servers, too.
  const std::string of_pool = Environment("FARLANE_CA_FILE").value_or("");
  return {.ca_file = Environment("FARLANE_TLS_CA").value_or(of_pool),
          .cert_file = Environment("FARLANE_TLS_CERT").value_or(""),
          .key_file = Environment("FARLANE_TLS_KEY").value_or("")};
}

Result<TlsLibrary*> LoadTls() {
  static const Result<TlsLibrary*> loaded = LoadOnce();
  return loaded;
}

}  // namespace farlane::transport

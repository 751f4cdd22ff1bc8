// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/arbiter/policy_library.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <dirent.h>
#include <dlfcn.h>
#include <sys/stat.h>

#include "gpu-server/arbiter/policy_answer.h"

namespace farlane::server {
namespace {

// A name is for the log, and is no text.
constexpr size_t kNameBytesMax = 64;

bool IsName(const std::string& option) {
  return !option.empty() && std::all_of(option.begin(), option.end(), [](char one) {
    return (one >= 'a' && one <= 'z') || (one >= '0' && one <= '9') || one == '-' || one == '_';
  });
}

Result<std::string> PathOf(const std::string& option, const std::string& executable_folder) {
  if (option[0] == '/') {
    return option;
  }
  if (!IsName(option)) {
    return Status(
        StatusCode::kInvalidArgument,
        "\"" + option +
            "\" is no policy: built-in, a name, or the absolute path of a shared library");
  }
  return executable_folder + kPolicyFolder + option + ".so";
}

// It runs with all the daemon's rights: whoever may write the file may do what the daemon may.
Status CheckFile(const std::string& path) {
  struct stat found {};

  if (stat(path.c_str(), &found) != 0) {
    return Status::FromErrno(StatusCode::kNotFound, "no policy at " + path, errno);
  }
  if ((found.st_mode & S_IWOTH) != 0) {
    return Status(StatusCode::kRefused, "the policy " + path + " can be written by anybody");
  }
  return Status::Ok();
}

Status CheckTable(const farlane_policy& policy, const std::string& path) {
  if (policy.policy_bytes < sizeof(farlane_policy)) {
    return Status(StatusCode::kMismatch,
                  path + " has a table of " + std::to_string(policy.policy_bytes) +
                      " bytes; a policy's has " + std::to_string(sizeof(farlane_policy)));
  }
  if (policy.needs_minor > FARLANE_POLICY_MINOR) {
    return Status(
        StatusCode::kMismatch,
        path + " needs version " + std::to_string(FARLANE_POLICY_VERSION) + "." +
            std::to_string(policy.needs_minor) + " of the policy interface; this server has " +
            std::to_string(FARLANE_POLICY_VERSION) + "." + std::to_string(FARLANE_POLICY_MINOR));
  }
  if (policy.name == nullptr || policy.description == nullptr || policy.decide == nullptr ||
      strnlen(policy.name, kNameBytesMax) == kNameBytesMax) {
    return Status(StatusCode::kCorrupt, path + " has no name of at most " +
                                            std::to_string(kNameBytesMax - 1) +
                                            " characters, no description or no decide()");
  }
  return Status::Ok();
}

}  // namespace

size_t CountThreads() {
  size_t count = 0;
  if (DIR* const folder = opendir("/proc/self/task")) {
    while (const dirent* const entry = readdir(folder)) {
      count += entry->d_name[0] != '.' ? 1 : 0;
    }
    closedir(folder);
  }
  return count;
}

Result<PolicySeat> LoadPolicy(const std::string& option, const std::string& executable_folder) {
  if (option.empty() || option == kBuiltInPolicy.name) {
    return PolicySeat();
  }
  FARLANE_ASSIGN(const std::string path, PathOf(option, executable_folder));
  FARLANE_TRY(CheckFile(path));
  const size_t threads = CountThreads();
  void* const library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    return Status(StatusCode::kCorrupt, std::string("cannot load a policy: ") + dlerror());
  }
  if (CountThreads() != threads) {
    return Status(StatusCode::kRefused, "the policy " + path + " starts threads");
  }
  const auto* const policy =
      static_cast<const farlane_policy*>(dlsym(library, FARLANE_POLICY_SYMBOL));
  if (policy == nullptr) {
    return Status(StatusCode::kMismatch, path + " exports no " FARLANE_POLICY_SYMBOL
                                                ": it is no policy, or one for "
                                                "another version of the interface");
  }
  FARLANE_TRY(CheckTable(*policy, path));
  return PolicySeat(*policy);
}

}  // namespace farlane::server

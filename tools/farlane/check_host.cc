// SPDX-License-Identifier: Apache-2.0
#include "tools/farlane/check_host.h"

#include <climits>
#include <cstdlib>
#include <fstream>
#include <utility>

#include <gnu/libc-version.h>
#include <unistd.h>

#include "protocol/base/environment.h"
#include "protocol/base/page_guard.h"
#include "protocol/base/write_tracker.h"
#include "tools/farlane/library_facts.h"

namespace farlane::cli {
namespace {

// Where distributions and WSL put NVIDIA's driver library.
constexpr const char* kDriverPaths[] = {"/usr/lib/x86_64-linux-gnu/libcuda.so.1",
                                        "/usr/lib/aarch64-linux-gnu/libcuda.so.1",
                                        "/usr/lib64/libcuda.so.1", "/usr/lib/wsl/lib/libcuda.so.1"};

bool Exists(const std::string& path) {
  return access(path.c_str(), F_OK) == 0;
}

std::string Resolved(const std::string& path) {
  char resolved[PATH_MAX];
  return realpath(path.c_str(), resolved) != nullptr ? resolved : path;
}

// The first folder of LD_LIBRARY_PATH where a program would find a libcuda.so.1.
std::string FirstLibraryFolder(const std::string& path) {
  for (size_t start = 0; start <= path.size();) {
    const size_t end = std::min(path.find(':', start), path.size());
    const std::string folder = path.substr(start, end - start);
    if (!folder.empty() && Exists(folder + "/libcuda.so.1")) {
      return folder;
    }
    start = end + 1;
  }
  return "";
}

}  // namespace

void CheckClientLibrary(const Installation& installation, Findings* findings) {
  const std::string path = installation.ClientLibrary();
  const Result<LibraryFacts> read = ReadLibraryFacts(path);
  if (!read.ok()) {
    findings->Fail("client library", read.error().message(),
                   "build or install Farlane whole: the library belongs beside the programs, in "
                   "lib/farlane/client");
    return;
  }
  const LibraryFacts& facts = read.value();
  const std::string needs =
      std::to_string(facts.glibc_major) + "." + std::to_string(facts.glibc_minor);
  const std::string detail = path + ": " + std::to_string(facts.driver_calls_count) +
                             " driver calls, needs glibc " + needs + " (here " +
                             gnu_get_libc_version() + ")";
  int major = 0;
  int minor = 0;
  sscanf(gnu_get_libc_version(), "%d.%d", &major, &minor);
  if (facts.driver_calls_count == 0) {
    findings->Fail("client library", path + " exports no driver call", "install Farlane again");
  } else if (std::pair(facts.glibc_major, facts.glibc_minor) > std::pair(major, minor)) {
    findings->Fail("client library", detail, "build Farlane on this system, or on an older one");
  } else {
    findings->Ok("client library", detail);
  }
}

void CheckLibraryPath(const Installation& installation, Findings* findings) {
  const std::string by_hand = "farlane run sets it; without farlane run: export LD_LIBRARY_PATH=" +
                              LibraryPathStartingWith(installation.ClientFolder());
  const std::string path = Environment("LD_LIBRARY_PATH").value_or("");
  const std::string first = FirstLibraryFolder(path);
  if (!first.empty() && Resolved(first) == Resolved(installation.ClientFolder())) {
    findings->Ok("LD_LIBRARY_PATH", "programs find our library first");
  } else if (!first.empty()) {
    findings->Note("LD_LIBRARY_PATH", "programs find " + first + "/libcuda.so.1, which is not ours",
                   by_hand);
  } else {
    findings->Note("LD_LIBRARY_PATH", "names no folder with our library", by_hand);
  }
}

void CheckNvidiaDriver(Findings* findings) {
  std::ifstream file("/proc/driver/nvidia/version");
  std::string line;
  std::getline(file, line);
  for (const char* path : kDriverPaths) {
    if (!Exists(path)) {
      continue;
    }
    if (line.empty() && !Exists("/dev/dxg")) {
      findings->Note("NVIDIA driver", std::string(path) + " is here, but its kernel module is not",
                     "only a server on this machine would need it; there, load the nvidia module");
    } else {
      findings->Ok("NVIDIA driver", std::string(path) + (line.empty() ? "" : "; ") + line);
    }
    return;
  }
  findings->Ok("NVIDIA driver", "none on this machine: a private server uses the software GPU");
}

// Managed and mapped memory is right either way.
void CheckWriteTracking(Findings* findings) {
  if (CanTrackWrites()) {
    findings->Ok("managed memory", "the kernel notes which pages a program writes");
  } else {
    findings->Note("managed memory", "pages are compared, since the kernel does not note writes",
                   "slow for large managed or mapped memory; Linux 6.7 with userfaultfd allowed "
                   "does it (some containers forbid it)");
  }
  if (CanGuardPages()) {
    findings->Ok("managed memory",
                 "a program that uses it while a kernel may waits for the kernel");
  } else {
    findings->Note(
        "managed memory", "a program that uses it while a kernel may does not wait",
        "no harm where programs keep to CUDA's rules; needs vm.unprivileged_userfaultfd=1 "
        "or the right to open /dev/userfaultfd");
  }
}

}  // namespace farlane::cli

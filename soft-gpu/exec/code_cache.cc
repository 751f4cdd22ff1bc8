// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/exec/code_cache.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <filesystem>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "protocol/base/log.h"
#include "soft-gpu/exec/options.h"

namespace farlane::soft {
namespace {

constexpr char kMagic[8] = {'F', 'L', 'K', 'E', 'R', 'N', '0', '1'};
constexpr uint64_t kFileBytesMax = 64_MiB;  // no kernel's code is nearly as large
constexpr time_t kTemporarySecondsMax = 3600;
constexpr const char* kTemporaryPrefix = ".new-";

// What a file starts with.
struct Header {
  char magic[8];
  uint64_t code_bytes;
  Sha256Digest digest;  // of the code
};

std::string NameOf(const Sha256Digest& key) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string name;
  for (const uint8_t byte : key) {
    name += kDigits[byte >> 4];
    name += kDigits[byte & 15];
  }
  return name;
}

bool IsOurs(const struct stat& facts) {
  return facts.st_uid == geteuid() && (facts.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

bool ReadAll(int fd, void* to, size_t bytes) {
  auto* next = static_cast<char*>(to);
  while (bytes > 0) {
    const ssize_t got = read(fd, next, bytes);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got <= 0) {
      return false;
    }
    next += got;
    bytes -= static_cast<size_t>(got);
  }
  return true;
}

bool WriteAll(int fd, const void* from, size_t bytes) {
  const auto* next = static_cast<const char*>(from);
  while (bytes > 0) {
    const ssize_t done = write(fd, next, bytes);
    if (done < 0 && errno == EINTR) {
      continue;
    }
    if (done <= 0) {
      return false;
    }
    next += done;
    bytes -= static_cast<size_t>(done);
  }
  return true;
}

struct File {
  std::string name;
  uint64_t bytes = 0;
  timespec used{};
};

// The kept kernels of a folder. Files that a process died over are removed.
std::vector<File> List(int directory) {
  std::vector<File> files;
  DIR* const entries = fdopendir(openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (entries == nullptr) {
    return files;
  }
  while (const dirent* const entry = readdir(entries)) {
    struct stat facts {};

    const std::string name = entry->d_name;
    if (fstatat(directory, entry->d_name, &facts, AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISREG(facts.st_mode)) {
      continue;
    }
    if (name.size() == 2 * sizeof(Sha256Digest)) {
      files.push_back({name, static_cast<uint64_t>(facts.st_size), facts.st_mtim});
    } else if (name.starts_with(kTemporaryPrefix) &&
               time(nullptr) - facts.st_mtim.tv_sec > kTemporarySecondsMax) {
      unlinkat(directory, entry->d_name, 0);
    }
  }
  closedir(entries);
  return files;
}

bool WasUsedBefore(const File& a, const File& b) {
  return a.used.tv_sec != b.used.tv_sec ? a.used.tv_sec < b.used.tv_sec
                                        : a.used.tv_nsec < b.used.tv_nsec;
}

// Removes what was not used for longest until no more than `bytes_max` is left; says how much is.
uint64_t Trim(int directory, std::vector<File> files, uint64_t bytes_max) {
  uint64_t used = 0;
  for (const File& file : files) {
    used += file.bytes;
  }
  std::sort(files.begin(), files.end(), WasUsedBefore);
  for (const File& file : files) {
    if (used <= bytes_max) {
      break;
    }
    unlinkat(directory, file.name.c_str(), 0);  // another process may have been faster
    used -= file.bytes;
  }
  return used;
}

}  // namespace

CodeCache::CodeCache(Fd directory, uint64_t bytes_max)
    : directory_(std::move(directory)), bytes_max_(bytes_max) {}

Result<std::unique_ptr<CodeCache>> CodeCache::Open(const std::string& directory,
                                                   uint64_t bytes_max) {
  std::error_code failed;
  std::filesystem::create_directories(std::filesystem::path(directory).parent_path(), failed);
  if (mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
    return Status::FromErrno(StatusCode::kUnavailable, "making " + directory, errno);
  }
  Fd folder(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));

  struct stat facts {};

  if (!folder.valid() || fstat(folder.get(), &facts) != 0) {
    return Status::FromErrno(StatusCode::kUnavailable, "opening " + directory, errno);
  }
  if (!IsOurs(facts)) {
    return Status(StatusCode::kUnavailable,
                  directory + " belongs to another user, or others may write to it");
  }
  return std::unique_ptr<CodeCache>(new CodeCache(std::move(folder), bytes_max));
}

CodeCache* CodeCache::InstanceOrNull() {
  // Never destroyed: kernels may be compiled until the very end of the process.
  static CodeCache* const cache = []() -> CodeCache* {
    const ExecutionOptions& options = CurrentExecutionOptions();
    if (options.cache_directory.empty()) {
      return nullptr;
    }
    Result<std::unique_ptr<CodeCache>> opened =
        Open(options.cache_directory, options.cache_bytes_max);
    if (!opened.ok()) {
      LogInfo("soft-gpu: compiled kernels are not kept: %s", opened.error().message().c_str());
      return nullptr;
    }
    return std::move(opened).value().release();
  }();
  return cache;
}

std::optional<std::vector<std::byte>> CodeCache::Find(const Sha256Digest& key) {
  const Fd file(openat(directory_.get(), NameOf(key).c_str(),
                       O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));

  struct stat facts {};

  Header header{};
  if (!file.valid() || fstat(file.get(), &facts) != 0 || !S_ISREG(facts.st_mode) ||
      !IsOurs(facts) || !ReadAll(file.get(), &header, sizeof(header)) ||
      std::memcmp(header.magic, kMagic, sizeof(kMagic)) != 0 || header.code_bytes > kFileBytesMax ||
      static_cast<uint64_t>(facts.st_size) != sizeof(header) + header.code_bytes) {
    return std::nullopt;
  }
  std::vector<std::byte> code(header.code_bytes);
  if (!ReadAll(file.get(), code.data(), code.size()) || Sha256(code) != header.digest) {
    return std::nullopt;
  }
  futimens(file.get(), nullptr);  // just used; if that cannot be noted it goes a little early
  return code;
}

void CodeCache::Keep(const Sha256Digest& key, ConstBytes code) {
  const uint64_t bytes = sizeof(Header) + code.size();
  if (code.size() > kFileBytesMax || bytes > bytes_max_) {
    return;
  }
  MakeRoom(bytes);
  if (const Status written = Write(NameOf(key), code); !written.ok()) {
    LogDebug("soft-gpu: a compiled kernel is not kept: %s", written.message().c_str());
  }
}

Status CodeCache::Write(const std::string& name, ConstBytes code) {
  const std::string temporary = kTemporaryPrefix + std::to_string(getpid()) + "-" +
                                std::to_string(written_count_.fetch_add(1)) + "-" +
                                name.substr(0, 16);
  Header header{};
  std::memcpy(header.magic, kMagic, sizeof(kMagic));
  header.code_bytes = code.size();
  header.digest = Sha256(code);
  const Fd file(openat(directory_.get(), temporary.c_str(),
                       O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file.valid()) {
    return Status::FromErrno(StatusCode::kUnavailable, "making " + temporary, errno);
  }
  if (!WriteAll(file.get(), &header, sizeof(header)) ||
      !WriteAll(file.get(), code.data(), code.size()) ||
      renameat(directory_.get(), temporary.c_str(), directory_.get(), name.c_str()) != 0) {
    const int error = errno;
    unlinkat(directory_.get(), temporary.c_str(), 0);
    return Status::FromErrno(StatusCode::kUnavailable, "writing " + name, error);
  }
  return Status::Ok();
}

// The folder is looked through once per process, and again whenever it seems full.
void CodeCache::MakeRoom(uint64_t bytes) {
  room_.With([&](Room& room) {
    if (!room.is_known || room.used_bytes + bytes > bytes_max_) {
      // More than is needed now: the next ones want room too.
      const uint64_t kept_bytes = std::min(bytes_max_ - bytes, bytes_max_ - bytes_max_ / 8);
      room.used_bytes = Trim(directory_.get(), List(directory_.get()), kept_bytes);
      room.is_known = true;
    }
    room.used_bytes += bytes;
  });
}

}  // namespace farlane::soft

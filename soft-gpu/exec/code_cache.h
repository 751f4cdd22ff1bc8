// SPDX-License-Identifier: Apache-2.0
// CodeCache keeps compiled kernels in a folder, so that what one process has compiled no other has
// to. A file is named by the key of what is in it and carries its own digest; it appears whole or
// not at all. What is broken, foreign or writable by others is as if it were not there.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "protocol/base/fd.h"
#include "protocol/base/guarded.h"
#include "protocol/base/result.h"
#include "soft-gpu/jit/code_store.h"

namespace farlane::soft {

// Thread: any, guarded; any number of processes may use one folder.
class CodeCache final : public jit::CodeStore {
 public:
  // Makes the folder if need be. Fails if it belongs to somebody else or others may write to it.
  static Result<std::unique_ptr<CodeCache>> Open(const std::string& directory, uint64_t bytes_max);
  // The process's, by its options; null if it keeps nothing.
  static CodeCache* InstanceOrNull();

  std::optional<std::vector<std::byte>> Find(const Sha256Digest& key) override;
  void Keep(const Sha256Digest& key, ConstBytes code) override;

 private:
  struct Room {
    bool is_known = false;
    uint64_t used_bytes = 0;
  };

  CodeCache(Fd directory, uint64_t bytes_max);

  Status Write(const std::string& name, ConstBytes code);
  void MakeRoom(uint64_t bytes);

  const Fd directory_;
  const uint64_t bytes_max_;
  std::atomic<uint64_t> written_count_{0};
  Guarded<Room> room_;
};

}  // namespace farlane::soft

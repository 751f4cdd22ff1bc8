// SPDX-License-Identifier: Apache-2.0
// Safe keeps secrets in the files of a folder: only their owner can read them, and each is sealed
// (AES-256-GCM) with a key that may lie elsewhere, so that a copy of the folder alone tells nothing
// and nothing in it can be changed, or put in another one's place, without notice.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "protocol/base/result.h"

namespace farlane::pki {

// Thread: any; it does not change.
class Safe {
 public:
  static constexpr size_t kKeyBytes = 32;
  // Less than that can be guessed.
  static constexpr size_t kKeyFileBytesMin = 16;
  // The key's file in the folder, where no other is named.
  static constexpr char kKeyFile[] = "seal.key";

  // `key_file`: must be there; empty: kKeyFile in the folder, which is made if it is not there yet.
  static Result<Safe> Open(const std::string& folder, const std::string& key_file);
  // What such a safe's key is made of: whoever has it in a file can open what this one has sealed.
  static Result<std::string> ReadKey(const std::string& folder, const std::string& key_file);
  ~Safe();
  Safe(const Safe&) = default;
  Safe& operator=(const Safe&) = default;

  // In place of what is there.
  Status Keep(const std::string& name, std::string_view secret) const;

  // Nothing: there is no such file. kCorrupt: it was sealed with another key, or changed, or is not
  // sealed. Where the seal key has just been made, what lies there unsealed is of a time before
  // there was one: it is taken, and sealed.
  Result<std::optional<std::string>> Take(const std::string& name) const;

  // The same for what is kept elsewhere than in a file. kCorrupt: as above.
  Result<std::string> Seal(std::string_view name, std::string_view secret) const;
  Result<std::string> Unseal(std::string_view name, std::string_view sealed) const;

  // It is not there any more.
  void Drop(const std::string& name) const;

 private:
  using Key = std::array<uint8_t, kKeyBytes>;

  Safe(std::string folder, const Key& key, bool is_new)
      : folder_(std::move(folder)), key_(key), is_new_(is_new) {}

  std::string PathOf(const std::string& name) const { return folder_ + "/" + name; }

  std::string folder_;
  Key key_;
  bool is_new_;
};

}  // namespace farlane::pki

// SPDX-License-Identifier: Apache-2.0
#include "protocol/pki/safe.h"

#include <cerrno>
#include <cstring>
#include <memory>
#include <span>

#include <openssl/evp.h>
#include <sys/random.h>
#include <unistd.h>

#include "protocol/base/sha256.h"
#include "protocol/pki/pem.h"
#include "protocol/pki/secret_file.h"

namespace farlane::pki {
namespace {

std::string PathOfKey(const std::string& folder, const std::string& key_file) {
  return key_file.empty() ? folder + "/" + Safe::kKeyFile : key_file;
}

// A sealed file: this, the nonce, what is sealed, the tag. What is authenticated beside it is the
// file's name.
constexpr std::string_view kMark = "farlane seal 1\n";
constexpr size_t kNonceBytes = 12;
constexpr size_t kTagBytes = 16;

struct FreeCipher {
  void operator()(EVP_CIPHER_CTX* one) const { EVP_CIPHER_CTX_free(one); }
};

using Cipher = std::unique_ptr<EVP_CIPHER_CTX, FreeCipher>;

const uint8_t* Bytes(std::string_view text) {
  return reinterpret_cast<const uint8_t*>(text.data());
}

uint8_t* Bytes(std::string& text) {
  return reinterpret_cast<uint8_t*>(text.data());
}

Result<std::string> RandomBytes(size_t count) {
  std::string bytes(count, '\0');
  if (getrandom(bytes.data(), count, 0) != static_cast<ssize_t>(count)) {
    return Status::FromErrno(StatusCode::kInternal, "no random numbers", errno);
  }
  return bytes;
}

Result<std::string> SealWith(const uint8_t* key, std::string_view name, std::string_view secret) {
  FARLANE_ASSIGN(const std::string nonce, RandomBytes(kNonceBytes));
  const Cipher cipher(EVP_CIPHER_CTX_new());
  std::string sealed(secret.size(), '\0');
  std::string tag(kTagBytes, '\0');
  int some = 0;
  const bool done =
      cipher != nullptr &&
      EVP_EncryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, key, Bytes(nonce)) == 1 &&
      EVP_EncryptUpdate(cipher.get(), nullptr, &some, Bytes(name), static_cast<int>(name.size())) ==
          1 &&
      EVP_EncryptUpdate(cipher.get(), Bytes(sealed), &some, Bytes(secret),
                        static_cast<int>(secret.size())) == 1 &&
      EVP_EncryptFinal_ex(cipher.get(), nullptr, &some) == 1 &&
      EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_GET_TAG, kTagBytes, tag.data()) == 1;
  return done ? Result<std::string>(std::string(kMark) + nonce + sealed + tag)
              : Result<std::string>(OpenSslFailed("sealing a secret"));
}

// Nothing: it was not sealed so.
std::optional<std::string> UnsealWith(const uint8_t* key,
                                      std::string_view name,
                                      std::string_view file) {
  if (!file.starts_with(kMark) || file.size() < kMark.size() + kNonceBytes + kTagBytes) {
    return std::nullopt;
  }
  const std::string_view nonce = file.substr(kMark.size(), kNonceBytes);
  const std::string_view sealed =
      file.substr(kMark.size() + kNonceBytes, file.size() - kMark.size() - kNonceBytes - kTagBytes);
  std::string tag(file.substr(file.size() - kTagBytes));
  const Cipher cipher(EVP_CIPHER_CTX_new());
  std::string secret(sealed.size(), '\0');
  int some = 0;
  const bool done =
      cipher != nullptr &&
      EVP_DecryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, key, Bytes(nonce)) == 1 &&
      EVP_DecryptUpdate(cipher.get(), nullptr, &some, Bytes(name), static_cast<int>(name.size())) ==
          1 &&
      EVP_DecryptUpdate(cipher.get(), Bytes(secret), &some, Bytes(sealed),
                        static_cast<int>(sealed.size())) == 1 &&
      EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_SET_TAG, kTagBytes, tag.data()) == 1 &&
      EVP_DecryptFinal_ex(cipher.get(), nullptr, &some) == 1;
  return done ? std::optional(std::move(secret)) : std::nullopt;
}

}  // namespace

Result<std::string> Safe::ReadKey(const std::string& folder, const std::string& key_file) {
  const std::string path = PathOfKey(folder, key_file);
  FARLANE_ASSIGN(std::optional<std::string> material, ReadSecretFile(path));
  return material.has_value()
             ? Result<std::string>(std::move(*material))
             : Status(StatusCode::kNotFound, "the seal key is not in " + path + " any more");
}

Result<Safe> Safe::Open(const std::string& folder, const std::string& key_file) {
  const std::string path = PathOfKey(folder, key_file);
  FARLANE_ASSIGN(std::optional<std::string> material, ReadSecretFile(path));
  if (!material.has_value() && !key_file.empty()) {
    return Status(StatusCode::kInvalidArgument,
                  "there is no seal key in " + path +
                      "; make one: (umask 077; head -c 32 /dev/urandom > " + path + ")");
  }
  const bool is_new = !material.has_value();
  if (is_new) {
    FARLANE_ASSIGN(material, RandomBytes(kKeyBytes));
    FARLANE_TRY(WriteSecretFile(path, *material));
  }
  if (material->size() < kKeyFileBytesMin) {
    return Status(StatusCode::kInvalidArgument, "the seal key in " + path + " is too short");
  }
  const Sha256Digest key = Sha256(std::as_bytes(std::span(*material)));
  explicit_bzero(material->data(), material->size());
  Key bytes{};
  static_assert(sizeof bytes == sizeof key);
  memcpy(bytes.data(), key.data(), bytes.size());
  return Safe(folder, bytes, is_new);
}

Safe::~Safe() {
  explicit_bzero(key_.data(), key_.size());
}

Result<std::string> Safe::Seal(std::string_view name, std::string_view secret) const {
  return SealWith(key_.data(), name, secret);
}

Result<std::string> Safe::Unseal(std::string_view name, std::string_view sealed) const {
  std::optional<std::string> secret = UnsealWith(key_.data(), name, sealed);
  return secret.has_value()
             ? Result<std::string>(std::move(*secret))
             : Status(StatusCode::kCorrupt,
                      std::string(name) + " was sealed with another key, or was changed since");
}

void Safe::Drop(const std::string& name) const {
  unlink(PathOf(name).c_str());
}

Status Safe::Keep(const std::string& name, std::string_view secret) const {
  FARLANE_ASSIGN(const std::string sealed, Seal(name, secret));
  return WriteSecretFile(PathOf(name), sealed);
}

Result<std::optional<std::string>> Safe::Take(const std::string& name) const {
  FARLANE_ASSIGN(std::optional<std::string> file, ReadSecretFile(PathOf(name)));
  if (!file.has_value()) {
    return file;
  }
  if (is_new_ && !file->starts_with(kMark)) {
    FARLANE_TRY(Keep(name, *file));
    return file;
  }
  std::optional<std::string> secret = UnsealWith(key_.data(), name, *file);
  if (!secret.has_value()) {
    return Status(StatusCode::kCorrupt,
                  PathOf(name) + " was sealed with another key, or was changed since");
  }
  return secret;
}

}  // namespace farlane::pki

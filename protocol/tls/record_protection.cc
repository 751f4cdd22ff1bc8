// SPDX-License-Identifier: Apache-2.0
#include "protocol/tls/record_protection.h"

#include <cstring>

#include <openssl/crypto.h>

#include "protocol/tls/crypto.h"

namespace farlane::transport {
namespace {

constexpr uint8_t kLegacyVersion[2] = {3, 3};

const uint8_t* Octets(const std::byte* bytes) {
  return reinterpret_cast<const uint8_t*>(bytes);
}

uint8_t* Octets(std::byte* bytes) {
  return reinterpret_cast<uint8_t*>(bytes);
}

}  // namespace

Result<RecordProtection> RecordProtection::Create(const uint8_t (&secret)[32], uint64_t records) {
  RecordProtection made;
  made.context_.reset(EVP_CIPHER_CTX_new());
  if (made.context_ == nullptr || Crypto::Get().cipher == nullptr) {
    return Status(StatusCode::kInternal, "the cipher AES-128-GCM cannot be had");
  }
  FARLANE_TRY(made.TakeSecret(secret, records));
  return made;
}

Status RecordProtection::TakeSecret(const uint8_t (&secret)[32], uint64_t records) {
  uint8_t key[16];
  FARLANE_TRY(ExpandLabel(secret, "key", key, sizeof key));
  FARLANE_TRY(ExpandLabel(secret, "iv", iv_, sizeof iv_));
  memcpy(secret_, secret, sizeof secret_);
  records_ = records;
  // The key is the same in both directions; which way it goes is said with each record.
  const int taken =
      EVP_CipherInit_ex(context_.get(), Crypto::Get().cipher, nullptr, key, nullptr, 1);
  OPENSSL_cleanse(key, sizeof key);
  return taken == 1 ? Status::Ok()
                    : Status(StatusCode::kInternal, "the cipher does not take its key");
}

Status RecordProtection::Update() {
  uint8_t next[32];
  FARLANE_TRY(ExpandLabel(secret_, "traffic upd", next, sizeof next));
  Status status = TakeSecret(next, 0);
  OPENSSL_cleanse(next, sizeof next);
  return status;
}

void RecordProtection::NextNonce(uint8_t (&nonce)[12]) {
  memcpy(nonce, iv_, sizeof nonce);
  for (size_t i = 0; i < sizeof records_; ++i) {
    nonce[11 - i] ^= static_cast<uint8_t>(records_ >> (8 * i));
  }
  ++records_;
}

bool RecordProtection::BeginSeal(size_t size, std::byte* record) {
  const size_t body = size + kRecordTailBytes;
  uint8_t* const header = Octets(record);
  header[0] = static_cast<uint8_t>(ContentType::kData);
  memcpy(header + 1, kLegacyVersion, sizeof kLegacyVersion);
  header[3] = static_cast<uint8_t>(body >> 8);
  header[4] = static_cast<uint8_t>(body);
  at_ = record + kRecordHeaderBytes;
  uint8_t nonce[12];
  NextNonce(nonce);
  int done = 0;
  return EVP_CipherInit_ex(context_.get(), nullptr, nullptr, nullptr, nonce, 1) == 1 &&
         EVP_CipherUpdate(context_.get(), nullptr, &done, header, kRecordHeaderBytes) == 1;
}

bool RecordProtection::SealPart(ConstBytes part) {
  int done = 0;
  const bool sealed = EVP_CipherUpdate(context_.get(), Octets(at_), &done, Octets(part.data()),
                                       static_cast<int>(part.size())) == 1;
  at_ += done;
  return sealed;
}

bool RecordProtection::EndSeal(ContentType type) {
  const auto octet = static_cast<std::byte>(type);
  int done = 0;
  return SealPart(ConstBytes(&octet, 1)) &&
         EVP_CipherFinal_ex(context_.get(), Octets(at_), &done) == 1 &&
         EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_AEAD_GET_TAG, kTagBytes, Octets(at_)) == 1;
}

Result<RecordProtection::Opened> RecordProtection::Open(ConstBytes record, std::byte* into) {
  const Status forged(StatusCode::kCorrupt,
                      "a record of TLS is not what the other side has written");
  const ConstBytes body = record.subspan(kRecordHeaderBytes);
  if (body.size() < kRecordTailBytes) {
    return forged;
  }
  const size_t content = body.size() - kRecordTailBytes;
  uint8_t nonce[12];
  NextNonce(nonce);
  uint8_t type = 0;
  int done = 0;
  EVP_CIPHER_CTX* const context = context_.get();
  void* const tag = const_cast<std::byte*>(body.data() + content + 1);  // it is only read
  if (EVP_CipherInit_ex(context, nullptr, nullptr, nullptr, nonce, 0) != 1 ||
      EVP_CipherUpdate(context, nullptr, &done, Octets(record.data()), kRecordHeaderBytes) != 1 ||
      EVP_CipherUpdate(context, Octets(into), &done, Octets(body.data()),
                       static_cast<int>(content)) != 1 ||
      EVP_CipherUpdate(context, &type, &done, Octets(body.data()) + content, 1) != 1 ||
      EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, kTagBytes, tag) != 1 ||
      EVP_CipherFinal_ex(context, nonce, &done) != 1) {
    static_cast<void>(TakeCryptoError());
    return forged;
  }
  // Zeros behind the type are padding.
  size_t bytes = content;
  while (type == 0 && bytes > 0) {
    type = Octets(into)[--bytes];
  }
  if (type == 0 || bytes > kRecordPlainMax) {
    return forged;
  }
  return Opened{.type = static_cast<ContentType>(type), .bytes = bytes};
}

}  // namespace farlane::transport

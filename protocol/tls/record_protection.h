// SPDX-License-Identifier: Apache-2.0
// RecordProtection is one direction of a TLS 1.3 connection after its handshake: it turns bytes
// into protected records or back (RFC 8446, section 5), under AES-128-GCM. The cipher is OpenSSL's;
// what is here is its key, the count of records that no two may share, and the frame.
#pragma once

#include <memory>

#include <openssl/evp.h>

#include "protocol/base/bytes.h"
#include "protocol/base/result.h"

namespace farlane::transport {

inline constexpr size_t kRecordHeaderBytes = 5;
inline constexpr size_t kRecordPlainMax = 16384;
inline constexpr size_t kTagBytes = 16;
// The byte behind the content that says what it is, and the tag.
inline constexpr size_t kRecordTailBytes = 1 + kTagBytes;
inline constexpr size_t kRecordBytesMax = kRecordHeaderBytes + kRecordPlainMax + kRecordTailBytes;
// What another implementation may send: padding counts.
inline constexpr size_t kRecordBodyMax = kRecordPlainMax + 256;

enum class ContentType : uint8_t {
  kChangeCipherSpec = 20,
  kAlert = 21,
  kHandshake = 22,
  kData = 23,
};

// Thread: one at a time.
class RecordProtection {
 public:
  // `records`: how many the secret has protected already.
  static Result<RecordProtection> Create(const uint8_t (&secret)[32], uint64_t records);

  // A record is sealed in three steps, in place: its content is given in parts, `size` bytes in
  // all, no more than kRecordPlainMax. False: the cipher failed, and nothing may be sent.
  bool BeginSeal(size_t size, std::byte* record);
  bool SealPart(ConstBytes part);
  bool EndSeal(ContentType type);

  // What opening a record gives.
  struct Opened {
    ContentType type = ContentType::kData;
    size_t bytes = 0;
  };

  // `into` holds at least the body less the tail. kCorrupt: it is not what the peer has sent.
  Result<Opened> Open(ConstBytes record, std::byte* into);

  // The next secret, and a count that starts again.
  Status Update();

  uint64_t records() const { return records_; }

  const uint8_t (&secret() const)[32] { return secret_; }

 private:
  struct FreeContext {
    void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
  };

  RecordProtection() = default;

  Status TakeSecret(const uint8_t (&secret)[32], uint64_t records);
  void NextNonce(uint8_t (&nonce)[12]);

  uint8_t secret_[32] = {};
  uint8_t iv_[12] = {};
  uint64_t records_ = 0;
  std::unique_ptr<EVP_CIPHER_CTX, FreeContext> context_;
  std::byte* at_ = nullptr;  // in the record that is being sealed
};

}  // namespace farlane::transport

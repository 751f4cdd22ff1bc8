// SPDX-License-Identifier: Apache-2.0
#include "protocol/pki/pem.h"

#include <openssl/err.h>
#include <openssl/pem.h>

namespace farlane::pki {
namespace {

// No key or certificate of ours is near this.
constexpr size_t kPemBytesMax = 64 << 10;

Owned<BIO> Reader(std::string_view text) {
  const size_t size = text.size() <= kPemBytesMax ? text.size() : 0;
  return Owned<BIO>(BIO_new_mem_buf(text.data(), static_cast<int>(size)));
}

// A passphrase is not asked for at a terminal that nobody sits at.
int NoPassphrase(char*, int, int, void*) {
  return -1;
}

Result<std::string> TextOf(const Owned<BIO>& bio, bool written, const char* what) {
  char* bytes = nullptr;
  const long size = bio != nullptr ? BIO_get_mem_data(bio.get(), &bytes) : 0;
  if (!written || size <= 0) {
    return OpenSslFailed(what);
  }
  return std::string(bytes, static_cast<size_t>(size));
}

}  // namespace

Status OpenSslFailed(const char* what) {
  char text[256] = "it does not say why";
  if (const unsigned long code = ERR_get_error(); code != 0) {
    ERR_error_string_n(code, text, sizeof text);
  }
  ERR_clear_error();
  return Status(StatusCode::kCorrupt, std::string("OpenSSL cannot ") + what + ": " + text);
}

Result<Owned<EVP_PKEY>> ReadKey(std::string_view pem) {
  Owned<EVP_PKEY> key(PEM_read_bio_PrivateKey(Reader(pem).get(), nullptr, &NoPassphrase, nullptr));
  return key != nullptr ? Result<Owned<EVP_PKEY>>(std::move(key))
                        : OpenSslFailed("read a private key");
}

Result<Owned<X509>> ReadCertificate(std::string_view pem) {
  Owned<X509> made(PEM_read_bio_X509(Reader(pem).get(), nullptr, &NoPassphrase, nullptr));
  return made != nullptr ? Result<Owned<X509>>(std::move(made))
                         : OpenSslFailed("read a certificate");
}

Result<Owned<X509_REQ>> ReadRequest(std::string_view pem) {
  Owned<X509_REQ> made(PEM_read_bio_X509_REQ(Reader(pem).get(), nullptr, &NoPassphrase, nullptr));
  return made != nullptr ? Result<Owned<X509_REQ>>(std::move(made))
                         : OpenSslFailed("read a request for a certificate");
}

Result<std::string> PemOf(EVP_PKEY* key) {
  const Owned<BIO> bio(BIO_new(BIO_s_mem()));
  return TextOf(
      bio,
      PEM_write_bio_PKCS8PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) == 1,
      "write a private key");
}

Result<std::string> PemOf(X509* certificate) {
  const Owned<BIO> bio(BIO_new(BIO_s_mem()));
  return TextOf(bio, PEM_write_bio_X509(bio.get(), certificate) == 1, "write a certificate");
}

Result<std::string> PemOf(X509_REQ* request) {
  const Owned<BIO> bio(BIO_new(BIO_s_mem()));
  return TextOf(bio, PEM_write_bio_X509_REQ(bio.get(), request) == 1, "write a request");
}

std::string PinOf(const X509* certificate) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  std::string text;
  if (X509_digest(certificate, EVP_sha256(), digest, &size) == 1) {
    constexpr char kDigits[] = "0123456789abcdef";
    for (unsigned i = 0; i < size; ++i) {
      text += {kDigits[digest[i] >> 4], kDigits[digest[i] & 15]};
    }
  }
  return text;
}

}  // namespace farlane::pki

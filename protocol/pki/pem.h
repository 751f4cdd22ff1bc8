// SPDX-License-Identifier: Apache-2.0
// OpenSSL's objects as texts and back, owned.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "protocol/base/result.h"

namespace farlane::pki {

struct Free {
  void operator()(BIO* one) const { BIO_free(one); }

  void operator()(EVP_PKEY* one) const { EVP_PKEY_free(one); }

  void operator()(X509* one) const { X509_free(one); }

  void operator()(X509_REQ* one) const { X509_REQ_free(one); }

  void operator()(SSL* one) const { SSL_free(one); }

  void operator()(SSL_CTX* one) const { SSL_CTX_free(one); }
};

template <typename T>
using Owned = std::unique_ptr<T, Free>;

Result<Owned<EVP_PKEY>> ReadKey(std::string_view pem);
Result<Owned<X509>> ReadCertificate(std::string_view pem);
Result<Owned<X509_REQ>> ReadRequest(std::string_view pem);

Result<std::string> PemOf(EVP_PKEY* key);
Result<std::string> PemOf(X509* certificate);
Result<std::string> PemOf(X509_REQ* request);

// The SHA-256 of a certificate, in hexadecimal digits.
std::string PinOf(const X509* certificate);

Status OpenSslFailed(const char* what);

}  // namespace farlane::pki

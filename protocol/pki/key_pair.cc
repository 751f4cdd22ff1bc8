// SPDX-License-Identifier: Apache-2.0
#include "protocol/pki/key_pair.h"

#include <ctime>

#include "protocol/pki/pem.h"

namespace farlane::pki {

Result<KeyPair> MakeKey() {
  const Owned<EVP_PKEY> key(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"));
  if (key == nullptr) {
    return OpenSslFailed("make a key");
  }
  FARLANE_ASSIGN(std::string pem, PemOf(key.get()));
  return KeyPair{.key = std::move(pem), .certificate = {}};
}

Result<std::string> MakeRequest(const std::string& key_pem) {
  FARLANE_ASSIGN(const Owned<EVP_PKEY> key, ReadKey(key_pem));
  const Owned<X509_REQ> request(X509_REQ_new());
  if (request == nullptr || X509_REQ_set_pubkey(request.get(), key.get()) != 1 ||
      X509_REQ_sign(request.get(), key.get(), EVP_sha256()) <= 0) {
    return OpenSslFailed("make a request for a certificate");
  }
  return PemOf(request.get());
}

Result<std::string> PinOf(const std::string& certificate_pem) {
  FARLANE_ASSIGN(const Owned<X509> certificate, ReadCertificate(certificate_pem));
  return PinOf(certificate.get());
}

Result<int64_t> EndOf(const std::string& certificate_pem) {
  FARLANE_ASSIGN(const Owned<X509> certificate, ReadCertificate(certificate_pem));
  tm end{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate.get()), &end) != 1) {
    return OpenSslFailed("read the end of a certificate");
  }
  return static_cast<int64_t>(timegm(&end));
}

}  // namespace farlane::pki

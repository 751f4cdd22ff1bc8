// SPDX-License-Identifier: Apache-2.0
#include "protocol/pki/authority.h"

#include <algorithm>

#include <arpa/inet.h>
#include <openssl/bn.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include "protocol/pki/pem.h"

namespace farlane::pki {
namespace {

constexpr int kSerialBytes = 16;
constexpr long kDaySeconds = 86'400;
// Clocks of two machines differ.
constexpr long kSkewSeconds = 300;

bool SetSerial(X509* made) {
  unsigned char bytes[kSerialBytes];
  if (RAND_bytes(bytes, sizeof bytes) != 1) {
    return false;
  }
  bytes[0] &= 0x7f;  // a serial number is positive
  BIGNUM* const number = BN_bin2bn(bytes, sizeof bytes, nullptr);
  const bool set =
      number != nullptr && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(made)) != nullptr;
  BN_free(number);
  return set;
}

bool SetName(X509_NAME* name, const std::string& common) {
  return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                                    reinterpret_cast<const unsigned char*>(common.data()),
                                    static_cast<int>(common.size()), -1, 0) == 1;
}

bool Extend(X509* made, X509* issuer, int what, const std::string& text) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, made, nullptr, nullptr, 0);
  X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, &context, what, text.c_str());
  const bool added = extension != nullptr && X509_add_ext(made, extension, -1) == 1;
  X509_EXTENSION_free(extension);
  return added;
}

bool IsAddress(const std::string& name) {
  in6_addr unused{};
  return inet_pton(AF_INET, name.c_str(), &unused) == 1 ||
         inet_pton(AF_INET6, name.c_str(), &unused) == 1;
}

// A comma or a colon would begin something else in the text that OpenSSL reads.
bool IsPlain(const std::string& name) {
  return !name.empty() && name.size() <= 253 &&
         std::all_of(name.begin(), name.end(), [](char letter) {
           return std::isalnum(static_cast<unsigned char>(letter)) != 0 || letter == '-' ||
                  letter == '.' || letter == ':' || letter == '_' || letter == '*';
         });
}

Result<std::string> AlternativeNames(const Authority::Subject& subject) {
  std::string text;
  const auto add = [&text](const std::string& kind, const std::string& name) {
    text += (text.empty() ? "" : ",") + kind + name;
  };
  if (!subject.uri.empty() && IsPlain(subject.uri)) {
    add("URI:", subject.uri);
  }
  for (const std::string& name : subject.names) {
    if (!IsPlain(name)) {
      return Status(StatusCode::kInvalidArgument, "\"" + name + "\" is no name of a host");
    }
    add(IsAddress(name) ? "IP:" : "DNS:", name);
  }
  return text.empty() ? Result<std::string>(
                            Status(StatusCode::kInvalidArgument, "a certificate needs a name"))
                      : text;
}

Owned<X509> Draft(EVP_PKEY* owner, long seconds) {
  Owned<X509> made(X509_new());
  const bool set = made != nullptr && X509_set_version(made.get(), X509_VERSION_3) == 1 &&
                   SetSerial(made.get()) &&
                   X509_gmtime_adj(X509_getm_notBefore(made.get()), -kSkewSeconds) != nullptr &&
                   X509_gmtime_adj(X509_getm_notAfter(made.get()), seconds) != nullptr &&
                   X509_set_pubkey(made.get(), owner) == 1;
  return set ? std::move(made) : nullptr;
}

Result<std::string> SignFor(EVP_PKEY* owner,
                            const Authority::Subject& subject,
                            const KeyPair& authority) {
  FARLANE_ASSIGN(const Owned<EVP_PKEY> key, ReadKey(authority.key));
  FARLANE_ASSIGN(const Owned<X509> issuer, ReadCertificate(authority.certificate));
  FARLANE_ASSIGN(const std::string names, AlternativeNames(subject));
  const Owned<X509> made = Draft(owner, kDaySeconds * subject.days);
  const std::string common = subject.uri.empty() ? subject.names.front() : subject.uri;
  const bool set = made != nullptr &&
                   SetName(X509_get_subject_name(made.get()), common.substr(0, 64)) &&
                   X509_set_issuer_name(made.get(), X509_get_subject_name(issuer.get())) == 1 &&
                   Extend(made.get(), issuer.get(), NID_basic_constraints, "critical,CA:FALSE") &&
                   Extend(made.get(), issuer.get(), NID_key_usage, "critical,digitalSignature") &&
                   Extend(made.get(), issuer.get(), NID_ext_key_usage, "serverAuth,clientAuth") &&
                   Extend(made.get(), issuer.get(), NID_authority_key_identifier, "keyid") &&
                   Extend(made.get(), issuer.get(), NID_subject_alt_name, names) &&
                   X509_sign(made.get(), key.get(), EVP_sha256()) > 0;
  return set ? PemOf(made.get()) : OpenSslFailed("make a certificate");
}

}  // namespace

Result<Authority> Authority::Make(const std::string& pool) {
  FARLANE_ASSIGN(KeyPair pair, MakeKey());
  FARLANE_ASSIGN(const Owned<EVP_PKEY> key, ReadKey(pair.key));
  const Owned<X509> made = Draft(key.get(), kDaySeconds * 366 * kYears);
  const bool set =
      made != nullptr &&
      SetName(X509_get_subject_name(made.get()), ("Farlane pool " + pool).substr(0, 64)) &&
      X509_set_issuer_name(made.get(), X509_get_subject_name(made.get())) == 1 &&
      Extend(made.get(), made.get(), NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
      Extend(made.get(), made.get(), NID_key_usage, "critical,keyCertSign,cRLSign") &&
      Extend(made.get(), made.get(), NID_subject_key_identifier, "hash") &&
      X509_sign(made.get(), key.get(), EVP_sha256()) > 0;
  if (!set) {
    return OpenSslFailed("make an authority");
  }
  FARLANE_ASSIGN(pair.certificate, PemOf(made.get()));
  return Authority(std::move(pair));
}

Result<Authority> Authority::Of(KeyPair pair) {
  FARLANE_ASSIGN(const Owned<EVP_PKEY> key, ReadKey(pair.key));
  FARLANE_ASSIGN(const Owned<X509> certificate, ReadCertificate(pair.certificate));
  if (X509_check_private_key(certificate.get(), key.get()) != 1) {
    return OpenSslFailed("use an authority's key with its certificate");
  }
  return Authority(std::move(pair));
}

Result<std::string> Authority::Sign(const std::string& request_pem, const Subject& subject) const {
  FARLANE_ASSIGN(const Owned<X509_REQ> request, ReadRequest(request_pem));
  EVP_PKEY* const owner = X509_REQ_get0_pubkey(request.get());
  // Whoever asks has the key; what else the request wishes is not looked at.
  if (owner == nullptr || X509_REQ_verify(request.get(), owner) != 1) {
    return OpenSslFailed("believe a request for a certificate");
  }
  return SignFor(owner, subject, pair_);
}

Result<KeyPair> Authority::Issue(const Subject& subject) const {
  FARLANE_ASSIGN(KeyPair made, MakeKey());
  FARLANE_ASSIGN(const Owned<EVP_PKEY> key, ReadKey(made.key));
  FARLANE_ASSIGN(made.certificate, SignFor(key.get(), subject, pair_));
  return made;
}

}  // namespace farlane::pki

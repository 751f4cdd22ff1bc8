// SPDX-License-Identifier: Apache-2.0
// Certificates of a test's own, in files.
#pragma once

#include <cstdio>
#include <memory>
#include <string>

#include <gtest/gtest.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <unistd.h>

namespace farlane::testing {

// A key and what is said of it. Thread: the test's. Its files are gone with it.
class Certificate {
 public:
  struct Facts {
    std::string names = "DNS:localhost,IP:127.0.0.1";
    long from_seconds = -3600;  // from now
    long to_seconds = 3600;
    bool authority = false;
  };

  // Signed by `issuer`, or by itself without one.
  explicit Certificate(const Facts& facts, const Certificate* issuer = nullptr)
      : key_(EVP_EC_gen("P-256")), certificate_(X509_new()) {
    static int count = 0;
    const std::string base = ::testing::TempDir() + "certificate." + std::to_string(getpid()) +
                             "." + std::to_string(++count);
    cert_file_ = base + ".pem";
    key_file_ = base + ".key";
    X509* const made = certificate_.get();
    X509_set_version(made, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(made), count);
    X509_gmtime_adj(X509_getm_notBefore(made), facts.from_seconds);
    X509_gmtime_adj(X509_getm_notAfter(made), facts.to_seconds);
    X509_set_pubkey(made, key_.get());
    const std::string name = facts.authority ? "an authority" : "a party";
    X509_NAME_add_entry_by_txt(X509_get_subject_name(made), "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(name.data()),
                               static_cast<int>(name.size()), -1, 0);
    const Certificate& signer = issuer != nullptr ? *issuer : *this;
    X509_set_issuer_name(made, X509_get_subject_name(signer.certificate_.get()));
    Extend(NID_basic_constraints, facts.authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
    if (!facts.authority) {
      Extend(NID_subject_alt_name, facts.names);
    }
    EXPECT_GT(X509_sign(made, signer.key_.get(), EVP_sha256()), 0);
    WriteFiles();
  }

  ~Certificate() {
    unlink(cert_file_.c_str());
    unlink(key_file_.c_str());
  }

  const std::string& cert_file() const { return cert_file_; }

  const std::string& key_file() const { return key_file_; }

 private:
  struct Free {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }

    void operator()(X509* certificate) const { X509_free(certificate); }

    void operator()(FILE* file) const { fclose(file); }
  };

  void Extend(int kind, const std::string& value) {
    X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, nullptr, kind, value.c_str());
    EXPECT_NE(extension, nullptr) << value;
    X509_add_ext(certificate_.get(), extension, -1);
    X509_EXTENSION_free(extension);
  }

  void WriteFiles() {
    const std::unique_ptr<FILE, Free> cert(fopen(cert_file_.c_str(), "we"));
    const std::unique_ptr<FILE, Free> key(fopen(key_file_.c_str(), "we"));
    EXPECT_EQ(PEM_write_X509(cert.get(), certificate_.get()), 1);
    EXPECT_EQ(PEM_write_PrivateKey(key.get(), key_.get(), nullptr, nullptr, 0, nullptr, nullptr),
              1);
  }

  std::unique_ptr<EVP_PKEY, Free> key_;
  std::unique_ptr<X509, Free> certificate_;
  std::string cert_file_;
  std::string key_file_;
};

}  // namespace farlane::testing

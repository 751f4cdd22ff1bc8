// SPDX-License-Identifier: Apache-2.0
#include "protocol/pki/authority.h"

#include <ctime>

#include <gtest/gtest.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "protocol/pki/pem.h"

namespace farlane::pki {
namespace {

// Whether a certificate is one of this authority's, for this host; empty host: for any.
bool Believes(const std::string& authority, const std::string& certificate, const char* host) {
  const Owned<X509> root = ReadCertificate(authority).value();
  const Owned<X509> shown = ReadCertificate(certificate).value();
  X509_STORE* const store = X509_STORE_new();
  X509_STORE_add_cert(store, root.get());
  X509_STORE_CTX* const context = X509_STORE_CTX_new();
  X509_STORE_CTX_init(context, store, shown.get(), nullptr);
  const bool signed_by = X509_verify_cert(context) == 1;
  X509_STORE_CTX_free(context);
  X509_STORE_free(store);
  return signed_by && (host == nullptr || X509_check_host(shown.get(), host, 0, 0, nullptr) == 1 ||
                       X509_check_ip_asc(shown.get(), host, 0) == 1);
}

TEST(Authority, WhatItSignsIsBelievedByWhomTrustsItOnly) {
  const Authority one = Authority::Make("one").value();
  const Authority other = Authority::Make("one").value();
  const KeyPair pair =
      one.Issue({.uri = "", .names = {"gpu1.example.com", "10.0.0.7", "::1"}}).value();
  for (const char* host : {"gpu1.example.com", "10.0.0.7", "::1"}) {
    EXPECT_TRUE(Believes(one.certificate(), pair.certificate, host)) << host;
  }
  EXPECT_FALSE(Believes(one.certificate(), pair.certificate, "gpu2.example.com"));
  EXPECT_FALSE(Believes(other.certificate(), pair.certificate, nullptr));
}

TEST(Authority, IsTheSameAfterItWasWrittenDown) {
  const Authority one = Authority::Make("one").value();
  const Authority again = Authority::Of(one.pair()).value();
  const KeyPair pair = again.Issue({.uri = "", .names = {"gpu1"}}).value();
  EXPECT_TRUE(Believes(one.certificate(), pair.certificate, "gpu1"));
  EXPECT_FALSE(
      Authority::Of({.key = MakeKey().value().key, .certificate = one.certificate()}).ok());
}

TEST(Authority, SignsARequestForWhomeverHasTheKey) {
  const Authority one = Authority::Make("one").value();
  const KeyPair pair = MakeKey().value();
  const std::string request = MakeRequest(pair.key).value();
  const std::string made =
      one.Sign(request, {.uri = "farlane:server:0123", .names = {}, .days = 1}).value();
  EXPECT_TRUE(Believes(one.certificate(), made, nullptr));
  const int64_t left = EndOf(made).value() - time(nullptr);
  EXPECT_GT(left, 86'000);
  EXPECT_LT(left, 86'500);
  const Owned<X509> certificate = ReadCertificate(made).value();
  EXPECT_EQ(X509_check_private_key(certificate.get(), ReadKey(pair.key).value().get()), 1);
  EXPECT_EQ(X509_check_ca(certificate.get()), 0);
}

TEST(Authority, ARequestThatWasChangedIsNotBelieved) {
  const Authority one = Authority::Make("one").value();
  const std::string request = MakeRequest(MakeKey().value().key).value();
  const size_t first = request.find('\n') + 1;
  const size_t last = request.rfind("\n-----");
  size_t signed_ones = 0;
  for (size_t i = first; i < last; i += 3) {
    std::string changed = request;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    signed_ones += one.Sign(changed, {.uri = "farlane:server:1", .names = {}}).ok() ? 1 : 0;
  }
  EXPECT_EQ(signed_ones, 0u);
  EXPECT_FALSE(one.Sign("", {.uri = "farlane:server:1", .names = {}}).ok());
}

TEST(Authority, NamesThatWouldBeReadAsMoreAreRefused) {
  const Authority one = Authority::Make("one").value();
  for (const char* name : {"a,DNS:evil.example.com", "", "a b", "a\nb", "a=b"}) {
    EXPECT_FALSE(one.Issue({.uri = "", .names = {name}}).ok()) << name;
  }
  EXPECT_FALSE(one.Issue({.uri = "", .names = {}}).ok());
}

TEST(Authority, APinIsTheDigestOfTheCertificate) {
  const Authority one = Authority::Make("one").value();
  EXPECT_EQ(PinOf(one.certificate()).value().size(), 64u);
  EXPECT_NE(PinOf(one.certificate()).value(),
            PinOf(Authority::Make("one").value().certificate()).value());
  EXPECT_FALSE(PinOf(std::string("no certificate")).ok());
}

}  // namespace
}  // namespace farlane::pki

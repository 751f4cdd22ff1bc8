// SPDX-License-Identifier: Apache-2.0
// PoolTrust is how this server and the pool's managers know each other under TLS: the server trusts
// the pool's authority, by its certificate or its digest, and shows a certificate of the
// authority's, which it gets by a join key the first time and by the certificate itself later.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include <grpcpp/grpcpp.h>

#include "gpu-server/agent/options.h"
#include "protocol/base/result.h"
#include "protocol/pki/key_pair.h"
#include "protocol/pki/safe.h"

namespace farlane::agent {

// Thread: one.
class PoolTrust {
 public:
  // A certificate that ends sooner is asked for anew when the server attaches.
  static constexpr int64_t kRenewSeconds = 30 * 86'400;

  // Reads what an agent before this one has left in the folder of the options, if they name one.
  static Result<std::unique_ptr<PoolTrust>> Open(const Options& options);

  // What a stream to this manager is made with. Asks it for a certificate, if there is none yet.
  Result<std::shared_ptr<grpc::ChannelCredentials>> CredentialsFor(const std::string& manager);

  // What is to be shown beside them: the join key, where nothing is encrypted.
  std::string KeyToShow() const { return Encrypts() ? "" : options_.key; }

  // The manager takes the certificate no more.
  void Forget();

 private:
  explicit PoolTrust(const Options& options) : options_(options) {}

  bool Encrypts() const { return !options_.ca_file.empty() || !options_.ca_pin.empty(); }

  Status LearnAuthority(const std::string& manager);
  Status Enroll(const std::string& manager, bool shows_certificate);
  std::shared_ptr<grpc::ChannelCredentials> Credentials(bool shows_certificate) const;
  bool EndsSoon() const;
  Status Keep() const;

  // A key and the request for its certificate. It is asked for again as it was, until there is an
  // answer: a join key may count for one request only.
  struct Wish {
    std::string key;
    std::string request;
  };

  const Options& options_;
  std::optional<pki::Safe> safe_;  // where `own_` is kept; none: nowhere
  std::string authority_;          // PEM
  pki::KeyPair own_;
  std::optional<Wish> wish_;
};

}  // namespace farlane::agent

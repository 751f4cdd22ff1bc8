// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/agent/pool_trust.h"

#include <chrono>
#include <fstream>
#include <iterator>
#include <utility>

#include "protocol/base/clock.h"
#include "protocol/base/log.h"
#include "protocol/control/hex.h"
#include "protocol/control/pool.grpc.pb.h"
#include "protocol/pki/pinned_authority.h"
#include "protocol/pki/secret_file.h"
#include "protocol/transport/address.h"

namespace farlane::agent {
namespace {

constexpr uint64_t kFetchNs = 5'000'000'000;
constexpr char kKeyName[] = "pool.key";
constexpr auto kEnrollTime = std::chrono::seconds(10);

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// What would go over a network, and is not encrypted, is not sent.
Status CheckPlain(const Options& options, const std::string& manager) {
  FARLANE_ASSIGN(const transport::Address address, transport::Address::Parse("tcp://" + manager));
  FARLANE_ASSIGN(const bool local, transport::IsLocalOnly(address));
  return local || options.insecure
             ? Status::Ok()
             : Status(StatusCode::kRefused,
                      "the pool's manager is on another machine, and nothing is known by which to "
                      "trust it: say --pool-ca FILE or --pool-pin DIGEST, or --insecure");
}

}  // namespace

Result<std::unique_ptr<PoolTrust>> PoolTrust::Open(const Options& options) {
  std::unique_ptr<PoolTrust> trust(new PoolTrust(options));
  if (!options.ca_file.empty()) {
    trust->authority_ = ReadFile(options.ca_file);
    FARLANE_TRY(pki::PinOf(trust->authority_).While("reading " + options.ca_file));
  }
  if (!options.folder.empty()) {
    FARLANE_ASSIGN(trust->safe_, pki::Safe::Open(options.folder, ""));
    FARLANE_ASSIGN(const std::optional<std::string> key, trust->safe_->Take(kKeyName));
    trust->own_ = {.key = key.value_or(""), .certificate = ReadFile(options.folder + "/pool.pem")};
  }
  return trust;
}

std::shared_ptr<grpc::ChannelCredentials> PoolTrust::Credentials(bool shows_certificate) const {
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = authority_;
  if (shows_certificate) {
    options.pem_private_key = own_.key;
    options.pem_cert_chain = own_.certificate;
  }
  return grpc::SslCredentials(options);
}

Status PoolTrust::LearnAuthority(const std::string& manager) {
  if (authority_.empty()) {
    FARLANE_ASSIGN(authority_, pki::FetchAuthority(manager, options_.ca_pin, kFetchNs));
  }
  return Status::Ok();
}

bool PoolTrust::EndsSoon() const {
  const Result<int64_t> end = pki::EndOf(own_.certificate);
  return !end.ok() || WallTime().tv_sec + kRenewSeconds > end.value();
}

void PoolTrust::Forget() {
  if (!options_.key.empty()) {  // else there would be no way to another
    own_ = {};
  }
}

Status PoolTrust::Keep() const {
  if (!safe_.has_value()) {
    return Status::Ok();
  }
  FARLANE_TRY(safe_->Keep(kKeyName, own_.key));
  return pki::WriteSecretFile(options_.folder + "/pool.pem", own_.certificate);
}

Status PoolTrust::Enroll(const std::string& manager, bool shows_certificate) {
  if (!wish_.has_value()) {
    FARLANE_ASSIGN(const pki::KeyPair fresh, pki::MakeKey());
    FARLANE_ASSIGN(const std::string asked, pki::MakeRequest(fresh.key));
    wish_ = Wish{.key = fresh.key, .request = asked};
  }
  pool::v1::EnrollRequest request;
  request.set_server_id(control::Hex(options_.server));
  request.set_name(options_.name);
  request.set_request(wish_->request);
  pool::v1::ServerService::Stub stub(grpc::CreateChannel(manager, Credentials(shows_certificate)));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kEnrollTime);
  if (!options_.key.empty() && !shows_certificate) {
    context.AddMetadata("farlane-join-key", options_.key);
  }
  pool::v1::EnrollResponse response;
  const grpc::Status asked = stub.Enroll(&context, request, &response);
  if (!asked.ok()) {
    return Status(StatusCode::kUnavailable,
                  "no certificate of the pool's: " + asked.error_message());
  }
  FARLANE_TRY(pki::EndOf(response.certificate()).While("reading the certificate of the pool's"));
  own_ = {.key = std::exchange(wish_, std::nullopt)->key, .certificate = response.certificate()};
  LogInfo("the pool has given this server a certificate");
  return Keep();
}

Result<std::shared_ptr<grpc::ChannelCredentials>> PoolTrust::CredentialsFor(
    const std::string& manager) {
  if (!Encrypts()) {
    FARLANE_TRY(CheckPlain(options_, manager));
    return grpc::InsecureChannelCredentials();
  }
  FARLANE_TRY(LearnAuthority(manager));
  if (own_.certificate.empty()) {
    FARLANE_TRY(Enroll(manager, false));
  } else if (EndsSoon()) {
    if (const Status status = Enroll(manager, true); !status.ok()) {
      LogWarn("this server's certificate ends soon: %s", status.message().c_str());
      Forget();
      FARLANE_TRY(own_.certificate.empty() ? Enroll(manager, false) : Status::Ok());
    }
  }
  return Credentials(true);
}

}  // namespace farlane::agent

// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/store/etcd_channel.h"

#include <algorithm>
#include <fstream>
#include <sstream>

#include <arpa/inet.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include "pool-manager/store/backoff.h"

namespace farlane::pool {
namespace {

// More than a page of the largest values that anybody should have; Range asks for less above it.
constexpr int kMessageBytesMax = 32 << 20;
// A member that answers no ping for so long is as good as gone. etcd refuses pings that come more
// often than every 5 s.
constexpr int kPingMs = 10'000;
constexpr int kPingTimeoutMs = 3000;
// A connection may take so long to be made: over a long way, with encryption, or at a busy machine.
constexpr int kConnectMs = 1000;

enum class Family : uint8_t { kName, kV4, kV6 };

Result<Family> FamilyOf(const std::string& endpoint) {
  const size_t colon = endpoint.rfind(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == endpoint.size() ||
      endpoint.find(',') != std::string::npos || endpoint.find('/') != std::string::npos) {
    return Status(StatusCode::kInvalidArgument,
                  "'" + endpoint + "' is no endpoint of etcd; it is written host:port");
  }
  const std::string host = endpoint.substr(0, colon);
  in6_addr address;
  if (inet_pton(AF_INET, host.c_str(), &address) == 1) {
    return Family::kV4;
  }
  const bool brackets = host.front() == '[' && host.back() == ']';
  if (brackets && inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &address) == 1) {
    return Family::kV6;
  }
  return Family::kName;
}

Result<std::string> TargetOf(const std::vector<std::string>& endpoints) {
  if (endpoints.empty()) {
    return Status(StatusCode::kInvalidArgument, "no endpoint of etcd is given");
  }
  FARLANE_ASSIGN(const Family family, FamilyOf(endpoints.front()));
  std::string list;
  for (const std::string& endpoint : endpoints) {
    FARLANE_ASSIGN(const Family other, FamilyOf(endpoint));
    if (other != family || (other == Family::kName && endpoints.size() > 1)) {
      return Status(
          StatusCode::kInvalidArgument,
          "of several endpoints of etcd each must be an address, and all of one family; '" +
              endpoint + "' does not fit");
    }
    list += (list.empty() ? "" : ",") + endpoint;
  }
  return (family == Family::kV4 ? "ipv4:" : family == Family::kV6 ? "ipv6:" : "dns:///") + list;
}

Result<std::string> ReadWhole(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf())) {
    return Status(StatusCode::kInvalidArgument, "the file " + path + " cannot be read");
  }
  return text.str();
}

Result<std::shared_ptr<grpc::ChannelCredentials>> CredentialsOf(const EtcdStore::Options& options) {
  if (options.authority_file.empty()) {
    if (!options.certificate_file.empty() || !options.key_file.empty()) {
      return Status(
          StatusCode::kInvalidArgument,
          "a certificate for etcd is given, and no authority: nothing would be encrypted");
    }
    return grpc::InsecureChannelCredentials();
  }
  grpc::SslCredentialsOptions tls;
  FARLANE_ASSIGN(tls.pem_root_certs, ReadWhole(options.authority_file));
  if (!options.certificate_file.empty()) {
    FARLANE_ASSIGN(tls.pem_cert_chain, ReadWhole(options.certificate_file));
    FARLANE_ASSIGN(tls.pem_private_key, ReadWhole(options.key_file));
  }
  return grpc::SslCredentials(tls);
}

}  // namespace

Result<std::shared_ptr<grpc::Channel>> ConnectEtcd(const EtcdStore::Options& options) {
  FARLANE_ASSIGN(const std::string target, TargetOf(options.endpoints));
  FARLANE_ASSIGN(const std::shared_ptr<grpc::ChannelCredentials> credentials,
                 CredentialsOf(options));
  grpc::ChannelArguments arguments;
  arguments.SetLoadBalancingPolicyName("round_robin");
  // gRPC's own are seconds, longer than a leader may be away.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, static_cast<int>(Backoff::kFirstMs));
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kConnectMs);  // the time that one try has
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, static_cast<int>(Backoff::kLastMs));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kPingMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kPingTimeoutMs);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetMaxReceiveMessageSize(kMessageBytesMax);
  // A store that is opened anew begins with new connections.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(target, credentials, arguments);
}

}  // namespace farlane::pool

// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/trust/tls_home.h"

#include <algorithm>
#include <cerrno>

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pool-manager/trust/secret_file.h"
#include "protocol/base/log.h"

namespace farlane::pool {
namespace {

constexpr char kServerUri[] = "farlane:server:";

// Where this machine can be reached, as far as it knows.
std::vector<std::string> OwnNames() {
  std::vector<std::string> names = {"localhost"};
  char host[256] = "";
  if (gethostname(host, sizeof host - 1) == 0 && host[0] != '\0') {
    names.emplace_back(host);
  }
  ifaddrs* first = nullptr;
  if (getifaddrs(&first) != 0) {
    return names;
  }
  for (const ifaddrs* one = first; one != nullptr; one = one->ifa_next) {
    const bool internet = one->ifa_addr != nullptr && (one->ifa_addr->sa_family == AF_INET ||
                                                       one->ifa_addr->sa_family == AF_INET6);
    const socklen_t size = internet && one->ifa_addr->sa_family == AF_INET ? sizeof(sockaddr_in)
                                                                           : sizeof(sockaddr_in6);
    char text[NI_MAXHOST] = "";
    if (internet &&
        getnameinfo(one->ifa_addr, size, text, sizeof text, nullptr, 0, NI_NUMERICHOST) == 0) {
      const std::string address(text);
      names.push_back(address.substr(0, address.find('%')));  // without the interface's name
    }
  }
  freeifaddrs(first);
  return names;
}

Result<pki::Authority> TakeAuthority(const std::string& folder, const std::string& pool) {
  FARLANE_ASSIGN(std::optional<std::string> key, ReadSecretFile(folder + "/ca.key"));
  FARLANE_ASSIGN(std::optional<std::string> certificate, ReadSecretFile(folder + "/ca.pem"));
  if (key.has_value() && certificate.has_value()) {
    return pki::Authority::Of({.key = std::move(*key), .certificate = std::move(*certificate)});
  }
  if (key.has_value() != certificate.has_value()) {
    return Status(StatusCode::kCorrupt, folder + " has an authority's key or its certificate only");
  }
  FARLANE_ASSIGN(pki::Authority made, pki::Authority::Make(pool));
  FARLANE_TRY(WriteSecretFile(folder + "/ca.pem", made.pair().certificate));
  FARLANE_TRY(WriteSecretFile(folder + "/ca.key", made.pair().key));
  return made;
}

}  // namespace

std::string ServerUri(const std::string& server_id) {
  return kServerUri + server_id;
}

Result<std::unique_ptr<TlsHome>> TlsHome::Open(const std::string& folder,
                                               const std::string& pool,
                                               std::vector<std::string> names) {
  if (mkdir(folder.c_str(), S_IRWXU) != 0 && errno != EEXIST) {
    return Status::FromErrno(StatusCode::kUnavailable, "cannot make the folder " + folder, errno);
  }
  FARLANE_ASSIGN(pki::Authority authority, TakeAuthority(folder, pool));
  for (std::string& name : OwnNames()) {
    names.push_back(std::move(name));
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  std::unique_ptr<TlsHome> home(new TlsHome(folder, std::move(names), std::move(authority)));
  FARLANE_ASSIGN(home->pin_, pki::PinOf(home->authority()));
  FARLANE_TRY(home->Renew());
  return home;
}

Status TlsHome::Renew() {
  FARLANE_ASSIGN(pki::KeyPair made, authority_.Issue({.uri = "", .names = names_}));
  made.certificate += authority_.certificate();
  FARLANE_TRY(WriteSecretFile(FileOf("manager.key"), made.key));
  FARLANE_TRY(WriteSecretFile(FileOf("manager.pem"), made.certificate));
  manager_.With([&made](pki::KeyPair& own) { own = std::move(made); });
  return Status::Ok();
}

pki::KeyPair TlsHome::manager() const {
  return manager_.With([](const pki::KeyPair& own) { return own; });
}

Result<std::string> TlsHome::SignServer(const std::string& request,
                                        const std::string& server_id) const {
  return authority_.Sign(request, {.uri = ServerUri(server_id), .names = {}});
}

}  // namespace farlane::pool

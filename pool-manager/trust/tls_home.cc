// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/trust/tls_home.h"

#include <algorithm>
#include <cerrno>

#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "protocol/base/log.h"
#include "protocol/base/own_folder.h"
#include "protocol/pki/secret_file.h"

namespace farlane::pool {
namespace {

constexpr char kServerUri[] = "farlane:server:";
// In the safe.
constexpr char kKeyName[] = "tls/ca.key";

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

Result<pki::Authority> TakeAuthority(const std::string& folder,
                                     const pki::Safe& safe,
                                     const std::string& pool) {
  FARLANE_ASSIGN(std::optional<std::string> key, safe.Take(kKeyName));
  FARLANE_ASSIGN(std::optional<std::string> certificate, pki::ReadSecretFile(folder + "/ca.pem"));
  if (key.has_value() && certificate.has_value()) {
    return pki::Authority::Of({.key = std::move(*key), .certificate = std::move(*certificate)});
  }
  if (key.has_value() != certificate.has_value()) {
    return Status(StatusCode::kCorrupt, folder + " has an authority's key or its certificate only");
  }
  FARLANE_ASSIGN(pki::Authority made, pki::Authority::Make(pool));
  FARLANE_TRY(pki::WriteSecretFile(folder + "/ca.pem", made.pair().certificate));
  FARLANE_TRY(safe.Keep(kKeyName, made.pair().key));
  return made;
}

// A file that is in memory only.
Result<Fd> FileOfText(std::string_view text) {
  Fd file(memfd_create("farlane-manager", MFD_CLOEXEC));
  if (!file.valid() ||
      write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    return Status::FromErrno(StatusCode::kExhausted, "no file in memory", errno);
  }
  return file;
}

}  // namespace

std::string ServerUri(const std::string& server_id) {
  return kServerUri + server_id;
}

Result<std::unique_ptr<TlsHome>> TlsHome::Open(const std::string& state_dir,
                                               const pki::Safe& safe,
                                               const std::string& pool,
                                               std::vector<std::string> names) {
  const std::string folder = state_dir + "/tls";
  FARLANE_TRY(MakeOwnFolder(folder));
  FARLANE_ASSIGN(pki::Authority authority, TakeAuthority(folder, safe, pool));
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
  FARLANE_ASSIGN(Fd file, FileOfText(made.key + made.certificate));
  if (!file_.valid()) {
    file_ = std::move(file);
  } else if (dup3(file.get(), file_.get(), O_CLOEXEC) < 0) {
    return Status::FromErrno(StatusCode::kInternal, "no descriptor for a certificate", errno);
  }
  manager_.With([&made](pki::KeyPair& own) { own = std::move(made); });
  return Status::Ok();
}

std::string TlsHome::ManagerFile() const {
  return "/proc/self/fd/" + std::to_string(file_.get());
}

pki::KeyPair TlsHome::manager() const {
  return manager_.With([](const pki::KeyPair& own) { return own; });
}

Result<pki::KeyPair> TlsHome::CertifyServer(const std::vector<std::string>& names) const {
  constexpr int kDays = 397;  // what clients of other makers take, at most
  return authority_.Issue({.uri = "", .names = names, .days = kDays});
}

Result<std::string> TlsHome::SignServer(const std::string& request,
                                        const std::string& server_id) const {
  return authority_.Sign(request, {.uri = ServerUri(server_id), .names = {}});
}

}  // namespace farlane::pool

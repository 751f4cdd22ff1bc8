// SPDX-License-Identifier: Apache-2.0
// TlsHome is the folder with the pool's own certification authority and this manager's certificate.
// Both are made at the first start; the manager's certificate is made anew at each start, and
// whenever somebody rotates it.
//
//   ca.key  ca.pem  manager.key  manager.pem
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "protocol/base/guarded.h"
#include "protocol/base/result.h"
#include "protocol/pki/authority.h"

namespace farlane::pool {

// How a server's certificate names it.
std::string ServerUri(const std::string& server_id);

// Thread: any, guarded.
class TlsHome {
 public:
  // `names`: of hosts and addresses at which this manager is reached, beside those that this
  // machine has.
  static Result<std::unique_ptr<TlsHome>> Open(const std::string& folder,
                                               const std::string& pool,
                                               std::vector<std::string> names);

  // A new key and certificate for this manager, in its files.
  Status Renew();

  // The certificate is followed by the authority's.
  pki::KeyPair manager() const;

  const std::string& authority() const { return authority_.certificate(); }

  // Of the authority's certificate: what clients may be told instead of it.
  const std::string& pin() const { return pin_; }

  std::string FileOf(const std::string& name) const { return folder_ + "/" + name; }

  // A certificate for the server that has made a request.
  Result<std::string> SignServer(const std::string& request, const std::string& server_id) const;

 private:
  TlsHome(std::string folder, std::vector<std::string> names, pki::Authority authority)
      : folder_(std::move(folder)), names_(std::move(names)), authority_(std::move(authority)) {}

  const std::string folder_;
  const std::vector<std::string> names_;
  const pki::Authority authority_;
  std::string pin_;
  Guarded<pki::KeyPair> manager_;
};

}  // namespace farlane::pool

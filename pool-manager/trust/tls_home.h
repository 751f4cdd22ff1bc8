// SPDX-License-Identifier: Apache-2.0
// TlsHome has the pool's own certification authority, in ca.key and ca.pem of a folder, made at the
// first start, and this manager's certificate, which is made anew at each start and whenever
// somebody rotates it, and lies on no disk.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "protocol/base/fd.h"
#include "protocol/base/guarded.h"
#include "protocol/base/result.h"
#include "protocol/pki/authority.h"
#include "protocol/pki/safe.h"

namespace farlane::pool {

// How a server's certificate names it.
std::string ServerUri(const std::string& server_id);

// Thread: any, guarded.
class TlsHome {
 public:
  // `names`: of hosts and addresses at which this manager is reached, beside those that this
  // machine has.
  static Result<std::unique_ptr<TlsHome>> Open(const std::string& state_dir,
                                               const pki::Safe& safe,
                                               const std::string& pool,
                                               std::vector<std::string> names);

  // A new key and certificate for this manager.
  Status Renew();

  // The certificate is followed by the authority's.
  pki::KeyPair manager() const;

  // A file in memory with both, for those who watch a path. It is another one after each Renew, and
  // always whole.
  std::string ManagerFile() const;

  const std::string& authority() const { return authority_.certificate(); }

  // Whoever has it can be any manager and any server of the pool.
  const std::string& authority_key() const { return authority_.pair().key; }

  // Of the authority's certificate: what clients may be told instead of it.
  const std::string& pin() const { return pin_; }

  std::string FileOf(const std::string& name) const { return folder_ + "/" + name; }

  // A key with a certificate for a server that clients find at these names, which it reads when it
  // starts: for a year.
  Result<pki::KeyPair> CertifyServer(const std::vector<std::string>& names) const;

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
  Fd file_;  // stands for the file of the latest; its number does not change
};

}  // namespace farlane::pool

// SPDX-License-Identifier: Apache-2.0
// RequestKeys finds the session that was granted to a request before, so that who has not heard the
// answer can ask again and gets the same one. The key stands in the session; here is only the way
// back to it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "protocol/control/pool.pb.h"

namespace farlane::pool {

// Whether a key is 1 to 255 printable characters.
bool IsRequestKey(const std::string& key);

// Of what is asked for, and for whom; 64 hexadecimal digits.
std::string DigestOf(const v1::CreateSessionRequest& request);

// Thread: caller's.
class RequestKeys {
 public:
  void Note(const v1::Session& session);
  // The session's id; each user has keys of his own.
  std::optional<std::string> Find(const std::string& user, const std::string& key) const;
  void Forget(const v1::Session& session);

  size_t size() const { return sessions_.size(); }

  // Keeps only those of these sessions.
  void Keep(const std::vector<v1::Session>& sessions);

 private:
  std::map<std::pair<std::string, std::string>, std::string> sessions_;  // by user and key
};

}  // namespace farlane::pool

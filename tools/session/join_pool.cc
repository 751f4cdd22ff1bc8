// SPDX-License-Identifier: Apache-2.0
#include "tools/session/join_pool.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>
#include <nlohmann/json.hpp>

#include <sys/random.h>
#include <unistd.h>

#include "protocol/base/own_folder.h"
#include "protocol/control/hex.h"
#include "protocol/pki/key_pair.h"
#include "protocol/pki/safe.h"
#include "protocol/pki/secret_file.h"
#include "protocol/token/base64url.h"

namespace farlane::session {
namespace {

using nlohmann::json;

// What the folder has while the pool is asked, and not afterwards.
constexpr const char* kDrafts[] = {"join.id", "join.key", "join.csr"};
// What it has if it is somebody's.
constexpr const char* kOwned[] = {"server-id", "pool.pem", "seal.key", "tls"};

struct Draft {
  std::string id;
  std::string key;      // PEM
  std::string request;  // PEM
};

std::string PathOf(const JoinWish& wish, const std::string& name) {
  return wish.folder + "/" + name;
}

Result<std::string> FirstLine(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  if (!std::getline(file, line) || line.empty()) {
    return Status(StatusCode::kInvalidArgument, path + " has no first line that can be read");
  }
  return line;
}

Status TakeFolder(const JoinWish& wish) {
  const std::string& path = wish.folder;
  FARLANE_TRY(MakeOwnFolder(path));
  FARLANE_TRY(CheckOwnFolder(path));
  if (access(PathOf(wish, kDrafts[0]).c_str(), F_OK) == 0) {
    return Status::Ok();  // what it has of the others may be what an earlier try could not finish
  }
  for (const char* const name : kOwned) {
    if (access(PathOf(wish, name).c_str(), F_OK) == 0) {
      return Status(StatusCode::kInvalidArgument,
                    path + " is a server's or a manager's already: it has " + name +
                        "; say another --state-dir");
    }
  }
  return Status::Ok();
}

Result<std::string> FreshId() {
  std::array<uint8_t, 16> id{};
  if (getrandom(id.data(), id.size(), 0) != static_cast<ssize_t>(id.size())) {
    return Status::FromErrno(StatusCode::kInternal, "no random numbers", errno);
  }
  return control::Hex(id);
}

// What was asked for before, if the answer was lost; else something new.
Result<Draft> TakeDraft(const JoinWish& wish) {
  std::array<std::string, std::size(kDrafts)> found;
  bool whole = true;
  for (size_t i = 0; i < found.size(); ++i) {
    FARLANE_ASSIGN(std::optional<std::string> text, pki::ReadSecretFile(PathOf(wish, kDrafts[i])));
    whole = whole && text.has_value();
    found[i] = text.value_or("");
  }
  if (whole) {
    return Draft{.id = found[0], .key = found[1], .request = found[2]};
  }
  Draft draft;
  FARLANE_ASSIGN(draft.id, FreshId());
  FARLANE_ASSIGN(const pki::KeyPair pair, pki::MakeKey());
  draft.key = pair.key;
  FARLANE_ASSIGN(draft.request, pki::MakeRequest(draft.key));
  FARLANE_TRY(pki::WriteSecretFile(PathOf(wish, kDrafts[0]), draft.id));
  FARLANE_TRY(pki::WriteSecretFile(PathOf(wish, kDrafts[1]), draft.key));
  FARLANE_TRY(pki::WriteSecretFile(PathOf(wish, kDrafts[2]), draft.request));
  return draft;
}

void DropDraft(const JoinWish& wish) {
  for (const char* const name : kDrafts) {
    unlink(PathOf(wish, name).c_str());
  }
}

std::string Text(const json& from, const char* name) {
  const auto found = from.find(name);
  return found != from.end() && found->is_string() ? found->get<std::string>() : "";
}

// As protobuf's JSON has bytes.
Result<std::string> FromBase64(std::string text) {
  std::replace(text.begin(), text.end(), '+', '-');
  std::replace(text.begin(), text.end(), '/', '_');
  text.erase(text.find_last_not_of('=') + 1);
  const std::optional<std::string> bytes = token::FromBase64Url(text);
  return bytes.has_value() && !bytes->empty()
             ? Result<std::string>(*bytes)
             : Status(StatusCode::kCorrupt, "what the pool has sent is no key");
}

// The one that the connection was made by, or nothing that it says counts.
Status CheckAuthority(const PoolAddress& pool, const std::string& authority) {
  FARLANE_ASSIGN(const std::string pin, pki::PinOf(authority));
  return pool.ca_pin.empty() || pool.ca_pin == pin
             ? Status::Ok()
             : Status(StatusCode::kCorrupt,
                      "the authority that the pool has sent has the pin " + pin);
}

Status KeepServer(const JoinWish& wish, const Draft& draft, const json& said) {
  const std::string certificate = Text(said, "certificate");
  FARLANE_TRY(pki::EndOf(certificate).While("reading the certificate of the pool's"));
  FARLANE_ASSIGN(const pki::Safe safe, pki::Safe::Open(wish.folder, ""));
  FARLANE_TRY(pki::WriteSecretFile(PathOf(wish, "server-id"), draft.id));
  FARLANE_TRY(safe.Keep("pool.key", draft.key));
  FARLANE_TRY(pki::WriteSecretFile(PathOf(wish, "pool-ca.pem"), Text(said, "authority")));
  return pki::WriteSecretFile(PathOf(wish, "pool.pem"), certificate);
}

Status KeepManager(const JoinWish& wish, const json& said) {
  FARLANE_ASSIGN(const std::string seal, FromBase64(Text(said, "sealKey")));
  const std::string path =
      wish.seal_key_file.empty() ? PathOf(wish, pki::Safe::kKeyFile) : wish.seal_key_file;
  FARLANE_TRY(pki::WriteSecretFile(path, seal));
  FARLANE_ASSIGN(const pki::Safe safe, pki::Safe::Open(wish.folder, wish.seal_key_file));
  FARLANE_TRY(MakeOwnFolder(PathOf(wish, "tls")));
  FARLANE_TRY(safe.Keep("tls/ca.key", Text(said, "authorityKey")));
  return pki::WriteSecretFile(PathOf(wish, "tls/ca.pem"), Text(said, "authority"));
}

// Where servers attach: the port that the manager says, at the host by which it was found.
std::string ServersAt(const PoolAddress& pool, const json& said) {
  const std::string servers = Text(said, "servers");
  std::string place = pool.managers.front();
  place = place.substr(place.find("://") == std::string::npos ? 0 : place.find("://") + 3);
  return place.substr(0, place.rfind(':')) +
         servers.substr(std::min(servers.rfind(':'), servers.size()));
}

std::string NextSteps(const PoolAddress& pool, const JoinWish& wish, const json& said) {
  const std::string name = "\"" + Text(said, "pool") + "\"";
  if (Text(said, "kind") == "manager") {
    return "This machine can be a manager of the pool " + name +
           ". Start it with the same --etcd as the others:\n\n  farlane-poold --tls --state-dir " +
           wish.folder +
           (wish.seal_key_file.empty() ? "" : " --seal-key-file " + wish.seal_key_file) +
           " --etcd HOST:PORT --token-file FILE --listen HOST:PORT\n";
  }
  return "This machine is a server of the pool " + name +
         ". Start it:\n\n  farlane-gpud --state-dir " + wish.folder + " --pool " +
         ServersAt(pool, said) + " --pool-ca " + PathOf(wish, "pool-ca.pem") + "\n";
}

}  // namespace

Result<std::string> JoinPool(const PoolAddress& pool, const JoinWish& wish, int* code) {
  *code = 2;
  PoolAddress asked = pool;
  FARLANE_ASSIGN(asked.token, FirstLine(wish.key_file));
  FARLANE_TRY(TakeFolder(wish));
  *code = 1;
  FARLANE_ASSIGN(const Draft draft, TakeDraft(wish));
  PoolRequest request{.method = "POST", .path = "/v1/pool:join", .body = {}, .sink = {}};
  request.body = json{{"id", draft.id}, {"request", draft.request}}.dump();
  const Result<PoolAnswer> answer = Ask(asked, request);
  *code = answer.ok() ? ExitCodeOf(answer.value()) : ExitCodeOf(answer.error());
  FARLANE_TRY(answer);
  if (*code != 0) {
    return Status(StatusCode::kRefused, ProblemText(answer.value()));
  }
  *code = 1;
  const json said = json::parse(answer.value().body, nullptr, false);
  if (!said.is_object()) {
    return Status(StatusCode::kCorrupt, "the pool's answer is not understood");
  }
  FARLANE_TRY(CheckAuthority(pool, Text(said, "authority")));
  FARLANE_TRY(Text(said, "kind") == "manager" ? KeepManager(wish, said)
                                              : KeepServer(wish, draft, said));
  DropDraft(wish);
  *code = 0;
  return NextSteps(pool, wish, said);
}

}  // namespace farlane::session

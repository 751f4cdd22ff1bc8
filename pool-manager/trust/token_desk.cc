// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/trust/token_desk.h"

#include <algorithm>
#include <string_view>

#include <unistd.h>

#include "pool-manager/trust/peer_user.h"
#include "pool-manager/trust/same_secret.h"
#include "pool-manager/trust/secret_text.h"
#include "protocol/control/hex.h"

namespace farlane::pool {
namespace {

constexpr char kPrefix[] = "/farlane/tokens/";
// How every secret begins, so that a leaked one is recognized for what it is.
constexpr std::string_view kSecretPrefix = "flp1.";
constexpr std::string_view kScheme = "Bearer ";
constexpr size_t kNameBytesMax = 128;
constexpr size_t kNoteBytesMax = 1024;

bool IsName(const std::string& text) {
  return text.size() <= kNameBytesMax && std::all_of(text.begin(), text.end(), [](char letter) {
           return std::isalnum(static_cast<unsigned char>(letter)) != 0 ||
                  std::string_view("-_.@:+").find(letter) != std::string_view::npos;
         });
}

std::vector<Role> RolesOf(const v1::ApiToken& token) {
  std::vector<Role> roles;
  for (const std::string& name : token.roles()) {
    // A role that this version does not know gives nothing.
    if (const std::optional<Role> role = ParseRole(name)) {
      roles.push_back(*role);
    }
  }
  return roles;
}

Caller CallerOf(const v1::ApiToken& token) {
  return {.user = token.user(),
          .service_account = token.service_account(),
          .roles = RolesOf(token),
          .project = token.project(),
          .token_id = token.id(),
          .expires_ms = token.expires_ms()};
}

Status Unknown() {
  return Status(StatusCode::kRefused, "the token is not one of this pool's, or was revoked");
}

}  // namespace

Result<std::unique_ptr<TokenDesk>> TokenDesk::Open(Settings settings, RecordStore& store) {
  FARLANE_ASSIGN(const std::vector<KeyValue> stored, store.List(kPrefix));
  std::unique_ptr<TokenDesk> desk(new TokenDesk(std::move(settings), store));
  Tokens tokens;
  for (const KeyValue& item : stored) {
    v1::ApiToken token;
    if (!token.ParseFromString(item.value) || token.id().empty()) {
      return Status(StatusCode::kCorrupt, "what is stored at " + item.key + " is no token");
    }
    tokens.digests[token.id()] = token.digest();
    tokens.by_digest[token.digest()] = token;
  }
  desk->tokens_.With([&](Tokens& own) { own = std::move(tokens); });
  return desk;
}

// Who shows no token.
Result<Caller> TokenDesk::RecognizeStranger(std::optional<uint32_t> local_user) const {
  const bool is_own = local_user.has_value() && (*local_user == geteuid() || *local_user == 0);
  const std::string name = local_user.has_value() ? UserName(*local_user) : "anybody";
  if (settings_.strangers == Strangers::kAdmins ||
      (settings_.strangers == Strangers::kLocalUsers && is_own)) {
    return Caller{.user = name, .roles = {Role::kPoolAdmin}, .project = "", .token_id = ""};
  }
  if (settings_.strangers == Strangers::kLocalUsers && local_user.has_value()) {
    return Caller{.user = name, .roles = {Role::kUser}, .project = "", .token_id = ""};
  }
  return Status(StatusCode::kRefused, "this pool asks for a token (FARLANE_POOL_TOKEN)");
}

Result<Caller> TokenDesk::Recognize(const std::string& authorization,
                                    std::optional<uint32_t> local_user,
                                    int64_t now_ms) const {
  if (authorization.empty()) {
    return RecognizeStranger(local_user);
  }
  if (!authorization.starts_with(kScheme)) {
    return Status(StatusCode::kRefused, "a token is shown as \"Authorization: Bearer …\"");
  }
  const std::string secret = authorization.substr(kScheme.size());
  if (!settings_.admin_token.empty() && IsSameSecret(settings_.admin_token, secret)) {
    return Caller{.user = "admin", .roles = {Role::kPoolAdmin}, .project = "", .token_id = ""};
  }
  if (!secret.starts_with(kSecretPrefix)) {
    return Unknown();
  }
  // That a digest is looked up by its bytes tells nothing of the secret.
  return tokens_.With([&](const Tokens& tokens) -> Result<Caller> {
    const auto found = tokens.by_digest.find(DigestOf(secret));
    if (found == tokens.by_digest.end()) {
      return Unknown();
    }
    if (now_ms >= found->second.expires_ms()) {
      return Status(StatusCode::kRefused, "the token " + found->second.id() + " has expired");
    }
    return CallerOf(found->second);
  });
}

// Why it cannot be, or an empty text.
std::string TokenDesk::Draft(const v1::CreateTokenRequest& wish,
                             const Caller& maker,
                             int64_t now_ms,
                             v1::ApiToken* token) const {
  if (wish.user().empty() || !IsName(wish.user()) || !IsName(wish.project())) {
    return "a token needs a user, and names are of letters, digits and -_.@:+";
  }
  if (wish.note().size() > kNoteBytesMax) {
    return "a note has at most 1024 bytes";
  }
  if (wish.roles().empty() || wish.roles_size() > static_cast<int>(kRoles.size())) {
    return "a token needs a role: " + RoleNames();
  }
  std::vector<Role> roles;
  for (const std::string& name : wish.roles()) {
    const std::optional<Role> role = ParseRole(name);
    if (!role.has_value()) {
      return "\"" + name + "\" is no role; there are " + RoleNames();
    }
    roles.push_back(*role);
    token->add_roles(name);
  }
  if (wish.lifetime_seconds() < 0 || wish.lifetime_seconds() > kLifetimeSecondsMax) {
    return "a token lives for at most ten years";
  }
  const int64_t seconds = wish.lifetime_seconds() == 0 ? kLifetimeSeconds : wish.lifetime_seconds();
  token->set_user(wish.user());
  token->set_service_account(wish.service_account());
  token->set_project(wish.project());
  token->set_created_by(maker.user);
  token->set_created_ms(now_ms);
  token->set_expires_ms(now_ms + 1000 * seconds);
  token->set_note(wish.note());
  return WhyRolesDoNotFit(roles, wish.project());
}

Result<v1::CreateTokenResponse> TokenDesk::Make(const v1::CreateTokenRequest& wish,
                                                const Caller& maker,
                                                int64_t now_ms) {
  v1::ApiToken token;
  if (const std::string why = Draft(wish, maker, now_ms, &token); !why.empty()) {
    return Status(StatusCode::kInvalidArgument, why);
  }
  // Roles of a project's are all that its admin can give: Draft refuses others with a project.
  if (!maker.MayWith(Verb::kTokenCreate, wish.project(), wish.user())) {
    return Status(StatusCode::kRefused, "a project's admin makes tokens of this project only");
  }
  FARLANE_ASSIGN(const std::string id, RandomBytes(8));
  token.set_id(control::Hex(std::span(reinterpret_cast<const uint8_t*>(id.data()), id.size())));
  v1::CreateTokenResponse response;
  FARLANE_ASSIGN(*response.mutable_secret(), FreshSecret(kSecretPrefix));
  token.set_digest(DigestOf(response.secret()));
  const size_t count = tokens_.With([](const Tokens& tokens) { return tokens.by_digest.size(); });
  if (count >= kTokensMax) {
    return Status(StatusCode::kExhausted, "there are too many tokens; revoke some");
  }
  FARLANE_TRY(store_.Commit({Operation::Put(kPrefix + token.id(), token.SerializeAsString())}));
  tokens_.With([&](Tokens& tokens) {
    tokens.digests[token.id()] = token.digest();
    tokens.by_digest[token.digest()] = token;
  });
  *response.mutable_token() = token;
  response.mutable_token()->clear_digest();
  return response;
}

Result<v1::ApiToken> TokenDesk::Revoke(const std::string& id, const Caller& caller) {
  const std::optional<v1::ApiToken> token = tokens_.With([&](const Tokens& tokens) {
    const auto digest = tokens.digests.find(id);
    return digest == tokens.digests.end() ? std::nullopt
                                          : std::optional(tokens.by_digest.at(digest->second));
  });
  if (!token.has_value() || !caller.MayWith(Verb::kTokenRevoke, token->project(), token->user())) {
    return Status(StatusCode::kNotFound, "there is no token \"" + id + "\"");
  }
  FARLANE_TRY(store_.Commit({Operation::Delete(kPrefix + id)}));
  tokens_.With([&](Tokens& tokens) {
    tokens.by_digest.erase(token->digest());
    tokens.digests.erase(id);
  });
  v1::ApiToken shown = *token;
  shown.clear_digest();
  return shown;
}

std::vector<v1::ApiToken> TokenDesk::List(const Caller& caller) const {
  std::vector<v1::ApiToken> list;
  tokens_.With([&](const Tokens& tokens) {
    for (const auto& [digest, token] : tokens.by_digest) {
      if (caller.MayWith(Verb::kTokenRead, token.project(), token.user())) {
        list.push_back(token);
        list.back().clear_digest();
      }
    }
  });
  std::sort(list.begin(), list.end(), [](const v1::ApiToken& a, const v1::ApiToken& b) {
    return a.created_ms() < b.created_ms();
  });
  return list;
}

}  // namespace farlane::pool

// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/trust/access_table.h"

namespace farlane::pool {
namespace {

struct Row {
  Verb verb;
  const char* name;
  // In the order of kRoles.
  std::array<Reach, kRoles.size()> reaches;
};

constexpr Reach NO = Reach::kNone;
constexpr Reach OWN = Reach::kOwn;
constexpr Reach PROJ = Reach::kProject;
constexpr Reach POOL = Reach::kPool;

// docs/pool-security.md shows the same, and a test compares both.
// clang-format off
constexpr Row kRows[] = {
    //                                            pool- oper- proj.               bill- audi- met-
    //                                            admin ator  admin user  viewer  ing   tor   rics
    {Verb::kStatusRead,    "status.read",        {POOL, POOL, POOL, POOL, POOL,   POOL, POOL, POOL}},
    {Verb::kPoolChange,    "pool.change",        {POOL, POOL, NO,   NO,   NO,     NO,   NO,   NO}},
    {Verb::kPoolBackup,    "pool.backup",        {POOL, NO,   NO,   NO,   NO,     NO,   NO,   NO}},
    {Verb::kServerRead,    "server.read",        {POOL, POOL, POOL, POOL, POOL,   NO,   NO,   POOL}},
    {Verb::kServerChange,  "server.change",      {POOL, POOL, NO,   NO,   NO,     NO,   NO,   NO}},
    {Verb::kServerRevoke,  "server.revoke",      {POOL, POOL, NO,   NO,   NO,     NO,   NO,   NO}},
    {Verb::kSessionRead,   "session.read",       {POOL, POOL, PROJ, OWN,  PROJ,   NO,   NO,   NO}},
    {Verb::kSessionCreate, "session.create",     {POOL, NO,   PROJ, OWN,  NO,     NO,   NO,   NO}},
    {Verb::kSessionPlan,   "session.plan",       {POOL, POOL, PROJ, OWN,  NO,     NO,   NO,   NO}},
    {Verb::kSessionEnd,    "session.end",        {POOL, POOL, PROJ, OWN,  NO,     NO,   NO,   NO}},
    {Verb::kQueueRead,     "queue.read",         {POOL, POOL, PROJ, OWN,  PROJ,   NO,   NO,   NO}},
    {Verb::kQueueChange,   "queue.change",       {POOL, POOL, PROJ, OWN,  NO,     NO,   NO,   NO}},
    {Verb::kProjectRead,   "project.read",       {POOL, POOL, PROJ, PROJ, PROJ,   POOL, NO,   NO}},
    {Verb::kProjectChange, "project.change",     {POOL, NO,   NO,   NO,   NO,     NO,   NO,   NO}},
    {Verb::kUsageRead,     "usage.read",         {POOL, NO,   PROJ, OWN,  NO,     POOL, NO,   NO}},
    {Verb::kTokenRead,     "token.read",         {POOL, NO,   PROJ, OWN,  NO,     NO,   POOL, NO}},
    {Verb::kTokenCreate,   "token.create",       {POOL, NO,   PROJ, NO,   NO,     NO,   NO,   NO}},
    {Verb::kTokenRevoke,   "token.revoke",       {POOL, NO,   PROJ, OWN,  NO,     NO,   NO,   NO}},
    {Verb::kAuditRead,     "audit.read",         {POOL, NO,   NO,   NO,   NO,     NO,   POOL, NO}},
    {Verb::kKeyRotate,     "key.rotate",         {POOL, NO,   NO,   NO,   NO,     NO,   NO,   NO}},
    {Verb::kJoinKeyRead,   "join-key.read",      {POOL, NO,   NO,   NO,   NO,     NO,   POOL, NO}},
    {Verb::kJoinKeyChange, "join-key.change",    {POOL, NO,   NO,   NO,   NO,     NO,   NO,   NO}},
    {Verb::kPoolJoin,      "pool.join",          {NO,   NO,   NO,   NO,   NO,     NO,   NO,   NO}},
    {Verb::kMetricsRead,   "metrics.read",       {POOL, POOL, NO,   NO,   NO,     NO,   NO,   POOL}},
    {Verb::kAccessRead,    "access.read",        {POOL, POOL, POOL, POOL, POOL,   POOL, POOL, POOL}},
};

// clang-format on

const Row* RowOf(Verb verb) {
  for (const Row& row : kRows) {
    if (row.verb == verb) {
      return &row;
    }
  }
  return nullptr;
}

}  // namespace

const char* VerbName(Verb verb) {
  const Row* const row = RowOf(verb);
  return row == nullptr ? "?" : row->name;
}

std::optional<Verb> ParseVerb(std::string_view name) {
  for (const Row& row : kRows) {
    if (name == row.name) {
      return row.verb;
    }
  }
  return std::nullopt;
}

const char* ReachName(Reach reach) {
  switch (reach) {
    case Reach::kOwn:
      return "own";
    case Reach::kProject:
      return "project";
    case Reach::kPool:
      return "pool";
    default:
      return "none";
  }
}

Reach ReachOf(Role role, Verb verb) {
  const Row* const row = RowOf(verb);
  const auto column = static_cast<size_t>(role);
  return row == nullptr || column >= row->reaches.size() ? Reach::kNone : row->reaches[column];
}

}  // namespace farlane::pool

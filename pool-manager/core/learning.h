// SPDX-License-Identifier: Apache-2.0
// Learning is what the pool has seen: how far clients are from servers, what programs are like, and
// where each was last. Placement is told of it before it decides; until something was seen, it goes
// by names of places and by what programs of a class are like.
//
// What a client has measured counts for itself only: for this machine's sessions of this project.
// What servers report of sessions is believed in the same bounds, as the session has named itself.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "pool-manager/placement/decide.h"
#include "pool-manager/placement/link_book.h"
#include "protocol/control/pool.pb.h"

namespace farlane::pool {

// Thread: caller's. Times are those of the caller's clock, which only goes forward.
class Learning {
 public:
  // So many servers are offered to be measured.
  static constexpr size_t kProbesMost = 3;
  // Programs and clients that are remembered.
  static constexpr size_t kKnownMost = 20'000;

  // What was stored before.
  void Restore(const std::vector<v1::Profile>& profiles);

  // The program's profile, and where it was last, if the view still has that server.
  void Inform(const ClusterView& cluster, const v1::SessionSpec& spec, Request* request) const;
  // What is known of the ways from this client.
  void Inform(const ClusterView& cluster,
              const v1::SessionSpec& spec,
              uint64_t now_ns,
              NetworkView* network) const;

  // A client has measured the way to some servers; a round trip of 0: it cannot reach them.
  void NoteMeasured(const v1::SessionSpec& spec,
                    const google::protobuf::RepeatedPtrField<v1::Measured>& measured,
                    uint64_t now_ns);
  // A new session goes to this server.
  void NoteHome(const v1::SessionSpec& spec, const std::string& server_id);
  // A server tells how one of its sessions is.
  void NoteLoad(const v1::Session& session, const v1::SessionLoad& load, uint64_t now_ns);
  // A session is over.
  void NoteEnd(const v1::Session& session, int64_t now_ms);

  // The best candidates, with how far they are known to be.
  static std::vector<v1::Candidate> Best(const ClusterView& cluster,
                                         const NetworkView& network,
                                         const Request& request,
                                         const Decision& decision);
  // The same, if that is not known well enough to choose among them; else none.
  static std::vector<v1::Candidate> WorthProbing(const ClusterView& cluster,
                                                 const NetworkView& network,
                                                 const Request& request,
                                                 const Decision& decision);

  // Where the request's own bounds on the way keep out all that could take it: servers that may lie
  // within them for all that is known, as nobody has measured the way of late.
  static std::vector<v1::Candidate> PerhapsNearer(const ClusterView& cluster,
                                                  const NetworkView& network,
                                                  const Request& request,
                                                  const PlacementPolicy& policy,
                                                  const PlacementRules* rules);

  // Profiles that have changed since the last time, to be stored.
  std::vector<v1::Profile> TakeChanged();

  // Drops what is too old; now and then.
  void Forget(uint64_t now_ns);

 private:
  static std::string ProgramOf(const v1::SessionSpec& spec);
  static std::string ClientOf(const v1::SessionSpec& spec);

  void NoteWay(const std::string& client,
               const std::string& server_id,
               const LinkBook::Seen& seen,
               uint64_t now_ns);

  LinkBook links_;
  std::map<std::string, std::set<std::string>> known_;  // servers by client, that are in links_
  std::map<std::string, AppProfile> profiles_;          // by program
  std::map<std::string, std::string> homes_;            // server by client and program
  std::map<std::string, v1::SessionLoad> running_;      // the last of each session, by its id
  std::map<std::string, v1::Profile> changed_;
};

}  // namespace farlane::pool

// SPDX-License-Identifier: Apache-2.0
// TenantBook is the projects and organisations of a pool as people describe them, kept in step with
// the tree by which sessions are admitted.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "pool-manager/core/pool.h"
#include "pool-manager/core/reservations.h"

namespace farlane::pool {

// Borrows the pool.
// Thread: caller's.
class TenantBook {
 public:
  explicit TenantBook(Pool& pool);

  // What was stored before. Who cannot be taken up is left out, with a word in the log.
  void Restore(std::vector<v1::Project> projects);

  // Makes one, or changes its quota; `project` becomes as it is kept.
  std::optional<Objection> Set(v1::Project* project, bool must_be_new, const Pool::Now& now);
  std::optional<Objection> Remove(const std::string& name);
  const v1::Project* Find(const std::string& name) const;

  const Projects& All() const { return projects_; }

  // Reservations begin and end.
  void Look(const Pool::Now& now);
  // What a project is to have for some time; `reservation` becomes as it is kept, and `project` as
  // it is to be stored then.
  std::optional<Objection> Reserve(v1::Reservation* reservation,
                                   const Pool::Now& now,
                                   v1::Project* project);
  std::optional<Objection> EndReservation(const std::string& id,
                                          const Pool::Now& now,
                                          v1::Reservation* ended,
                                          v1::Project* project);
  // The first first; those that are over are not there any more.
  std::vector<v1::Reservation> Reservations() const;

  // `waiting`: how many sessions of each project do.
  std::vector<v1::ProjectStatus> List(const std::map<std::string, uint32_t>& waiting) const;

 private:
  static constexpr size_t kReservationDigits = 16;

  farlane::Status Enter(const v1::Project& project, const Amount& reserved);

  Pool& pool_;
  Projects projects_;
  // Of those that have reservations: what is counted of them now.
  std::map<std::string, Amount> reserved_;
};

}  // namespace farlane::pool

// SPDX-License-Identifier: Apache-2.0
// TenantBook is the projects and organisations of a pool as people describe them, kept in step with
// the tree by which sessions are admitted.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "pool-manager/core/pool.h"

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
  // `waiting`: how many sessions of each project do.
  std::vector<v1::ProjectStatus> List(const std::map<std::string, uint32_t>& waiting) const;

 private:
  farlane::Status Enter(const v1::Project& project);

  Pool& pool_;
  std::map<std::string, v1::Project> projects_;
};

}  // namespace farlane::pool

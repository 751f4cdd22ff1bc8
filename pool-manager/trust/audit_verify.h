// SPDX-License-Identifier: Apache-2.0
// Looking through an audit log: each segment by itself, that each stands on the one before it, and
// that none ends before the head that the store knows.
#pragma once

#include <string>
#include <vector>

#include "protocol/base/result.h"
#include "protocol/control/pool.pb.h"

namespace farlane::pool {

// The segments of a folder, the oldest first.
Result<std::vector<std::string>> AuditFiles(const std::string& folder);
Result<std::string> ReadAuditFile(const std::string& path);

// `heads`: as the store has them; without any, nobody can tell what was cut off at the end.
// `manager`: whose folder it is; segments of others are not looked for.
v1::AuditVerdict VerifyAudit(const std::string& folder,
                             const std::vector<v1::AuditHead>& heads,
                             const std::string& manager);

}  // namespace farlane::pool

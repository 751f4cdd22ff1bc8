// SPDX-License-Identifier: Apache-2.0
// What the manager's HTTP answers are made of: a message as JSON, or what is wrong, as RFC 9457 has
// it.
#pragma once

#include <string>
#include <vector>

#include <google/protobuf/message.h>

#include "pool-manager/api/http_server.h"
#include "pool-manager/core/pool.h"

namespace farlane::pool {

HttpAnswer Json(const google::protobuf::Message& message, unsigned status = 200);

// `reason` is for programs, `detail` a sentence for people, `explain` more of them.
HttpAnswer Problem(unsigned status,
                   const std::string& reason,
                   const std::string& detail,
                   const std::vector<std::string>& explain = {});
HttpAnswer Problem(const Objection& objection);
HttpAnswer NotFound(const std::string& what);

// Reads a body. False: `problem` says what is wrong with it.
bool ReadJson(const std::string& body, google::protobuf::Message* message, HttpAnswer* problem);

}  // namespace farlane::pool

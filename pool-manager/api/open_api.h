// SPDX-License-Identifier: Apache-2.0
// The description of all that can be asked of the manager, as OpenAPI 3.1 has it: made of the
// table of routes and of the messages, so that it cannot say anything else than they do.
#pragma once

#include <string>

#include "pool-manager/api/http_server.h"

namespace farlane::pool {

inline constexpr char kOpenApiPath[] = "/v1/openapi.json";

// The document. It does not change while the process lives.
const std::string& OpenApiText();

HttpAnswer OpenApiAnswer();

}  // namespace farlane::pool

// SPDX-License-Identifier: Apache-2.0
#include "protocol/control/session_service.h"

#include <cstring>

namespace farlane::control {

bool IsServiceRequest(const ServiceRequest& request) {
  return memcmp(request.magic, kServiceMagic, sizeof kServiceMagic) == 0 &&
         request.version == kServiceVersion && request.verb >= ServiceVerb::kList &&
         request.verb <= ServiceVerb::kEvents;
}

const char* SeverityName(Severity severity) {
  switch (severity) {
    case Severity::kWarning:
      return "warning";
    case Severity::kCritical:
      return "critical";
    case Severity::kInfo:
      break;
  }
  return "info";
}

ServiceRequest MakeServiceRequest(ServiceVerb verb, const std::string& session) {
  ServiceRequest request{};
  memcpy(request.magic, kServiceMagic, sizeof kServiceMagic);
  request.version = kServiceVersion;
  request.verb = verb;
  SetText(request.session, session);
  return request;
}

}  // namespace farlane::control

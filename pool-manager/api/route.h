// SPDX-License-Identifier: Apache-2.0
// Route is one thing that can be asked of the manager over HTTP: where, what it is called, which
// messages go in and out, and who answers. All there are stand in one table, by which requests are
// answered, and from which everything is made that speaks of them.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "pool-manager/api/http_server.h"
#include "pool-manager/daemon/pool_host.h"
#include "pool-manager/trust/guards.h"

namespace farlane::pool {

// A request that has found its route.
struct Call {
  PoolHost& host;
  const HttpRequest& request;
  std::vector<std::string> names;  // what stands where the path has {…}, in order
  std::string user;                // who asks
  const Caller& caller;            // the same, with what he may do
  Guards& guards;
};

// What may stand behind the '?' of a path.
struct QueryParameter {
  const char* name;
  const char* type;  // of JSON: "string", "integer"
  const char* what;  // for people, a line
  const char* example;
};

// A good answer beside the usual one.
struct OtherAnswer {
  unsigned status;
  const char* gives;  // a message
  const char* what;   // when, for people
};

// What the description of the API says of a route beside its messages.
struct RouteNotes {
  std::span<const QueryParameter> query{};
  const char* body = "";                  // an example of what it takes
  unsigned status = 200;                  // of an answer that is no problem
  const char* type = "application/json";  // of an answer that is no message
  const char* streams = "";               // a message a line, where ?watch=1 is asked for
  std::span<const OtherAnswer> others{};  // other good answers than that
};

struct Route {
  const char* method;  // "GET"
  const char* path;  // "/v1/servers/{name}:cordon"; {…} is one or more characters but '/' and ':'
  const char* verb;  // "servers.cordon"
  const char* takes;    // the body's message, "CreateSessionRequest"; empty: there is none
  const char* gives;    // the answer's message
  const char* summary;  // for people, a line
  HttpAnswer (*answer)(const Call& call);
  RouteNotes notes{};
};

std::span<const Route> SessionRoutes();
std::span<const Route> ServerRoutes();
std::span<const Route> PoolRoutes();
std::span<const Route> TenantRoutes();
std::span<const Route> AccessRoutes();
std::span<const Route> JoinRoutes();

// All of them.
const std::vector<Route>& AllRoutes();

// Whether a path is of this kind; `names` gets what stands where the pattern has {…}.
bool PathMatches(const std::string& pattern,
                 const std::string& path,
                 std::vector<std::string>* names);

}  // namespace farlane::pool

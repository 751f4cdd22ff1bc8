// SPDX-License-Identifier: Apache-2.0
#include "tools/farlane/private_server.h"

#include <cerrno>

#include <sys/random.h>

#include "protocol/base/environment.h"

namespace farlane::cli {
namespace {

// In the abstract name space: no file is left behind, whatever happens. The name cannot be guessed,
// and the server checks the user besides.
Result<std::string> FreshAddress() {
  unsigned char noise[16];
  if (getrandom(noise, sizeof noise, 0) != static_cast<ssize_t>(sizeof noise)) {
    return Status::FromErrno(StatusCode::kInternal, "no random numbers", errno);
  }
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string address = "unix:@farlane-";
  for (const unsigned char byte : noise) {
    address += kDigits[byte >> 4];
    address += kDigits[byte & 15];
  }
  return address;
}

}  // namespace

Result<PrivateServer> PrivateServer::Start(const Installation& installation,
                                           const PrivateServerOptions& options,
                                           SignalInbox* inbox,
                                           int* interrupted_by) {
  FARLANE_ASSIGN(const std::string address, FreshAddress());
  BackgroundPlan plan{
      .name = "the private server",
      .arguments = {installation.ServerProgram(), "--listen",
                    address,  // A debugger may stop its one program for as long as it likes.
                    "--grace", "0",
                    // One user's own: nobody else's could be left in its memory,
                    // and a server that need not look is there sooner.
                    "--zero-memory", "never",
                    // And one program's, which sees one instance of a divided GPU in any case.
                    "--instances", "none", "--log-level",
                    Environment("FARLANE_LOG").value_or("warn")}};
  if (options.memory_bytes) {
    plan.arguments.insert(plan.arguments.end(), {"--mem", std::to_string(*options.memory_bytes)});
  }
  FARLANE_ASSIGN(BackgroundProgram program, BackgroundProgram::Start(plan, inbox, interrupted_by));
  return PrivateServer(std::move(program));
}

}  // namespace farlane::cli

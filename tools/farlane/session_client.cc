// SPDX-License-Identifier: Apache-2.0
#include "tools/farlane/session_client.h"

#include <CLI/CLI.hpp>

#include "protocol/base/environment.h"
#include "protocol/base/log.h"
#include "protocol/control/session_service.h"
#include "tools/farlane/verb.h"

namespace farlane::cli {

void AddControlOption(CLI::App* app, std::string* given) {
  app->add_option("--control", *given,
                  "where the server answers (default: FARLANE_CONTROL, else " +
                      std::string(control::kDefaultService) + ")")
      ->type_name("ADDRESS");
}

std::string ServiceAddress(const std::string& given) {
  return given.empty() ? Environment("FARLANE_CONTROL").value_or(control::kDefaultService) : given;
}

int FailAsking(const Status& why) {
  LogError("%s (farlane-gpud answers at the address of its option --control)",
           why.message().c_str());
  return kExitFarlane;
}

}  // namespace farlane::cli

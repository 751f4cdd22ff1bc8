// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/agent/options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <fstream>

#include "protocol/base/log.h"
#include "protocol/control/hex.h"

namespace farlane::agent {

std::optional<Options> ReadCommandLine(int argc, char** argv) {
  Options options;
  std::string server;
  std::string key_file;
  std::vector<std::string> labels;
  CLI::App app("Speaks with a pool's manager for the farlane-gpud that starts it.",
               "farlane-agent");
  app.add_option("--pool", options.pool)->required();
  app.add_option("--name", options.name)->required();
  app.add_option("--control", options.control)->required();
  app.add_option("--server-id", server)->required();
  app.add_option("--link-fd", options.link_fd)->required();
  app.add_option("--address", options.addresses)->required();
  app.add_option("--label", labels);
  app.add_option("--key-file", key_file);
  app.add_option("--ca-file", options.ca_file);
  app.add_option("--ca-pin", options.ca_pin);
  app.add_option("--folder", options.folder);
  app.add_flag("--insecure", options.insecure);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {  // the parser's own way of saying that it is done
    app.exit(error);
    return std::nullopt;
  }
  for (const std::string& label : labels) {
    const size_t equals = label.find('=');
    options.labels[label.substr(0, equals)] =
        equals == std::string::npos ? "" : label.substr(equals + 1);
  }
  if (std::ifstream file(key_file); !key_file.empty() && !std::getline(file, options.key)) {
    LogError("%s has no first line that can be read", key_file.c_str());
    return std::nullopt;
  }
  if (!control::FromHex(server, options.server)) {
    LogError("\"%s\" names no server", server.c_str());
    return std::nullopt;
  }
  return options;
}

}  // namespace farlane::agent

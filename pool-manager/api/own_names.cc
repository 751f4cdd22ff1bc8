// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/api/own_names.h"

#include <algorithm>
#include <cctype>

#include <arpa/inet.h>
#include <unistd.h>

namespace farlane::pool {
namespace {

constexpr std::string_view kLocalhost = "localhost";

std::string Small(std::string_view text) {
  std::string small(text);
  for (char& letter : small) {
    letter = static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
  }
  return small;
}

bool IsAddress(const std::string& host) {
  in6_addr unused{};
  return inet_pton(AF_INET, host.c_str(), &unused) == 1 ||
         inet_pton(AF_INET6, host.c_str(), &unused) == 1;
}

// Without the port, and without what encloses an IPv6 address.
std::string HostOf(std::string_view header) {
  if (header.starts_with('[')) {
    const size_t end = header.find(']');
    return end == std::string_view::npos ? Small(header) : Small(header.substr(1, end - 1));
  }
  std::string host = Small(header.substr(0, header.find(':')));
  if (host.ends_with('.')) {
    host.pop_back();  // "localhost." is the same
  }
  return host;
}

}  // namespace

OwnNames::OwnNames(std::vector<std::string> names) {
  char own[256] = "";
  if (gethostname(own, sizeof own - 1) == 0 && own[0] != '\0') {
    names.emplace_back(own);
  }
  for (const std::string& name : names) {
    names_.push_back(Small(name));
  }
}

bool OwnNames::Has(std::string_view host_header) const {
  if (host_header.empty()) {
    return true;
  }
  const std::string host = HostOf(host_header);
  return host == kLocalhost || host.ends_with("." + std::string(kLocalhost)) || IsAddress(host) ||
         std::find(names_.begin(), names_.end(), host) != names_.end();
}

}  // namespace farlane::pool

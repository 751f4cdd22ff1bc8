// SPDX-License-Identifier: Apache-2.0
// OwnNames tells whether a request is meant for this manager, by its Host header. A page in a
// browser can have its own name point to this machine (DNS rebinding); the browser then takes what
// it hears from here for the page's own, and the kernel says that the request is the user's. But
// the header still has the page's name.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace farlane::pool {

// Thread: any; it does not change.
class OwnNames {
 public:
  // `names`: of hosts, beside this machine's own name. Addresses in numbers and "localhost" are
  // always good: nobody makes them point elsewhere.
  explicit OwnNames(std::vector<std::string> names);

  // "HOST", "HOST:PORT", "[ADDRESS]:PORT"; who says no host at all is no browser.
  bool Has(std::string_view host_header) const;

 private:
  std::vector<std::string> names_;  // in small letters
};

}  // namespace farlane::pool

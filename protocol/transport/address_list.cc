// SPDX-License-Identifier: Apache-2.0
#include "protocol/transport/address_list.h"

#include <algorithm>

namespace farlane::transport {

Result<std::vector<Address>> ParseAddressList(const std::string& list) {
  std::vector<Address> addresses;
  for (size_t start = 0; start <= list.size();) {
    const size_t comma = std::min(list.find(',', start), list.size());
    FARLANE_ASSIGN(Address address, Address::Parse(list.substr(start, comma - start)));
    addresses.push_back(std::move(address));
    start = comma + 1;
  }
  return addresses;
}

}  // namespace farlane::transport

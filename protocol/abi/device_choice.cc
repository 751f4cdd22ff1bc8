// SPDX-License-Identifier: Apache-2.0
#include "protocol/abi/device_choice.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <numeric>

namespace farlane::abi {
namespace {

char HexDigit(unsigned value) {
  return static_cast<char>(value < 10 ? '0' + value : 'a' + value - 10);
}

// The place of the only device whose UUID begins so; -1 for none, and for a prefix of two.
int PlaceOfUuid(std::span<const DeviceName> all, const std::string& prefix) {
  int found = -1;
  for (size_t i = 0; i < all.size(); ++i) {
    if (UuidText(all[i].uuid).rfind(prefix, 0) != 0) {
      continue;
    }
    if (found >= 0) {
      return -1;
    }
    found = static_cast<int>(i);
  }
  return found;
}

// -1 for an entry that names no device.
int PlaceOf(std::span<const DeviceName> all, const std::string& entry) {
  if (entry.rfind("GPU-", 0) == 0) {
    return PlaceOfUuid(all, entry);
  }
  char* end = nullptr;
  const long place = strtol(entry.c_str(), &end, 10);
  const bool number = end != entry.c_str() && *end == '\0';
  return number && place >= 0 && place < static_cast<long>(all.size()) ? static_cast<int>(place)
                                                                       : -1;
}

// Domain, bus, device, function; what cannot be read comes first.
std::array<unsigned, 4> BusOf(const DeviceName& device) {
  std::array<unsigned, 4> bus{};
  static_cast<void>(
      sscanf(device.bus_id.c_str(), "%x:%x:%x.%x", &bus[0], &bus[1], &bus[2], &bus[3]));
  return bus;
}

}  // namespace

std::string UuidText(const CUuuid& uuid) {
  std::string text = "GPU-";
  for (int i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) {
      text += '-';
    }
    const auto byte = static_cast<unsigned char>(uuid.bytes[i]);
    text += HexDigit(byte >> 4);
    text += HexDigit(byte & 15);
  }
  return text;
}

std::vector<size_t> OrderByBus(std::span<const DeviceName> all) {
  std::vector<size_t> places(all.size());
  std::iota(places.begin(), places.end(), size_t{0});
  std::stable_sort(places.begin(), places.end(),
                   [all](size_t a, size_t b) { return BusOf(all[a]) < BusOf(all[b]); });
  return places;
}

std::vector<size_t> VisibleDevices(std::span<const DeviceName> all, const std::string& list) {
  std::vector<size_t> visible;
  size_t start = 0;
  while (start <= list.size()) {
    const size_t comma = std::min(list.find(',', start), list.size());
    std::string entry = list.substr(start, comma - start);
    entry.erase(0, entry.find_first_not_of(' '));
    entry.erase(entry.find_last_not_of(' ') + 1);
    const int place = PlaceOf(all, entry);
    if (place < 0) {
      break;
    }
    if (std::count(visible.begin(), visible.end(), static_cast<size_t>(place)) != 0) {
      return {};
    }
    visible.push_back(static_cast<size_t>(place));
    start = comma + 1;
  }
  return visible;
}

}  // namespace farlane::abi

// SPDX-License-Identifier: Apache-2.0
#include "client-shim/servers.h"

#include <algorithm>
#include <set>

#include <unistd.h>

#include "client-shim/device.h"
#include "client-shim/hello.h"
#include "protocol/abi/device_choice.h"
#include "protocol/abi/driver_environment.h"
#include "protocol/base/bytes.h"
#include "protocol/base/clock.h"
#include "protocol/base/guarded.h"
#include "protocol/base/log.h"
#include "protocol/base/part_key.h"
#include "protocol/transport/address_list.h"

namespace farlane::shim {
namespace {

static_assert(kPartsMost <= wire::kServersMax, "what a pool gives a program can have");

// What FARLANE_SERVER says.
Result<std::vector<transport::Address>> ReadList(const std::string& list) {
  FARLANE_ASSIGN(std::vector<transport::Address> addresses, transport::ParseAddressList(list));
  if (addresses.size() > wire::kServersMax) {
    return Status(StatusCode::kInvalidArgument, "it names " + std::to_string(addresses.size()) +
                                                    " servers; a program has " +
                                                    std::to_string(wire::kServersMax) + " at most");
  }
  return addresses;
}

Status NoDevice(const Config& config, bool several) {
  const std::string of = several ? "the servers" : "the server";
  return Status(StatusCode::kNotFound, config.visible_devices.has_value()
                                           ? "CUDA_VISIBLE_DEVICES=\"" + *config.visible_devices +
                                                 "\" leaves no device of " + of + " visible"
                                           : of + (several ? " have" : " has") + " no device");
}

// Of one server, in the order that the program wants; buses of different machines have none.
std::vector<Device> InOrder(const Session& session) {
  std::vector<Device> devices = session.devices();
  for (Device& device : devices) {
    device.server = session.number();
  }
  if (!abi::DriverEnvironment::OfProgram().by_bus) {
    return devices;
  }
  std::vector<abi::DeviceName> names;
  for (const Device& device : devices) {
    names.push_back({.uuid = device.uuid, .bus_id = device.pci_bus_id});
  }
  std::vector<Device> ordered;
  for (const size_t place : abi::OrderByBus(names)) {
    ordered.push_back(devices[place]);
  }
  return ordered;
}

// Devices of one server that stand together in what the program sees.
struct Run {
  uint32_t server = 0;
  ptrdiff_t first = 0;
  ptrdiff_t count = 0;
};

Result<std::vector<Run>> RunsOf(const std::vector<Device>& visible, const Config& config) {
  std::vector<Run> runs;
  for (const Device& device : visible) {
    if (!runs.empty() && runs.back().server == device.server) {
      ++runs.back().count;
      continue;
    }
    const ptrdiff_t first = runs.empty() ? 0 : runs.back().first + runs.back().count;
    if (std::any_of(runs.begin(), runs.end(),
                    [&device](const Run& run) { return run.server == device.server; })) {
      return Status(StatusCode::kInvalidArgument,
                    "CUDA_VISIBLE_DEVICES=\"" + config.visible_devices.value_or("") +
                        "\" mixes the devices of several servers; those of one server must stand "
                        "together");
    }
    runs.push_back({.server = device.server, .first = first, .count = 1});
  }
  return runs;
}

// A server to which a pool has sent us can go when it has welcomed us, and before it has said what
// it has: nothing is lost by then.
Result<std::unique_ptr<Session>> MeetPatiently(const transport::Address& server,
                                               const Config& config,
                                               uint32_t number) {
  const uint64_t until_ns = NowNs() + PatienceNs(config);
  while (true) {
    Result<std::unique_ptr<Session>> met = Session::Meet(server, config, number);
    const bool is_away = !met.ok() && met.error().code() == StatusCode::kUnavailable;
    if (!is_away || NowNs() >= until_ns) {
      return met;
    }
    LogDebug("%s; trying again", met.error().message().c_str());
    usleep(kRestartPauseUs);
  }
}

}  // namespace

Servers::Servers(std::unique_ptr<Session> only) {
  sessions_.push_back(std::move(only));
}

Result<Servers> Servers::Connect(const std::string& list, const Config& config) {
  Result<std::vector<transport::Address>> addresses = ReadList(list);
  if (!addresses.ok()) {
    return Status(addresses.error()).While("FARLANE_SERVER");
  }
  Servers servers;
  for (size_t i = 0; i < addresses->size(); ++i) {
    const auto number = static_cast<uint32_t>(i);
    Result<std::unique_ptr<Session>> session =
        MeetPatiently((*addresses)[i], config.ForServer(number), number);
    if (!session.ok()) {
      servers.CloseAll();
      return session.error();
    }
    servers.sessions_.push_back(std::move(session).value());
  }
  Status settled = servers.Settle(config);
  if (!settled.ok()) {
    servers.CloseAll();
    return settled;
  }
  return servers;
}

// Which devices the program sees, and by what numbers.
Status Servers::Settle(const Config& config) {
  std::vector<Device> visible;
  for (const std::unique_ptr<Session>& session : sessions_) {
    const std::vector<Device> ordered = InOrder(*session);
    visible.insert(visible.end(), ordered.begin(), ordered.end());
  }
  if (config.visible_devices.has_value()) {
    visible = VisibleDevices(std::move(visible), *config.visible_devices);
  }
  if (visible.empty()) {
    return NoDevice(config, sessions_.size() > 1);
  }
  const Result<std::vector<Run>> runs = RunsOf(visible, config);
  if (!runs.ok()) {
    return runs.error();
  }
  for (const Run& run : *runs) {
    const auto first = visible.begin() + run.first;
    FARLANE_TRY(sessions_[run.server]->Settle(std::vector<Device>(first, first + run.count),
                                              static_cast<int32_t>(run.first)));
  }
  std::vector<std::unique_ptr<Session>> settled;
  for (const Run& run : *runs) {
    settled.push_back(std::move(sessions_[run.server]));
  }
  CloseAll();  // those that are left
  sessions_ = std::move(settled);
  Separate();
  return Status::Ok();
}

void Servers::CloseAll() {
  for (const std::unique_ptr<Session>& session : sessions_) {
    if (session != nullptr) {
      session->Close();
    }
  }
}

// Drivers put variables of modules where they like, which must not be where the program has memory
// of another server. What was declined to a server its driver keeps free by itself. What others
// have got since then has most likely the addresses that the driver would use next, so they are
// used up.
void Servers::Separate() {
  for (auto session = sessions_.begin(); session != sessions_.end(); ++session) {
    for (auto later = std::next(session); later != sessions_.end(); ++later) {
      for (const Device& device : (*later)->devices()) {
        wire::SpaceRequestReply reply;
        const wire::SpaceRequest request{.device = (*session)->devices().front().server_ordinal,
                                         .attempt = 0,
                                         .bytes = device.arena_bytes};
        if (device.arena_bytes != 0) {
          static_cast<void>(
              (*session)->Call(0, request, &reply));  // KeepClear sees what goes wrong
        }
      }
    }
  }
}

bool Servers::KeepClear(const Session& owner, AddressRange range) const {
  static auto* const kept = new Guarded<std::set<uint64_t>>();  // chunks; never destroyed
  const uint64_t first = RoundDown(range.address, Arena::kChunkBytes);
  return kept->With([&](std::set<uint64_t>& chunks) {
    bool clear = true;
    for (uint64_t at = first; at < range.address + range.bytes; at += Arena::kChunkBytes) {
      clear = clear && (chunks.contains(at) || TakeChunk(owner, at));
      if (clear) {
        chunks.insert(at);
      }
    }
    return clear;
  });
}

bool Servers::TakeChunk(const Session& owner, uint64_t chunk) const {
  for (const std::unique_ptr<Session>& session : sessions_) {
    for (int32_t i = 0; session.get() != &owner && i < session->devices_count(); ++i) {
      DeviceMemory& memory = session->memory(session->first_device() + i);
      if (!memory.Contains(chunk)) {
        continue;
      }
      const std::optional<uint64_t> got = memory.Reserve(Arena::kChunkBytes, 0, chunk);
      if (got != chunk) {
        if (got.has_value()) {
          memory.Unreserve({.address = *got, .bytes = Arena::kChunkBytes});
        }
        return false;
      }
    }
  }
  return true;
}

Session* Servers::Numbered(uint32_t number) const {
  for (const std::unique_ptr<Session>& session : sessions_) {
    if (session->number() == number) {
      return session.get();
    }
  }
  return nullptr;
}

Session* Servers::OfDevice(int32_t device) const {
  for (const std::unique_ptr<Session>& session : sessions_) {
    if (session->HasDevice(device)) {
      return session.get();
    }
  }
  return nullptr;
}

bool Servers::Has(Session& session, uint64_t address) {
  return session.DeviceOfAddress(address) >= 0 ||
         session.host_memory().Find(reinterpret_cast<const void*>(address)).has_value();
}

Session* Servers::OfAddress(uint64_t address) const {
  for (const std::unique_ptr<Session>& session : sessions_) {
    if (Has(*session, address)) {
      return session.get();
    }
  }
  return nullptr;
}

int32_t Servers::devices_count() const {
  return sessions_.back()->first_device() + sessions_.back()->devices_count();
}

int32_t Servers::driver_version() const {
  int32_t least = sessions_.front()->driver_version();
  for (const std::unique_ptr<Session>& session : sessions_) {
    least = std::min(least, session->driver_version());
  }
  return least;
}

}  // namespace farlane::shim

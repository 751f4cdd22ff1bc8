// SPDX-License-Identifier: Apache-2.0
// A hostile server: whatever it says to the client library, the program's calls come back, its
// threads end, and nothing of its memory is touched but what it has offered.
// The first byte says which parts of the program run (client_program.h), the second: 0, the rest is
// said as it is, after the welcome; else the rest is a list of what goes out otherwise than a plain
// server says it (plain_server.h).
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include <sys/mman.h>
#include <unistd.h>

#include "client-shim/process.h"
#include "protocol/base/log.h"
#include "tests/fuzz/client_program.h"
#include "tests/fuzz/likely_messages.h"
#include "tests/fuzz/plain_server.h"

namespace farlane::fuzz {
namespace {

// Where clients of this process find their server.
// Thread: immutable.
struct Place {
  transport::Address address;
  Fd listener;
};

const Place& Here() {
  static const Place place = [] {
    Place made{.address = transport::Address::Parse("unix:@farlane-client-fuzz-" +
                                                    std::to_string(getpid()))
                              .value(),
               .listener = Fd()};
    transport::Address bound;
    made.listener = transport::Listen(made.address, &bound).value();
    return made;
  }();
  return place;
}

size_t CountThreads() {
  size_t count = 0;
  for ([[maybe_unused]] const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    ++count;
  }
  return count;
}

// A session is used by its threads to the last: one that does not end is a finding.
void AwaitThreads(size_t before) {
  for (int i = 0; CountThreads() > before; ++i) {
    if (i > 20'000) {
      abort();
    }
    std::this_thread::sleep_for(std::chrono::microseconds(500));
  }
}

// The addresses that devices were given would be there for the rest of the process.
void GiveAddressesBack(const shim::Session& session) {
  for (const shim::Device& device : session.devices()) {
    if (device.arena_bytes != 0) {
      munmap(reinterpret_cast<void*>(device.arena_address), device.arena_bytes);
    }
  }
}

void UseSession(std::unique_ptr<shim::Session> session,
                uint8_t parts,
                std::thread* server,
                size_t threads) {
  shim::Process& process = shim::Process::Get();
  process.Adopt(std::move(session));
  std::thread(RunClientProgram, parts).join();  // a thread of its own has no contexts of the last
  session = process.Release();
  session->Close();
  server->join();
  AwaitThreads(threads);
  GiveAddressesBack(*session);
}

void Run(ConstBytes input) {
  if (input.size() < 2) {
    return;
  }
  const auto parts = static_cast<uint8_t>(input[0]);
  Edits edits;
  if (input[1] == std::byte{0}) {
    edits.is_raw = true;
    edits.raw.assign(input.begin() + 2, input.end());
  } else {
    edits = ReadEdits(input.subspan(2));
  }
  const Place& place = Here();
  const size_t threads = CountThreads();
  std::thread server([&place, edits = std::move(edits)]() mutable {
    PlainServer(PlainServer::Accept(place.listener), std::move(edits)).Serve();
  });
  shim::Config config;
  config.transport = channel::WishedTransport::kUnix;
  Result<std::unique_ptr<shim::Session>> session = shim::Session::Connect(place.address, config);
  if (session.ok()) {
    UseSession(std::move(*session), parts, &server, threads);
  } else {
    server.join();
    AwaitThreads(threads);
  }
}

// Everything that a server says by itself, and changes of everything that it says.
const std::vector<Item>& LikelyItems() {
  static const std::vector<Item> items = [] {
    std::vector<Item> made;
    const std::vector<std::byte> data(64, std::byte{1});
    wire::EachLikelyServerMessage(
        0x1000'0000'0000, data, [&made](const auto& message) { made.push_back(ItemOf(message)); });
    for (uint32_t number = 0; number < 48; ++number) {
      const Change change{.number = number,
                          .action = static_cast<uint8_t>(number % kActions),
                          .word = static_cast<uint8_t>(number % 4),
                          .value = number % 3};
      const auto bytes = std::as_bytes(std::span(&change, 1));
      made.push_back({.op = kChangeOp, .body = {bytes.begin(), bytes.end()}});
      const uint64_t place = number;
      const auto at = std::as_bytes(std::span(&place, 1));
      made.push_back({.op = kAtOp, .body = {at.begin(), at.end()}});
    }
    return made;
  }();
  return items;
}

}  // namespace
}  // namespace farlane::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  farlane::SetLogLevel(farlane::LogLevel::kNone);
  farlane::fuzz::Run(std::as_bytes(std::span(data, size)));
  return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data,
                                          size_t size,
                                          size_t size_max,
                                          unsigned int seed) {
  if (size < 2 || data[1] == 0 || seed % 8 == 0) {
    return LLVMFuzzerMutate(data, size, size_max);
  }
  return farlane::fuzz::MutateList(data, size, size_max, 2, farlane::fuzz::LikelyItems(), seed);
}

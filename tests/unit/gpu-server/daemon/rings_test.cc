// SPDX-License-Identifier: Apache-2.0
// The real daemon with clients that share memory with their worker and do with it what no client
// would: each harms itself, and nobody else notices.
#include <cstring>
#include <random>
#include <thread>

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "protocol/base/descriptor_slot.h"
#include "protocol/transport/shm_ring.h"
#include "tests/support/gpud_process.h"
#include "tests/support/memory_stream.h"

namespace farlane::server {
namespace {

using transport::RingHeader;

// What the contract of a session's end says.
constexpr int kEndMs = 2000;

// The memory that follows a welcome.
Fd TakeMemory(int socket) {
  pollfd waiting{.fd = socket, .events = POLLIN, .revents = 0};
  EXPECT_EQ(poll(&waiting, 1, 10'000), 1);
  char byte = 0;
  iovec part{.iov_base = &byte, .iov_len = 1};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  DescriptorSlot slot;
  slot.Attach(&message);
  EXPECT_EQ(recvmsg(socket, &message, MSG_CMSG_CLOEXEC), 1);
  Fd memory = DescriptorSlot::Take(message);
  EXPECT_TRUE(memory.valid());
  return memory;
}

// A client that has taken the memory and plays by no rules. Thread: the test's.
class LyingClient {
 public:
  explicit LyingClient(const GpudProcess& gpud) : client_(gpud.Connect()) {
    wire::ClientHello hello = GoodHello();
    hello.offers = wire::kOffersRings;
    const auto answer = client_.Introduce(hello);
    EXPECT_TRUE(answer.has_value());
    if (!answer.has_value()) {
      return;
    }
    EXPECT_EQ(answer->way, wire::Way::kRings);
    worker_ = static_cast<pid_t>(answer->worker);
    const Fd memory = TakeMemory(client_.socket());
    void* const mapped = mmap(nullptr, 2 * transport::kRingBytes, PROT_READ | PROT_WRITE,
                              MAP_SHARED, memory.get(), 0);
    EXPECT_NE(mapped, MAP_FAILED);
    bytes_ = static_cast<std::byte*>(mapped);
  }

  LyingClient(const LyingClient&) = delete;
  LyingClient& operator=(const LyingClient&) = delete;

  ~LyingClient() { munmap(bytes_, 2 * transport::kRingBytes); }

  pid_t worker() const { return worker_; }

  // The worker made the memory, so its ring is the first.
  RingHeader& from_worker() { return *reinterpret_cast<RingHeader*>(bytes_); }

  RingHeader& to_worker() { return *reinterpret_cast<RingHeader*>(bytes_ + transport::kRingBytes); }

  std::byte* data() { return bytes_ + transport::kRingBytes + transport::kRingHeaderBytes; }

  // Its worker may have ended already.
  void Wake() { static_cast<void>(send(client_.socket(), "", 1, MSG_NOSIGNAL)); }

  // The first message that it sends.
  template <typename Message>
  void Ask(const Message& message) {
    farlane::testing::MemoryStream stream;
    channel::BatchWriter writer(stream);
    writer.Append(message);
    EXPECT_TRUE(writer.Flush().ok());
    memcpy(data(), stream.written.data(), stream.written.size());
    to_worker().written = stream.written.size();
    Wake();
  }

  void WaitForWelcome() {
    const uint64_t until = NowNs() + ScriptedClient::kPatienceNs;
    while (from_worker().written == 0 && NowNs() < until) {
      usleep(1000);
    }
    EXPECT_NE(from_worker().written, 0u);
  }

 private:
  ScriptedClient client_;
  pid_t worker_ = 0;
  std::byte* bytes_ = nullptr;
};

class Rings : public ::testing::Test {
 protected:
  Rings() : gpud_({"--listen", "unix:@farlane-rings-" + std::to_string(getpid())}) {}

  // Somebody else, before and after.
  void ExpectUndisturbed() {
    EXPECT_EQ(other_.Call(wire::PrimaryRetain{.context = kContext, .device = 0}), CUDA_SUCCESS);
    GpudClient next(gpud_);
    EXPECT_EQ(next.devices.size(), 1u);
    // A liar's worker ends by itself: it has noticed, and did not fall over what it was told.
    EXPECT_EQ(gpud_.Log().find("ended by signal"), std::string::npos) << gpud_.Log();
  }

  static constexpr wire::Handle kContext = wire::MakeHandle(wire::HandleKind::kContext, 0, 1);

  GpudProcess gpud_;
  GpudClient other_{gpud_};
};

TEST_F(Rings, MemoryThatIsPassedCannotBeTakenAway) {
  Fd memory;
  {
    ScriptedClient client(gpud_.Connect());
    wire::ClientHello hello = GoodHello();
    hello.offers = wire::kOffersRings;
    ASSERT_TRUE(client.Introduce(hello).has_value());
    memory = TakeMemory(client.socket());
  }
  EXPECT_NE(ftruncate(memory.get(), 0), 0);
  EXPECT_NE(ftruncate(memory.get(), 4 * transport::kRingBytes), 0);
  EXPECT_NE(fcntl(memory.get(), F_ADD_SEALS, F_SEAL_WRITE), 0);
}

TEST_F(Rings, AnIndexThatCannotBeEndsItsOwnWorkerOnly) {
  for (const uint64_t lie : {transport::kRingDataBytes + 1, UINT64_MAX, uint64_t{1} << 63}) {
    LyingClient liar(gpud_);
    liar.WaitForWelcome();
    liar.to_worker().written = lie;
    liar.Wake();
    EXPECT_TRUE(DiesWithin(liar.worker(), kEndMs)) << lie;
  }
  ExpectUndisturbed();
}

TEST_F(Rings, MoreTakenThanWasWrittenHarmsNobody) {
  LyingClient liar(gpud_);
  liar.WaitForWelcome();
  liar.from_worker().taken = liar.from_worker().written + 1;
  liar.Ask(wire::PrimaryRetain{.context = kContext, .device = 0});
  ExpectUndisturbed();
}

TEST_F(Rings, GarbageInTheRingEndsItsOwnWorkerOnly) {
  LyingClient liar(gpud_);
  liar.WaitForWelcome();
  std::mt19937 random(7);
  for (size_t i = 0; i < transport::kRingDataBytes; ++i) {
    liar.data()[i] = static_cast<std::byte>(random());
  }
  liar.to_worker().written = transport::kRingDataBytes;
  liar.Wake();
  EXPECT_TRUE(DiesWithin(liar.worker(), kEndMs));
  EXPECT_TRUE(gpud_.WaitForLog("broke the protocol")) << gpud_.Log();
  ExpectUndisturbed();
}

// The header says one thing when it is checked and perhaps another when it is used.
TEST_F(Rings, BytesThatChangeWhileTheyAreReadEndTheirOwnWorkerOnly) {
  LyingClient liar(gpud_);
  liar.WaitForWelcome();
  const wire::BatchHeader good{.bytes = sizeof good, .first_sequence = 1};
  wire::BatchHeader bad = good;
  bad.bytes = UINT32_MAX;
  uint64_t written = 0;
  const uint64_t until = NowNs() + ScriptedClient::kPatienceNs;
  while (IsAlive(liar.worker()) && NowNs() < until) {
    std::byte* const at = liar.data() + written % transport::kRingDataBytes;
    if (written - liar.to_worker().taken < transport::kRingDataBytes / 2 &&
        transport::kRingDataBytes - written % transport::kRingDataBytes >= sizeof good) {
      memcpy(at, &good, sizeof good);
      written += sizeof good;
      liar.to_worker().written = written;
      memcpy(at, &bad, sizeof bad);
      liar.Wake();
    }
  }
  EXPECT_FALSE(IsAlive(liar.worker()));
  ExpectUndisturbed();
}

TEST_F(Rings, WakingAllTheTimeHarmsNobodyElse) {
  {
    LyingClient liar(gpud_);
    liar.WaitForWelcome();
    for (int i = 0; i < 2000; ++i) {
      liar.Wake();
    }
    EXPECT_TRUE(IsAlive(liar.worker()));
    ExpectUndisturbed();
  }
}

TEST_F(Rings, AClientThatIsGoneTakesItsWorkerAlong) {
  pid_t worker = 0;
  {
    LyingClient liar(gpud_);
    liar.WaitForWelcome();
    worker = liar.worker();
    EXPECT_TRUE(IsAlive(worker));
  }
  EXPECT_TRUE(DiesWithin(worker, kEndMs));
}

}  // namespace
}  // namespace farlane::server

// SPDX-License-Identifier: Apache-2.0
// What the command channel costs, beside what a bare stream of the same kind with the same wait
// policy costs: over loopback TCP, a Unix socket or shared memory. Both are measured in turns
// within one run, so that whatever else the machine does falls on both; the ratio of each pair
// counts, and its median is printed with the quarter points.
//
//   channel_bench [rounds [tcp|unix|shm]]
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string_view>
#include <thread>
#include <vector>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "protocol/base/check.h"
#include "protocol/base/clock.h"
#include "protocol/channel/command_channel.h"
#include "protocol/channel/wait_policy.h"
#include "protocol/transport/address.h"
#include "protocol/transport/shm_stream.h"
#include "protocol/transport/socket_stream.h"

namespace farlane {
namespace {

constexpr int kCalls = 2000;
constexpr int kPosts = 20'000;
constexpr size_t kParameterBytes = 64;
constexpr size_t kRawBatchBytes = 16_KiB;  // as the channel gathers

constexpr char kRule[] = "cubic";  // of congestion control

struct Connection {
  std::unique_ptr<transport::Stream> client;
  std::unique_ptr<transport::Stream> server;
};

enum class Kind : uint8_t { kTcp, kUnix, kShm };

Connection ConnectTcp() {
  transport::Address bound;
  const Fd listener =
      transport::Listen(transport::Address::Parse("127.0.0.1:0").value(), &bound).value();
  Fd near = transport::Connect(bound, 1'000'000'000).value();
  Fd far(accept(listener.get(), nullptr, nullptr));
  // Another rule may pace what is sent, and a timer for each batch is all that would be measured.
  for (const Fd* socket : {&near, &far}) {
    setsockopt(socket->get(), IPPROTO_TCP, TCP_CONGESTION, kRule, sizeof kRule - 1);
  }
  auto client = std::make_unique<transport::SocketStream>(std::move(near));
  auto server = std::make_unique<transport::SocketStream>(std::move(far));
  return {.client = std::move(client), .server = std::move(server)};
}

Connection Connect(Kind kind) {
  if (kind == Kind::kTcp) {
    return ConnectTcp();
  }
  int ends[2];
  FARLANE_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  if (kind == Kind::kUnix) {
    return {.client = std::make_unique<transport::SocketStream>(Fd(ends[0])),
            .server = std::make_unique<transport::SocketStream>(Fd(ends[1]))};
  }
  Connection made;
  made.client = transport::ShmStream::Offer(Fd(ends[0])).value();
  made.server = transport::ShmStream::Accept(Fd(ends[1]), transport::kForever).value();
  return made;
}

// Two ends on one core take turns and two on two do not, so where the scheduler happens to put them
// would be most of what is measured. To be called after a wait policy has counted the cores.
void StayOn(int core) {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(core, &one);
  sched_setaffinity(0, sizeof one, &one);
}

constexpr int kNear = 0;
constexpr int kFar = 1;

// Looks by the policy, then sleeps, until something has been read; 0 at the end of the stream.
size_t ReadSome(transport::Stream& stream, channel::WaitPolicy& wait, Bytes into) {
  while (true) {
    transport::Transfer got;
    const auto look = [&] {
      const Result<transport::Transfer> read = stream.Read(into);
      got = read.ok() ? *read : transport::Transfer{.closed = true};
      return got.bytes != 0 || got.closed;
    };
    if (look() || wait.Spin(look)) {
      return got.bytes;
    }
    if (!stream.Wait(transport::Interest::kRead, transport::kForever).ok()) {
      return 0;
    }
  }
}

bool ReadWhole(transport::Stream& stream, channel::WaitPolicy& wait, Bytes into) {
  while (!into.empty()) {
    const size_t bytes = ReadSome(stream, wait, into);
    if (bytes == 0) {
      return false;
    }
    into = into.subspan(bytes);
  }
  return true;
}

void WriteWhole(transport::Stream& stream, ConstBytes bytes) {
  while (!bytes.empty()) {
    const iovec part{.iov_base = const_cast<std::byte*>(bytes.data()), .iov_len = bytes.size()};
    const Result<size_t> written = stream.Write(std::span(&part, 1));
    if (!written.ok()) {
      return;
    }
    if (*written == 0) {
      (void)stream.Wait(transport::Interest::kWrite, transport::kForever);
    }
    bytes = bytes.subspan(*written);
  }
}

// ---- the bare socket

// The size on the wire of a call and its answer.
constexpr size_t kPingBytes = sizeof(wire::BatchHeader) + 16;
constexpr uint16_t kPing = 0xffff;  // no message of ours has this number
constexpr size_t kPongBytes = sizeof(wire::BatchHeader) + 48;

// Thread: caller's, with an echoing thread behind it.
class RawPeer {
 public:
  explicit RawPeer(Kind kind) : connection_(Connect(kind)), echo_([this] { Echo(); }) {}

  ~RawPeer() {
    connection_.client->Shutdown();
    echo_.join();
  }

  void Ping() {
    std::byte bytes[kPongBytes] = {};
    const wire::MessageHeader header{.op = kPing, .bytes = kPingBytes};
    memcpy(bytes, &header, sizeof header);
    WriteWhole(*connection_.client, ConstBytes(bytes, kPingBytes));
    FARLANE_CHECK(ReadWhole(*connection_.client, wait_, Bytes(bytes, kPongBytes)));
  }

  // Messages that nobody answers.
  void Stream(ConstBytes bytes) { WriteWhole(*connection_.client, bytes); }

 private:
  // Answers every ping, only reads the rest.
  void Echo() {
    channel::WaitPolicy wait = channel::WaitPolicy::Default();
    StayOn(kFar);
    std::vector<std::byte> room(2_MiB);  // as our reader
    size_t have = 0;
    while (true) {
      const size_t bytes = ReadSome(*connection_.server, wait, Bytes(room).subspan(have));
      if (bytes == 0) {
        return;
      }
      have += bytes;
      size_t at = 0;
      wire::MessageHeader header;
      for (; at + sizeof header <= have; at += header.bytes) {
        memcpy(&header, room.data() + at, sizeof header);
        if (at + header.bytes > have) {
          break;
        }
        if (header.op == kPing) {
          WriteWhole(*connection_.server, ConstBytes(room.data(), kPongBytes));
        }
      }
      memmove(room.data(), room.data() + at, have - at);
      have -= at;
    }
  }

  Connection connection_;
  channel::WaitPolicy wait_ = channel::WaitPolicy::Default();
  std::thread echo_;
};

// ---- the channel

class Silence final : public channel::ServerListener {
 public:
  wire::WireError OnMessage(const wire::MessageView& /*message*/) override {
    return wire::WireError::kNone;
  }

  bool HasWork() const override { return false; }

  void OnReadingPaused() override {}
};

// A server that does nothing with what it is told, but as a worker: checked, decoded, acknowledged.
// Thread: caller's, with a serving thread behind it.
class ChannelPeer {
 public:
  explicit ChannelPeer(Kind kind) : connection_(Connect(kind)), serve_([this] { Serve(); }) {
    channel_ = std::make_unique<channel::CommandChannel>(std::move(connection_.client), silence_);
  }

  ~ChannelPeer() {
    channel_->Close();
    serve_.join();
  }

  channel::CommandChannel& channel() { return *channel_; }

 private:
  void Serve() {
    channel::BatchReader reader(*connection_.server, wire::Side::kClient);
    channel::BatchWriter writer(*connection_.server);
    channel::WaitPolicy wait = channel::WaitPolicy::Default();
    StayOn(kFar);
    using Look = channel::BatchReader::Look;
    while (true) {
      Result<Look> look = reader.Fill();
      const auto something = [&] {
        look = reader.Fill();
        return !look.ok() || *look != Look::kNothing;
      };
      const auto idle = [&] { Say(reader, writer, true); };
      if (look.ok() && *look == Look::kNothing &&
          !wait.Spin(something, channel::AcknowledgePolicy::kIdleNs, idle)) {
        idle();
        (void)connection_.server->Wait(transport::Interest::kRead, transport::kForever);
        continue;
      }
      if (!look.ok() || *look == Look::kClosed || *look == Look::kBye || !Take(reader, writer)) {
        return;
      }
      if (!Say(reader, writer, false)) {
        return;
      }
    }
  }

  bool Say(channel::BatchReader& reader, channel::BatchWriter& writer, bool idle) {
    writer.Acknowledge(reader.last_sequence());
    if (acknowledge_.IsDue(reader.read_bytes(), idle)) {
      writer.AppendAcknowledgement();
    }
    return writer.Flush().ok();
  }

  static bool Take(channel::BatchReader& reader, channel::BatchWriter& writer) {
    wire::MessageView view;
    bool found = true;
    while (reader.Next(&view, &found) == wire::WireError::kNone) {
      if (!found) {
        return true;
      }
      wire::Launch launch;
      if (static_cast<wire::Op>(view.op) == wire::Op::kLaunch &&
          Decode(view.body, &launch) != wire::WireError::kNone) {
        return false;
      }
      if (wire::IsAwaited(view.op)) {
        std::byte body[16] = {};
        writer.Append(wire::Reply{.sequence = view.sequence, .op = view.op, .body = body});
      }
    }
    return false;
  }

  Silence silence_;
  Connection connection_;
  channel::AcknowledgePolicy acknowledge_;
  std::unique_ptr<channel::CommandChannel> channel_;
  std::thread serve_;
};

// ---- what is measured, in nanoseconds for one

double RawCalls(RawPeer& peer) {
  const uint64_t start = NowNs();
  for (int i = 0; i < kCalls; ++i) {
    peer.Ping();
  }
  return static_cast<double>(NowNs() - start) / kCalls;
}

double Calls(ChannelPeer& peer) {
  channel::Answer answer;
  const uint64_t start = NowNs();
  for (int i = 0; i < kCalls; ++i) {
    FARLANE_CHECK(peer.channel().Call(wire::MemoryInfo{}, &answer).ok());
  }
  return static_cast<double>(NowNs() - start) / kCalls;
}

struct PostCost {
  double caller_ns = 0;  // until the last post has returned
  double whole_ns = 0;   // until the other side has taken everything
  double switches = 0;   // of all threads, for all posts
};

// How often threads of this process have left the processor.
double Switches() {
  rusage use{};
  getrusage(RUSAGE_SELF, &use);
  return static_cast<double>(use.ru_nvcsw + use.ru_nivcsw);
}

const std::vector<std::byte>& Parameters() {
  static const std::vector<std::byte> parameters(kParameterBytes, std::byte{7});
  return parameters;
}

wire::Launch LaunchNumber(int number) {
  return {.function = 1,
          .grid_x = static_cast<uint32_t>(number),
          .grid_y = 1,
          .grid_z = 1,
          .block_x = 256,
          .block_y = 1,
          .block_z = 1,
          .parameters = Parameters()};
}

// The same bytes packed into a buffer that is written when it is full: no lock, no numbers.
PostCost RawPosts(RawPeer& peer) {
  const size_t stride = EncodedBytes(LaunchNumber(0));
  std::vector<std::byte> buffer(kRawBatchBytes / stride * stride);
  size_t at = 0;
  const double switches = Switches();
  const uint64_t start = NowNs();
  for (int i = 0; i < kPosts; ++i) {
    Encode(LaunchNumber(i), buffer.data() + at);
    at += stride;
    if (at == buffer.size()) {
      peer.Stream(buffer);
      at = 0;
    }
  }
  peer.Stream(ConstBytes(buffer).first(at));
  const uint64_t posted = NowNs();
  peer.Ping();
  return {.caller_ns = static_cast<double>(posted - start) / kPosts,
          .whole_ns = static_cast<double>(NowNs() - start) / kPosts,
          .switches = Switches() - switches};
}

PostCost Posts(ChannelPeer& peer) {
  channel::Answer answer;
  const double switches = Switches();
  const uint64_t start = NowNs();
  for (int i = 0; i < kPosts; ++i) {
    peer.channel().Post(LaunchNumber(i));
  }
  const uint64_t posted = NowNs();
  FARLANE_CHECK(peer.channel().Call(wire::MemoryInfo{}, &answer).ok());
  return {.caller_ns = static_cast<double>(posted - start) / kPosts,
          .whole_ns = static_cast<double>(NowNs() - start) / kPosts,
          .switches = Switches() - switches};
}

// ---- the table

// Pairs of one quantity. Thread: caller's.
class Pairs {
 public:
  void Add(double raw_ns, double ours_ns) {
    raw_.push_back(raw_ns);
    ours_.push_back(ours_ns);
    ratios_.push_back(ours_ns / raw_ns);
  }

  void Print(const char* what, const char* target) {
    printf("%-38s %9.3f %9.3f   %5.2f  [%.2f .. %.2f]   %s\n", what, At(raw_, 0.5) / 1000,
           At(ours_, 0.5) / 1000, At(ratios_, 0.5), At(ratios_, 0.25), At(ratios_, 0.75), target);
  }

 private:
  static double At(std::vector<double> values, double part) {
    std::sort(values.begin(), values.end());
    return values[static_cast<size_t>(part * static_cast<double>(values.size() - 1))];
  }

  std::vector<double> raw_;
  std::vector<double> ours_;
  std::vector<double> ratios_;
};

int Run(int rounds, Kind kind) {
  RawPeer raw(kind);
  ChannelPeer ours(kind);
  StayOn(kNear);
  RawCalls(raw);
  Calls(ours);
  Pairs calls;
  Pairs posts;
  Pairs throughput;
  const uint64_t sends_before = ours.channel().counters().sends;
  const uint64_t looks_before = ours.channel().counters().looks;
  double raw_switches = 0;
  double switches = 0;
  for (int round = 0; round < rounds; ++round) {
    // Which of the two comes first alternates.
    const bool raw_first = round % 2 == 0;
    double raw_call = raw_first ? RawCalls(raw) : 0;
    const double call = Calls(ours);
    raw_call = raw_first ? raw_call : RawCalls(raw);
    calls.Add(raw_call, call);
    PostCost raw_post = raw_first ? RawPosts(raw) : PostCost{};
    const PostCost post = Posts(ours);
    raw_post = raw_first ? raw_post : RawPosts(raw);
    posts.Add(raw_post.caller_ns, post.caller_ns);
    throughput.Add(raw_post.whole_ns, post.whole_ns);
    raw_switches += raw_post.switches;
    switches += post.switches;
  }
  const uint64_t sends = ours.channel().counters().sends - sends_before;
  printf("%d rounds of %d calls and %d posts, %zu bytes of parameters; medians in microseconds\n",
         rounds, kCalls, kPosts, kParameterBytes);
  printf("%-38s %9s %9s   %5s  %14s   %s\n", "", "raw", "ours", "ratio", "quarter points",
         "target");
  calls.Print("call: round trip", "<= 1.2");
  posts.Print("post: caller's time", "<= 3, about 0.15 us");
  throughput.Print("post: until all have arrived", "<= 1.67");
  const auto each = [rounds](double count) { return count / rounds; };
  printf("for %d posts: %.1f sends, %.1f looks of the tender, %.1f switches (raw: %.1f)\n", kPosts,
         each(static_cast<double>(sends)) - static_cast<double>(kCalls) - 1,
         each(static_cast<double>(ours.channel().counters().looks - looks_before)), each(switches),
         each(raw_switches));
  return 0;
}

}  // namespace
}  // namespace farlane

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? atoi(argv[1]) : 30;
  const std::string_view name = argc > 2 ? argv[2] : "tcp";
  const auto kind = name == "shm"    ? farlane::Kind::kShm
                    : name == "unix" ? farlane::Kind::kUnix
                                     : farlane::Kind::kTcp;
  if (rounds < 1 || argc > 3) {
    fprintf(stderr, "usage: channel_bench [rounds [tcp|unix|shm]]\n");
    return 2;
  }
  return farlane::Run(rounds, kind);
}

// SPDX-License-Identifier: Apache-2.0
// Data that a channel sends from where it lies.
#include <algorithm>
#include <csignal>
#include <random>

#include <sys/mman.h>
#include <sys/socket.h>

#include "protocol/transport/socket_stream.h"
#include "tests/unit/protocol/channel/command_channel_fixture.h"

namespace farlane::channel {
namespace {

class LentDataTest : public CommandChannelTest {
 protected:
  wire::Sequence PostLent(ConstBytes data) {
    return channel().PostLentWith([data](BatchWriter& writer) {
      return writer.AppendLent(wire::CopyIn{.address = data.size(), .data = data});
    });
  }
};

// The memory is used again at once, while the server still reads what was in it before.
TEST_P(LentDataTest, MayBeOverwrittenWhenThePostReturns) {
  constexpr size_t kCopies = 64;
  Start([kCopies](ServerEnd& end) {
    size_t right = 0;
    for (size_t i = 0; i < kCopies; ++i) {
      const auto message = end.Next();
      wire::CopyIn copy;
      ASSERT_TRUE(message.has_value());
      ASSERT_EQ(Decode(message->body, &copy), wire::WireError::kNone);
      const auto value = static_cast<std::byte>(i);
      right += copy.data.size() == copy.address &&
                       static_cast<size_t>(std::count(copy.data.begin(), copy.data.end(), value)) ==
                           copy.data.size()
                   ? 1
                   : 0;
    }
    const auto call = end.Next();
    ASSERT_TRUE(call.has_value());
    end.Answer(*call, static_cast<int32_t>(right));
    end.ServeToTheEnd();
  });
  std::mt19937 random(3);
  std::vector<std::byte> data(wire::kPieceBytes);
  for (size_t i = 0; i < kCopies; ++i) {
    std::fill(data.begin(), data.end(), static_cast<std::byte>(i));
    EXPECT_EQ(PostLent(ConstBytes(data).first(random() % data.size() + 1)), i + 1);
  }
  std::fill(data.begin(), data.end(), std::byte{0xff});
  EXPECT_EQ(CallFor(0), static_cast<int32_t>(kCopies));
}

TEST_P(LentDataTest, IsNotTouchedAfterTheServerHasGone) {
  Start([](ServerEnd& end) { static_cast<void>(end.Next()); });
  auto data = std::make_unique<std::vector<std::byte>>(wire::kPieceBytes);
  while (PostLent(*data) != 0) {
  }
  data.reset();
  EXPECT_TRUE(channel().is_lost());
}

INSTANTIATE_TEST_SUITE_P(Over, LentDataTest, kEveryTransport, TransportName);

// ---- memory that the system cannot read for us

std::byte* guarded = nullptr;
size_t guarded_bytes = 0;
volatile sig_atomic_t faults = 0;

void Open(int /*signal*/) {
  faults = faults + 1;
  mprotect(guarded, guarded_bytes, PROT_READ | PROT_WRITE);
}

// A program may handle faults in its own memory, as garbage collectors do: then a copy of that
// memory is right, and the connection goes on.
TEST(LentMemory, MayBeSuchThatTheProgramHandlesItsFaults) {
#ifdef FARLANE_EMULATED
  GTEST_SKIP() << "qemu touches the memory of a write itself, and faults of its own are its end";
#endif
  guarded_bytes = wire::kPieceBytes;
  void* const memory =
      mmap(nullptr, guarded_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  guarded = static_cast<std::byte*>(memory);
  std::fill_n(guarded, guarded_bytes, std::byte{7});
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  transport::SocketStream near((Fd(ends[0])));
  transport::SocketStream far((Fd(ends[1])));
  BatchWriter writer(near);

  struct sigaction before {};

  struct sigaction open {};

  open.sa_handler = Open;
  sigaction(SIGSEGV, &open, &before);
  writer.AppendLent(wire::CopyIn{.data = ConstBytes(guarded, guarded_bytes)});
  mprotect(guarded, guarded_bytes, PROT_NONE);

  const Result<bool> flushed = writer.Flush();

  sigaction(SIGSEGV, &before, nullptr);
  EXPECT_TRUE(flushed.ok());
  EXPECT_EQ(faults, 1);
  writer.Keep();
  BatchReader reader(far, wire::Side::kClient);
  wire::MessageView view;
  bool found = false;
  for (int i = 0; i < 100 && !found; ++i) {
    EXPECT_TRUE(writer.Flush().ok());
    EXPECT_TRUE(reader.Fill().ok());
    ASSERT_EQ(reader.Next(&view, &found), wire::WireError::kNone);
  }
  ASSERT_TRUE(found);
  wire::CopyIn copy;
  ASSERT_EQ(Decode(view.body, &copy), wire::WireError::kNone);
  EXPECT_EQ(std::count(copy.data.begin(), copy.data.end(), std::byte{7}),
            static_cast<long>(guarded_bytes));
  munmap(memory, guarded_bytes);
}

}  // namespace
}  // namespace farlane::channel

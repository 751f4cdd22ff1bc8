// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/daemon/last_word.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/wait.h>

#include "tests/support/scripted_client.h"

namespace farlane::server {
namespace {

constexpr uint64_t kLimitNs = 50'000'000;

// A connection over TCP, whose kernel drops what is under way when the sender's end has unread
// data.
struct Connection {
  Fd server;
  Fd client;

  Connection() {
    const Fd listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in place{};
    place.sin_family = AF_INET;
    place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof place;
    EXPECT_EQ(bind(listener.get(), reinterpret_cast<sockaddr*>(&place), size), 0);
    EXPECT_EQ(listen(listener.get(), 1), 0);
    EXPECT_EQ(getsockname(listener.get(), reinterpret_cast<sockaddr*>(&place), &size), 0);
    client = Fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(connect(client.get(), reinterpret_cast<sockaddr*>(&place), size), 0);
    server = Fd(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  }
};

// What a worker does, in a process of its own: it ends.
pid_t Begin(Connection& connection, void (*act)(Outbox&, int, CommandWatch&)) {
  const pid_t child = fork();
  if (child != 0) {
    connection.server.Reset();
    return child;
  }
  connection.client.Reset();
  const int socket = connection.server.get();
  transport::SocketStream stream(std::move(connection.server));
  Wakeup wakeup;
  Outbox outbox(stream, wakeup);
  CommandWatch watch(kLimitNs);
  act(outbox, socket, watch);
  _exit(9);
}

int EndOf(pid_t child) {
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void ExpectTold(ScriptedClient& client) {
  EXPECT_TRUE(client.WaitForClose());
  ASSERT_EQ(client.failures.size(), 1u);
  EXPECT_EQ(client.failures[0].result, CUDA_ERROR_LAUNCH_TIMEOUT);
}

TEST(LastWord, ArrivesThoughMuchThatWasSentIsNeverRead) {
  Connection connection;
  const std::vector<char> unread(100'000, 'x');
  ASSERT_EQ(send(connection.client.get(), unread.data(), unread.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(unread.size()));
  const pid_t child = Begin(connection, [](Outbox& outbox, int socket, CommandWatch& watch) {
    EndWithLastWord(outbox, socket, watch);
  });
  EXPECT_EQ(EndOf(child), 0);
  ScriptedClient client(std::move(connection.client));
  ExpectTold(client);
}

TEST(LastWord, IsNotWaitedForWhereNobodyTakesIt) {
  Connection connection;
  const uint64_t before_ns = NowNs();
  const pid_t child = Begin(connection, [](Outbox& outbox, int socket, CommandWatch& watch) {
    const std::vector<char> much(1 << 16, 'x');
    while (send(socket, much.data(), much.size(), MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {
    }
    EndWithLastWord(outbox, socket, watch);
  });
  EXPECT_EQ(EndOf(child), 0);
  EXPECT_GE(NowNs() - before_ns, kLastWordNs);
}

TEST(LastWord, IsSaidByAnotherThreadIfTheDispatchThreadIsStuck) {
  Connection connection;
  const pid_t child = Begin(connection, [](Outbox& outbox, int socket, CommandWatch& watch) {
    watch.NoteGiven(NowNs());
    WatchDispatch(outbox, socket, watch);
    while (true) {
      pause();  // as in a call of the driver that waits for the command
    }
  });
  ScriptedClient client(std::move(connection.client));
  ExpectTold(client);
  EXPECT_EQ(EndOf(child), 0);
}

TEST(LastWord, IsNotSaidWhileTheDispatchThreadLooks) {
  Connection connection;
  const pid_t child = Begin(connection, [](Outbox& outbox, int socket, CommandWatch& watch) {
    const uint64_t begun_ns = NowNs();
    WatchDispatch(outbox, socket, watch);
    while (NowNs() - begun_ns < 10 * kLimitNs) {
      watch.Note(begun_ns, NowNs());
    }
    _exit(7);  // the dispatch thread itself would have ended it long since
  });
  EXPECT_EQ(EndOf(child), 7);
}

}  // namespace
}  // namespace farlane::server

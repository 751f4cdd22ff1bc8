// SPDX-License-Identifier: Apache-2.0
// The real daemon with real workers: who is let in, who dies with whom, and what nobody else
// notices.
#include <algorithm>
#include <fstream>
#include <set>
#include <thread>

#include <gtest/gtest.h>

#include "tests/support/gpud_process.h"
#include "tests/support/image_client.h"

namespace farlane::server {
namespace {

using wire::Verdict;

// What the contract of a session's end says.
constexpr int kEndMs = 2000;

constexpr wire::Handle kContext = wire::MakeHandle(wire::HandleKind::kContext, 0, 1);

void UseContext(ScriptedClient& client) {
  ASSERT_EQ(client.Call(wire::PrimaryRetain{.context = kContext, .device = 0}), CUDA_SUCCESS);
  client.Post(wire::SetContext{.context = kContext});
  LoadTestImage(client);
}

void ExpectRefusal(const GpudProcess& gpud, const wire::ClientHello& hello, Verdict verdict) {
  ScriptedClient client(gpud.Connect());
  const auto answer = client.Introduce(hello);
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->verdict, verdict);
  EXPECT_STRNE(answer->reason, "");
  EXPECT_TRUE(client.WaitForClose());
}

TEST(Gpud, RefusesHellosThatItCannotServe) {
  const GpudProcess gpud;
  wire::ClientHello hello = GoodHello();
  hello.version = 2;
  ExpectRefusal(gpud, hello, Verdict::kWrongVersion);
  hello = GoodHello();
  hello.wire_hash = 0;
  ExpectRefusal(gpud, hello, Verdict::kWrongVersion);
  hello = GoodHello();
  hello.purpose = static_cast<wire::Purpose>(0);
  ExpectRefusal(gpud, hello, Verdict::kBadHello);

  GpudClient good(gpud);
}

TEST(Gpud, ClosesWhatDoesNotSpeakTheProtocol) {
  GpudProcess gpud;
  ScriptedClient client(gpud.Connect());
  client.SendRaw("GET / HTTP/1.1\r\n", 16);

  EXPECT_FALSE(client.ReadServerHello().has_value());
  EXPECT_TRUE(gpud.WaitForLog("does not speak our protocol"));
  GpudClient good(gpud);
}

TEST(Gpud, ClosesWhoSaysNothingAndServesOthersMeanwhile) {
  GpudProcess gpud;
  ScriptedClient silent(gpud.Connect());
  ScriptedClient slow(gpud.Connect());
  const wire::ClientHello hello = GoodHello();
  slow.SendRaw(&hello, 100);
  const uint64_t start = NowNs();

  GpudClient good(gpud);
  EXPECT_LT(NowNs() - start, 4'000'000'000u);

  EXPECT_FALSE(silent.ReadServerHello().has_value());
  EXPECT_FALSE(slow.ReadServerHello().has_value());
  const uint64_t waited = NowNs() - start;
  EXPECT_GE(waited, 4'500'000'000u);
  EXPECT_LT(waited, 8'000'000'000u);
}

TEST(Gpud, SaysThatItStartsWhileTheDriverLoads) {
  setenv("FAKE_CUDA_INIT_MS", "2500", 1);
  const GpudProcess gpud({"--warm", "0"});
  unsetenv("FAKE_CUDA_INIT_MS");
  GpudClient first(gpud);  // takes the worker that showed that there is a driver
  ScriptedClient second(gpud.Connect());
  const uint64_t start = NowNs();
  const wire::ClientHello hello = GoodHello();
  second.SendRaw(&hello, sizeof hello);

  const auto said = second.ReadOneServerHello();
  ASSERT_TRUE(said.has_value());
  EXPECT_EQ(said->verdict, Verdict::kStarting);
  EXPECT_LT(NowNs() - start, wire::kStartingEveryNs);
  const auto answer = second.ReadServerHello();
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->verdict, Verdict::kWelcome);
  EXPECT_GE(NowNs() - start, 2'000'000'000u);
  EXPECT_GE(second.starting_count, 1);
  EXPECT_LE(second.starting_count, 4);
  EXPECT_TRUE(second.WaitForWelcome());
}

TEST(Gpud, AClientThatGoesWhileItWaitsIsForgotten) {
  setenv("FAKE_CUDA_INIT_MS", "1500", 1);
  const GpudProcess gpud({"--warm", "0"});
  unsetenv("FAKE_CUDA_INIT_MS");
  GpudClient first(gpud);
  {
    ScriptedClient gone(gpud.Connect());
    const wire::ClientHello hello = GoodHello();
    gone.SendRaw(&hello, sizeof hello);
    ASSERT_TRUE(gone.ReadOneServerHello().has_value());
  }
  GpudClient next(gpud);
  EXPECT_EQ(next.devices.size(), 1u);
}

TEST(Gpud, AsksForItsToken) {
  const std::string path = testing::TempDir() + "token." + std::to_string(getpid());
  std::ofstream(path) << "open sesame\n";
  const GpudProcess gpud({"--token-file", path});
  unlink(path.c_str());

  ExpectRefusal(gpud, GoodHello(), Verdict::kRefused);
  wire::ClientHello hello = GoodHello();
  strcpy(hello.token, "open sesam");
  ExpectRefusal(gpud, hello, Verdict::kRefused);
  strcpy(hello.token, "open sesame");
  ScriptedClient client(gpud.Connect());
  const auto answer = client.Introduce(hello);
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->verdict, Verdict::kWelcome);
}

// Whether a process's writable memory holds a text.
bool Knows(pid_t pid, const std::string& text) {
  std::ifstream maps("/proc/" + std::to_string(pid) + "/maps");
  const Fd memory(open(("/proc/" + std::to_string(pid) + "/mem").c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_TRUE(memory.valid());
  std::vector<char> piece;
  for (std::string line; std::getline(maps, line);) {
    unsigned long start = 0;
    unsigned long end = 0;
    char rights[5] = {};
    if (sscanf(line.c_str(), "%lx-%lx %4s", &start, &end, rights) != 3 || rights[1] != 'w' ||
        end - start > 64_MiB) {
      continue;
    }
    piece.resize(end - start);
    const ssize_t got = pread(memory.get(), piece.data(), piece.size(), static_cast<off_t>(start));
    const std::string_view seen(piece.data(), got > 0 ? static_cast<size_t>(got) : 0);
    if (seen.find(text) != std::string_view::npos) {
      return true;
    }
  }
  return false;
}

TEST(Gpud, AWorkerHasNeverHadTheToken) {
  const std::string token = "a-token-like-no-other-" + std::to_string(getpid());
  const std::string path = testing::TempDir() + "token." + std::to_string(getpid());
  std::ofstream(path) << token << "\n";
  const GpudProcess gpud({"--token-file", path});
  unlink(path.c_str());
  wire::ClientHello hello = GoodHello();
  strcpy(hello.token, token.c_str());

  // The second worker is forked after the daemon has looked at a hello with the token.
  for (int i = 0; i < 2; ++i) {
    ScriptedClient client(gpud.Connect());
    const auto answer = client.Introduce(hello);
    ASSERT_TRUE(answer.has_value());
    ASSERT_EQ(answer->verdict, Verdict::kWelcome);
    ASSERT_TRUE(client.WaitForWelcome());
    EXPECT_FALSE(Knows(static_cast<pid_t>(answer->worker), token));
  }
  EXPECT_TRUE(Knows(gpud.pid(), token)) << "this test cannot see it";
}

TEST(Gpud, DoesNotListenToTheWorldUnlessToldTo) {
  GpudProcess open({"--listen", "tcp://0.0.0.0:0"});
  EXPECT_EQ(open.address(), "");
  EXPECT_EQ(open.WaitForExit(), 1);
  EXPECT_NE(open.Log().find("--insecure"), std::string::npos);

  const GpudProcess insecure({"--listen", "tcp://0.0.0.0:0", "--insecure"});
  EXPECT_NE(insecure.address(), "");
}

TEST(Gpud, DoesNotStartWithoutADriver) {
  GpudProcess gpud({"--driver", "/nonexistent/libcuda.so.1"});
  EXPECT_EQ(gpud.address(), "");
  EXPECT_EQ(gpud.WaitForExit(), 1);
  EXPECT_NE(gpud.Log().find("/nonexistent/libcuda.so.1"), std::string::npos);
}

TEST(Gpud, ServesOnAnAbstractUnixSocket) {
  const GpudProcess gpud({"--listen", "unix:@farlane-test-" + std::to_string(getpid())});
  GpudClient client(gpud);
  EXPECT_EQ(client.devices.size(), 1u);
}

TEST(Gpud, AProbeLearnsTheDevicesAndCostsNoWorker) {
  const GpudProcess gpud;
  wire::ClientHello hello = GoodHello();
  hello.purpose = wire::Purpose::kProbe;
  std::set<uint32_t> workers;
  for (int i = 0; i < 5; ++i) {
    ScriptedClient probe(gpud.Connect());
    const auto answer = probe.Introduce(hello);
    ASSERT_TRUE(answer.has_value());
    EXPECT_EQ(answer->verdict, Verdict::kWelcome);
    EXPECT_TRUE(probe.WaitForWelcome());
    EXPECT_EQ(probe.devices[0].credit_bytes, 0u);
    EXPECT_NE(probe.devices[0].arena_address, 0u);
    EXPECT_GE(probe.devices[0].arena_bytes, probe.devices[0].total_bytes);
    EXPECT_TRUE(probe.WaitForClose());
    EXPECT_TRUE(probe.bye);
    workers.insert(answer->worker);
  }

  EXPECT_LE(workers.size(), 2u);
}

TEST(Gpud, TenClientsAtOnceEachHaveAWorkerOfTheirOwn) {
  const GpudProcess gpud;
  std::vector<std::unique_ptr<GpudClient>> clients;
  std::set<pid_t> workers;
  for (int i = 0; i < 10; ++i) {
    clients.push_back(std::make_unique<GpudClient>(gpud));
    workers.insert(clients.back()->worker());
  }

  EXPECT_EQ(workers.size(), 10u);
  for (auto& client : clients) {
    UseContext(*client);
    EXPECT_EQ(client->Call(wire::StreamSynchronize{}), CUDA_SUCCESS);
  }
}

TEST(Gpud, AClientThatEndsTakesItsWorkerWithIt) {
  GpudProcess gpud;
  auto client = std::make_unique<GpudClient>(gpud);
  const pid_t worker = client->worker();
  EXPECT_TRUE(IsAlive(worker));
  client.reset();

  EXPECT_TRUE(DiesWithin(worker, kEndMs));
  EXPECT_TRUE(gpud.WaitForLog("is gone after"));
}

TEST(Gpud, AClientKilledWhileItsKernelRunsTakesItsWorkerWithIt) {
  const GpudProcess gpud;
  int pipe_ends[2];
  ASSERT_EQ(pipe2(pipe_ends, O_CLOEXEC), 0);
  const pid_t child = fork();
  if (child == 0) {
    GpudClient client(gpud);
    UseContext(client);
    LaunchKernel(client, kSpin, Pack(uint32_t{60'000}));
    client.Flush();
    // A wait that is not answered before the test is over.
    client.Post(wire::StreamSynchronize{});
    client.Flush();
    const pid_t worker = client.worker();
    static_cast<void>(!write(pipe_ends[1], &worker, sizeof worker));
    pause();
  }
  pid_t worker = 0;
  ASSERT_EQ(read(pipe_ends[0], &worker, sizeof worker), static_cast<ssize_t>(sizeof worker));
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);

  EXPECT_TRUE(DiesWithin(worker, kEndMs));
}

TEST(Gpud, AWorkerStuckInItsDriverEndsWithItsClientAllTheSame) {
  const GpudProcess gpud;
  auto client = std::make_unique<GpudClient>(gpud);
  UseContext(*client);
  client->Post(wire::Launch{
      .function = TestFunction(kSpin), .grid_x = 4242, .parameters = Pack(uint32_t{0})});
  const wire::Sequence unanswered = client->Post(wire::StreamSynchronize{});
  client->Flush();
  usleep(200'000);
  EXPECT_FALSE(client->HasReply(unanswered));
  const pid_t worker = client->worker();
  client.reset();

  EXPECT_TRUE(DiesWithin(worker, kEndMs));
}

TEST(Gpud, AUnixSocketServesItsOwnUserOnly) {
  if (geteuid() != 0) {
    GTEST_SKIP() << "only root can be somebody else";
  }
  const GpudProcess gpud({"--listen", "unix:@farlane-uid-" + std::to_string(getpid())});
  const pid_t child = fork();
  if (child == 0) {
    if (setuid(65534) != 0) {
      _exit(1);
    }
    ScriptedClient stranger(gpud.Connect());
    const auto answer = stranger.Introduce(GoodHello());
    _exit(answer.has_value() && answer->verdict == Verdict::kRefused ? 0 : 2);
  }
  int status = 0;
  waitpid(child, &status, 0);

  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(Gpud, ADaemonThatIsKilledTakesItsWorkersWithIt) {
  GpudProcess gpud;
  GpudClient first(gpud);
  GpudClient second(gpud);

  gpud.Signal(SIGKILL);
  EXPECT_EQ(gpud.WaitForExit(), -SIGKILL);

  EXPECT_TRUE(DiesWithin(first.worker(), kEndMs));
  EXPECT_TRUE(DiesWithin(second.worker(), kEndMs));
  EXPECT_TRUE(first.WaitForClose());
}

TEST(Gpud, ATerminatedDaemonEndsInGoodOrderWithItsWorkers) {
  GpudProcess gpud;
  GpudClient client(gpud);
  gpud.Signal(SIGTERM);

  EXPECT_EQ(gpud.WaitForExit(), 0);
  EXPECT_FALSE(IsAlive(client.worker()));
}

TEST(Gpud, EndsWithTheDescriptorItWatches) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  fcntl(ends[0], F_SETFD, 0);  // the daemon has the reading end, the writing end only the test
  GpudProcess gpud({"--watch-fd", std::to_string(ends[0])});
  ASSERT_NE(gpud.address(), "");
  close(ends[0]);
  GpudClient client(gpud);
  ASSERT_EQ(write(ends[1], "x", 1), 1);
  usleep(200'000);
  EXPECT_TRUE(IsAlive(gpud.pid()));

  close(ends[1]);

  EXPECT_EQ(gpud.WaitForExit(), 0);
  EXPECT_FALSE(IsAlive(client.worker()));
}

TEST(Gpud, ACrashingWorkerHitsOnlyItsClient) {
  GpudProcess gpud;
  GpudClient victim(gpud);
  GpudClient bystander(gpud);
  UseContext(victim);
  UseContext(bystander);
  LaunchKernel(victim, kCrash, {});
  victim.Flush();

  EXPECT_TRUE(victim.WaitForClose());
  EXPECT_TRUE(DiesWithin(victim.worker(), kEndMs));
  EXPECT_TRUE(gpud.WaitForLog("was ended by signal"));
  EXPECT_EQ(bystander.Call(wire::StreamSynchronize{}), CUDA_SUCCESS);
  GpudClient next(gpud);
  EXPECT_EQ(next.devices.size(), 1u);
}

TEST(Gpud, ABreachEndsOneSessionAndIsLoggedByName) {
  GpudProcess gpud;
  GpudClient bad(gpud);
  GpudClient good(gpud);
  bad.Post(wire::MemoryMap{.address = 1, .bytes = 1, .device = 0});
  bad.Flush();

  EXPECT_TRUE(bad.WaitForClose());
  EXPECT_TRUE(DiesWithin(bad.worker(), kEndMs));
  EXPECT_TRUE(gpud.WaitForLog("MemoryMap"));
  UseContext(good);
}

// Asks without waiting for the answer.
wire::Sequence AskForCredit(ScriptedClient& client, uint64_t bytes) {
  const wire::Sequence sequence = client.Post(wire::CreditRequest{.device = 0, .bytes = bytes});
  client.Flush();
  return sequence;
}

TEST(Gpud, MemoryThatOneClientDoesNotUseIsAskedBackForAnother) {
  const GpudProcess gpud;
  GpudClient idle(gpud);  // has 60 MiB of 240 without having asked
  GpudClient asker(gpud);
  ASSERT_EQ(idle.devices[0].credit_bytes, 60_MiB);
  ASSERT_EQ(asker.devices[0].credit_bytes, 60_MiB);

  const wire::Sequence asked = AskForCredit(asker, 180_MiB);
  ASSERT_TRUE(idle.PumpUntil([&] { return !idle.recalls.empty(); }));
  EXPECT_EQ(idle.recalls[0].bytes, 60_MiB);
  EXPECT_FALSE(asker.HasReply(asked));
  idle.Post(wire::CreditReturn{
      .device = 0, .bytes = idle.recalls[0].bytes, .recall = idle.recalls[0].recall});
  idle.Flush();
  EXPECT_EQ(asker.WaitForReply(asked), CUDA_SUCCESS);

  // The asker backs nothing with it yet; that is known as soon as the daemon has heard of it.
  wire::MemoryInfoReply info;
  for (int i = 0; i < 500 && info.free_bytes != 240_MiB; ++i) {
    EXPECT_EQ(idle.Call(wire::MemoryInfo{.device = 0}, &info), CUDA_SUCCESS);
  }
  EXPECT_EQ(info.free_bytes, 240_MiB);
  EXPECT_EQ(info.total_bytes, 256_MiB);
}

TEST(Gpud, AClientThatDoesNotReadDelaysAnothersMemoryByTwoSecondsAndNotTwice) {
  const GpudProcess gpud;
  GpudClient silent(gpud);
  GpudClient asker(gpud);

  const uint64_t start = NowNs();
  EXPECT_EQ(asker.Call(wire::CreditRequest{.device = 0, .bytes = 180_MiB}),
            CUDA_ERROR_OUT_OF_MEMORY);
  const uint64_t first = NowNs() - start;
  EXPECT_GE(first, 1'900'000'000u);
  EXPECT_LT(first, 5'000'000'000u);
  const uint64_t again = NowNs();
  EXPECT_EQ(asker.Call(wire::CreditRequest{.device = 0, .bytes = 180_MiB}),
            CUDA_ERROR_OUT_OF_MEMORY);
  EXPECT_LT(NowNs() - again, 400'000'000u);
}

TEST(Gpud, WhatAKilledWorkerHeldIsFreeForOthers) {
  const GpudProcess gpud;
  GpudClient dying(gpud);
  GpudClient other(gpud);
  ASSERT_EQ(dying.Call(wire::CreditRequest{.device = 0, .bytes = 100_MiB}), CUDA_SUCCESS);
  const uint64_t address = dying.devices[0].arena_address;
  dying.Post(wire::MemoryMap{.address = address, .bytes = 160_MiB, .device = 0});
  ASSERT_EQ(dying.Call(wire::DeviceQuiesce{.device = 0}), CUDA_SUCCESS);

  kill(dying.worker(), SIGKILL);

  ASSERT_TRUE(DiesWithin(dying.worker(), kEndMs));
  EXPECT_EQ(other.Call(wire::CreditRequest{.device = 0, .bytes = 180_MiB}), CUDA_SUCCESS);
}

TEST(Gpud, AWorkerHoldsNoDescriptorOfAnotherClient) {
  const GpudProcess gpud;
  GpudClient first(gpud);
  ScriptedClient waiting(gpud.Connect());  // says nothing yet: the daemon holds it
  usleep(100'000);
  GpudClient second(gpud);
  GpudClient third(gpud);  // its worker was made while the others were connected

  for (const GpudClient* client : {&first, &second, &third}) {
    int sockets = 0;
    const std::string folder = "/proc/" + std::to_string(client->worker()) + "/fd";
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      const std::string target = std::filesystem::read_symlink(entry).string();
      sockets += target.rfind("socket:", 0) == 0 ? 1 : 0;
      EXPECT_EQ(target.find("signalfd"), std::string::npos);
    }
    // Its client's and the one that leads to the daemon. Standard error may be one in some test
    // runners; here it is a pipe.
    EXPECT_EQ(sockets, 2);
  }
}

TEST(Gpud, AServingWorkerIsInTheSandbox) {
  const GpudProcess gpud;
  GpudClient client(gpud);
  std::ifstream status("/proc/" + std::to_string(client.worker()) + "/status");
  std::string text((std::istreambuf_iterator<char>(status)), {});

  EXPECT_NE(text.find("Seccomp:\t2"), std::string::npos);
  EXPECT_NE(text.find("NoNewPrivs:\t1"), std::string::npos);
}

TEST(Gpud, WhatAKernelPrintsReachesItsClientBeforeTheAnswer) {
  const GpudProcess gpud;
  GpudClient client(gpud);
  UseContext(client);
  for (uint32_t i = 1; i <= 3; ++i) {
    LaunchKernel(client, kSay, Pack(i));
    ASSERT_EQ(client.Call(wire::ContextSynchronize{.context = kContext}), CUDA_SUCCESS);
    EXPECT_NE(client.output.find("kernel says " + std::to_string(i)), std::string::npos);
  }
}

TEST(Gpud, WhatAKernelSaysOnStandardErrorReachesItsClientAndNotTheLog) {
  GpudProcess gpud;
  GpudClient client(gpud);
  UseContext(client);
  LaunchKernel(client, kComplain, Pack(uint32_t{7}));
  ASSERT_EQ(client.Call(wire::ContextSynchronize{.context = kContext}), CUDA_SUCCESS);

  EXPECT_EQ(client.errors, "kernel complains 7\n");
  EXPECT_EQ(client.output, "");
  EXPECT_TRUE(gpud.WaitForLog("serves scripted"));
  EXPECT_EQ(gpud.Log().find("complains"), std::string::npos);
}

TEST(Gpud, ItsMemoryOptionIsTheClientsTotal) {
  const GpudProcess gpud({"--mem", "64Mi"});
  GpudClient client(gpud);
  wire::CreditRequestReply reply;

  EXPECT_EQ(client.devices[0].total_bytes, 64_MiB);
  EXPECT_EQ(client.Call(wire::CreditRequest{.device = 0, .bytes = 50_MiB}, &reply),
            CUDA_ERROR_OUT_OF_MEMORY);
  EXPECT_EQ(client.Call(wire::CreditRequest{.device = 0, .bytes = 48_MiB}, &reply), CUDA_SUCCESS);
}

TEST(Gpud, LogsWhatAClientHasDone) {
  GpudProcess gpud;
  {
    GpudClient client(gpud);
    UseContext(client);
    LaunchKernel(client, kSpin, Pack(uint32_t{0}));
    EXPECT_EQ(client.Call(wire::StreamSynchronize{}), CUDA_SUCCESS);
    client.writer().AppendBye();
    client.Flush();
  }
  EXPECT_TRUE(gpud.WaitForLog("scripted (pid"));
  EXPECT_TRUE(gpud.WaitForLog("said goodbye"));
  EXPECT_TRUE(gpud.WaitForLog("1 launches"));
}

TEST(Gpud, UnderMpsEachProgramHasItsPartOfTheProcessors) {
  const std::string folder =
      std::filesystem::temp_directory_path() / ("farlane-mps-" + std::to_string(getpid()));
  std::filesystem::create_directory(folder);
  setenv("CUDA_MPS_PIPE_DIRECTORY", folder.c_str(), 1);
  setenv("FAKE_CUDA_MPS", "1", 1);
  {
    GpudProcess without({"--mps", "25"});
    EXPECT_EQ(without.address(), "");
    EXPECT_TRUE(without.WaitForLog("MPS control daemon"));
    EXPECT_EQ(without.WaitForExit(), 1);
  }
  std::ofstream(folder + "/nvidia-cuda-mps-control.pid") << "1\n";
  {
    const GpudProcess gpud({"--mps", "25", "--mem", "64Mi"});
    GpudClient client(gpud);
    constexpr auto kProcessors = CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT;
    EXPECT_EQ(client.attributes[0][kProcessors], kProcessors * 10 / 4);
    wire::ClientHello hello = GoodHello();
    hello.slice.isolation = Isolation::kScrubbed;
    ExpectRefusal(gpud, hello, Verdict::kBusy);
  }
  unsetenv("FAKE_CUDA_MPS");
  unsetenv("CUDA_MPS_PIPE_DIRECTORY");
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace farlane::server

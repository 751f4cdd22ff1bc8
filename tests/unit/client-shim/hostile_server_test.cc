// SPDX-License-Identifier: Apache-2.0
// A server that says too early that all is done does not get at memory that the program has back.
#include <thread>

#include <gtest/gtest.h>
#include <unistd.h>

#include "client-shim/bodies.h"
#include "client-shim/process.h"
#include "tests/fuzz/plain_server.h"

namespace farlane::shim {
namespace {

// A session with a server that says that everything is done as soon as it is asked. It stays to the
// end of the process, as sessions do.
// Thread: the test's; the server has one of its own.
class HostileServer : public ::testing::Test {
 protected:
  void SetUp() override {
#ifdef __SANITIZE_THREAD__
    GTEST_SKIP() << "the thread sanitizer has other plans for the addresses of this server";
#endif
    const auto address =
        transport::Address::Parse("unix:@farlane-hostile-server-" + std::to_string(getpid()));
    transport::Address bound;
    listener_ = transport::Listen(*address, &bound).value();
    server_ = std::thread([this] {
      constexpr uint64_t kPatienceNs = 60'000'000'000;
      fuzz::PlainServer(fuzz::PlainServer::Accept(listener_), {}, kPatienceNs).Serve();
    });
    Config config;
    config.transport = channel::WishedTransport::kUnix;
    auto session = Session::Connect(*address, config);
    ASSERT_TRUE(session.ok()) << session.error().message();
    Process::Get().Adopt(std::move(*session));
    CUcontext context = nullptr;
    ASSERT_EQ(cuDevicePrimaryCtxRetain(&context, 0), CUDA_SUCCESS);
    ASSERT_EQ(cuCtxSetCurrent(context), CUDA_SUCCESS);
  }

  void TearDown() override {
    if (Session* const session = Process::Get().session(); session != nullptr) {
      session->Close();
    }
    if (server_.joinable()) {
      server_.join();
    }
  }

 private:
  Fd listener_;
  std::thread server_;
};

TEST_F(HostileServer, DoesNotReadMemoryThatTheProgramHasBack) {
  CUdeviceptr device = 0;
  CUstream stream = nullptr;
  ASSERT_EQ(cuMemAlloc_v2(&device, 4_MiB), CUDA_SUCCESS);
  ASSERT_EQ(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING), CUDA_SUCCESS);
  // Fewer than the window holds, since what is let go of never comes back from this server.
  for (int round = 0; round < 14; ++round) {
    void* pinned = nullptr;
    ASSERT_EQ(cuMemHostAlloc(&pinned, 4_MiB, 0), CUDA_SUCCESS);
    // What was asked for first may still write it, so the server asks for the bytes of the second.
    static_cast<void>(cuMemcpyDtoHAsync_v2(pinned, device, 4096, stream));
    static_cast<void>(cuMemcpyHtoDAsync_v2(device, pinned, 4_MiB, stream));
    static_cast<void>(cuMemFreeHost(pinned));
  }
}

}  // namespace
}  // namespace farlane::shim

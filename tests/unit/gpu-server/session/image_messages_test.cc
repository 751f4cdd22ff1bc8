// SPDX-License-Identifier: Apache-2.0
// Images and kernels: asked for once, proved by their hash, launched with what they need.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/image_client.h"
#include "tests/support/session_fixture.h"
#include "tests/support/slowness.h"

namespace farlane::server {
namespace {

using wire::WireError;

class ImageMessages : public testing::Test {
 protected:
  ImageMessages() { fixture_.UseContext(); }

  ScriptedClient& client() { return fixture_.client(); }

  SessionFixture fixture_;
};

TEST_F(ImageMessages, AnImageIsAskedForOnceAndDescribed) {
  LoadTestImage(client());
  const auto image = TestImage();
  const wire::Handle again = wire::MakeHandle(wire::HandleKind::kModule, 1, 1);
  wire::ImageLoadReply reply;

  ASSERT_EQ(client().Call(LoadMessage(again, image), &reply), CUDA_SUCCESS);

  EXPECT_EQ(client().wanted.size(), 1u);
  EXPECT_EQ(reply.kernels_count, 6u);
  const std::vector<std::byte>& kernels = client().kernels[again];
  EXPECT_EQ(KernelNames(kernels),
            (std::vector<std::string>{"add_one", "spin", "say", "crash", "complain", "nothing"}));
  wire::MessageView view;
  wire::KernelRecord record;
  ConstBytes rest = kernels;
  ASSERT_EQ(wire::TakeMessage(&rest, &view), WireError::kNone);
  ASSERT_EQ(Decode(view.body, &record), WireError::kNone);
  ASSERT_EQ(record.parameters.size(), 16u);
  uint32_t layout[4];
  memcpy(layout, record.parameters.data(), sizeof layout);
  EXPECT_THAT(layout, testing::ElementsAre(0, 8, 8, 4));
  ASSERT_EQ(record.attributes.size(), CU_FUNC_ATTRIBUTE_MAX * sizeof(int32_t));
}

TEST_F(ImageMessages, AKernelComputesOnTheClientsMemory) {
  LoadTestImage(client());
  const uint64_t address = fixture_.UseMemory();
  const std::vector<uint32_t> numbers = {1, 2, 3};
  client().Post(wire::CopyIn{
      .address = address, .width = 12, .rows = 1, .data = std::as_bytes(std::span(numbers))});
  LaunchKernel(client(), kAddOne, Pack(address, uint32_t{3}));
  client().Post(wire::CopyOut{.transfer = 1, .address = address, .width = 12, .rows = 1});

  ASSERT_EQ(client().Call(wire::StreamSynchronize{}), CUDA_SUCCESS);

  uint32_t result[3];
  memcpy(result, client().arrived[1].data(), sizeof result);
  EXPECT_THAT(result, testing::ElementsAre(2, 3, 4));
}

TEST_F(ImageMessages, AnImageThatIsNotWhatItsNameSaysIsNotLoaded) {
  const auto image = TestImage();
  const auto other = TestImage("x");
  wire::ImageLoad load = LoadMessage(kTestModule, image);
  load.image_bytes = other.size();
  const wire::Sequence sequence = client().Post(load);
  client().Post(PieceOf(load, 0, other));
  client().Flush();

  EXPECT_EQ(client().WaitForReply(sequence), CUDA_ERROR_INVALID_IMAGE);
  // And the name is not taken by the wrong bytes.
  client().wanted.clear();
  LoadTestImage(client());
  EXPECT_EQ(client().wanted.size(), 1u);
}

TEST_F(ImageMessages, WhatIsNoImageNeverReachesTheDriver) {
  const std::vector<std::byte> garbage(1000, std::byte{0xee});
  const wire::ImageLoad load = LoadMessage(kTestModule, garbage);
  const wire::Sequence sequence = client().Post(load);
  client().Post(PieceOf(load, 0, garbage));
  client().Flush();

  EXPECT_EQ(client().WaitForReply(sequence), CUDA_ERROR_INVALID_IMAGE);
}

TEST_F(ImageMessages, AnImageBeyondTheLimitIsRefusedBeforeItComes) {
  wire::ImageLoad load = LoadMessage(kTestModule, TestImage());
  load.image_bytes = kImageBytesMax + 1;

  EXPECT_EQ(client().Call(load), CUDA_ERROR_OUT_OF_MEMORY);
  EXPECT_TRUE(client().wanted.empty());
}

TEST_F(ImageMessages, APieceOutOfPlaceEndsTheSession) {
  const auto image = TestImage();
  const wire::ImageLoad load = LoadMessage(kTestModule, image);
  client().Post(load);
  client().Post(PieceOf(load, 4, ConstBytes(image).subspan(4)));
  client().Flush();

  EXPECT_EQ(fixture_.WaitForEnd(), SessionEnd::kBreach);
  EXPECT_EQ(fixture_.breach(), WireError::kBadValue);
}

TEST_F(ImageMessages, APieceTooManyEndsTheSession) {
  const auto image = TestImage();
  const wire::ImageLoad load = LoadMessage(kTestModule, image);
  client().Post(load);
  std::vector<std::byte> more = image;
  more.push_back(std::byte{0});
  client().Post(PieceOf(load, 0, more));
  client().Flush();

  EXPECT_EQ(fixture_.WaitForEnd(), SessionEnd::kBreach);
}

TEST_F(ImageMessages, APieceNobodyAskedForEndsTheSession) {
  const auto image = TestImage();
  client().Post(PieceOf(LoadMessage(kTestModule, image), 0, image));
  client().Flush();

  EXPECT_EQ(fixture_.WaitForEnd(), SessionEnd::kBreach);
  EXPECT_EQ(fixture_.breach(), WireError::kBadReference);
}

TEST_F(ImageMessages, AKernelIndexBeyondTheListEndsTheSession) {
  LoadTestImage(client());
  client().Post(wire::KernelBind{.module = kTestModule, .function = TestFunction(100), .index = 6});
  client().Flush();

  EXPECT_EQ(fixture_.WaitForEnd(), SessionEnd::kBreach);
}

TEST_F(ImageMessages, ParametersOfTheWrongSizeAreRefused) {
  LoadTestImage(client());
  LaunchKernel(client(), kAddOne, Pack(uint64_t{0}));
  LaunchKernel(client(), kAddOne, Pack(uint64_t{0}, uint64_t{0}));
  client().Flush();

  ASSERT_TRUE(client().PumpUntil([&] { return client().failures.size() == 2; }));
  EXPECT_EQ(client().failures[0].result, CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(client().failures[0].op, static_cast<uint32_t>(wire::Op::kLaunch));
}

TEST_F(ImageMessages, AttributesThatNameEventsOrNodesAreRefused) {
  LoadTestImage(client());
  for (const auto id :
       {CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_EVENT, CU_LAUNCH_ATTRIBUTE_LAUNCH_COMPLETION_EVENT,
        CU_LAUNCH_ATTRIBUTE_DEVICE_UPDATABLE_KERNEL_NODE, static_cast<CUlaunchAttributeID>(999)}) {
    CUlaunchAttribute attribute{};
    attribute.id = id;
    client().Post(wire::Launch{.function = TestFunction(kSpin),
                               .grid_x = 1,
                               .parameters = Pack(uint32_t{0}),
                               .attributes = std::as_bytes(std::span(&attribute, 1))});
  }
  client().Post(wire::Launch{.function = TestFunction(kSpin),
                             .grid_x = 1,
                             .parameters = Pack(uint32_t{0}),
                             .attributes = Pack(uint32_t{0})});
  client().Flush();

  ASSERT_TRUE(client().PumpUntil([&] { return client().failures.size() == 5; }));
  EXPECT_EQ(client().failures[0].result, CUDA_ERROR_NOT_SUPPORTED);
  EXPECT_EQ(client().failures[3].result, CUDA_ERROR_NOT_SUPPORTED);
  EXPECT_EQ(client().failures[4].result, CUDA_ERROR_INVALID_VALUE);
}

TEST_F(ImageMessages, AnUnloadedModulesKernelsAndGlobalsAreGone) {
  LoadTestImage(client());
  wire::ImageGlobalReply global;
  ASSERT_EQ(client().Call(wire::ImageGlobal{.module = kTestModule, .name = "table"}, &global),
            CUDA_SUCCESS);
  EXPECT_EQ(global.bytes, 64u);
  client().Post(wire::MemsetD8Async{.dstDevice = global.address, .uc = 1, .N = 64});
  ASSERT_EQ(client().Call(wire::StreamSynchronize{}), CUDA_SUCCESS);
  EXPECT_TRUE(client().failures.empty());
  client().Post(wire::MemsetD8Async{.dstDevice = global.address, .uc = 1, .N = 65});

  client().Post(wire::ImageUnload{.module = kTestModule});
  LaunchKernel(client(), kSpin, Pack(uint32_t{0}));
  client().Post(wire::MemsetD8Async{.dstDevice = global.address, .uc = 1, .N = 64});
  client().Flush();

  ASSERT_TRUE(client().PumpUntil([&] { return client().failures.size() == 3; }));
  EXPECT_EQ(client().failures[0].result, CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(client().failures[1].result, CUDA_ERROR_INVALID_HANDLE);
  EXPECT_EQ(client().failures[2].result, CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(client().Call(wire::ImageGlobal{.module = kTestModule, .name = "table"}),
            CUDA_ERROR_INVALID_HANDLE);
}

TEST_F(ImageMessages, MoreDataThanTheWindowWhileTheDeviceIsBusyEndsTheSession) {
  const uint64_t address = fixture_.UseMemory();
  client().Post(wire::HostFunction{.stream = 0, .call = 1});  // which the client never does
  const std::vector<std::byte> piece(wire::kPieceBytes);
  for (uint64_t sent = 0; sent < kTransferWindowBytes + 1; sent += piece.size()) {
    client().Post(
        wire::CopyIn{.address = address, .width = piece.size(), .rows = 1, .data = piece});
  }
  client().Flush();

  EXPECT_EQ(fixture_.WaitForEnd(), SessionEnd::kBreach);
}

}  // namespace
}  // namespace farlane::server

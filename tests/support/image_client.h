// SPDX-License-Identifier: Apache-2.0
// Loading images and launching kernels as a scripted client.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "gpu-server/session/image_store.h"
#include "protocol/abi/module_package.h"
#include "tests/support/scripted_client.h"

namespace farlane::server {

// A package with PTX that every reader takes for PTX; the test driver has its kernels built in.
inline std::vector<std::byte> TestImage(const std::string& salt = "") {
  const std::string text = ".version 8.0\n.target sm_80\n.address_size 64\n// " + salt + "\n";
  const auto view = abi::ViewImage(std::as_bytes(std::span(text)));
  EXPECT_TRUE(view.has_value()) << view.error().message();
  const int capability = 90;
  auto package = abi::PackModule(*view, std::span(&capability, 1));
  EXPECT_TRUE(package.has_value()) << package.error().message();
  return std::move(package).value();
}

inline wire::ImageLoad LoadMessage(wire::Handle module, ConstBytes image) {
  const ImageHash hash = HashOf(image);
  uint64_t words[4];
  memcpy(words, hash.data(), sizeof words);
  return {.module = module,
          .image_bytes = image.size(),
          .hash_0 = words[0],
          .hash_1 = words[1],
          .hash_2 = words[2],
          .hash_3 = words[3]};
}

inline wire::ImagePiece PieceOf(const wire::ImageLoad& load, uint64_t offset, ConstBytes data) {
  return {.hash_0 = load.hash_0,
          .hash_1 = load.hash_1,
          .hash_2 = load.hash_2,
          .hash_3 = load.hash_3,
          .offset = offset,
          .data = data};
}

// The kernels' names in the order of their index.
inline std::vector<std::string> KernelNames(ConstBytes kernels) {
  std::vector<std::string> names;
  while (!kernels.empty()) {
    wire::MessageView view;
    wire::KernelRecord record;
    EXPECT_EQ(wire::TakeMessage(&kernels, &view), wire::WireError::kNone);
    EXPECT_EQ(Decode(view.body, &record), wire::WireError::kNone);
    names.emplace_back(record.name);
  }
  return names;
}

inline constexpr wire::Handle kTestModule = wire::MakeHandle(wire::HandleKind::kModule, 0, 1);

inline constexpr wire::Handle TestFunction(uint32_t index) {
  return wire::MakeHandle(wire::HandleKind::kFunction, index, 1);
}

// The test driver's kernels.
inline constexpr uint32_t kAddOne = 0;
inline constexpr uint32_t kSpin = 1;
inline constexpr uint32_t kSay = 2;
inline constexpr uint32_t kCrash = 3;
inline constexpr uint32_t kComplain = 4;

// Loads the test image, sending it if it is wanted, and binds its kernels.
inline void LoadTestImage(ScriptedClient& client) {
  const auto image = TestImage();
  const wire::ImageLoad load = LoadMessage(kTestModule, image);
  const wire::Sequence sequence = client.Post(load);
  client.Flush();
  ASSERT_TRUE(
      client.PumpUntil([&] { return !client.wanted.empty() || client.HasReply(sequence); }));
  if (!client.HasReply(sequence)) {
    client.Post(PieceOf(load, 0, image));
    client.Flush();
  }
  ASSERT_EQ(client.WaitForReply(sequence), CUDA_SUCCESS);
  for (const uint32_t index : {kAddOne, kSpin, kSay, kCrash, kComplain}) {
    client.Post(
        wire::KernelBind{.module = kTestModule, .function = TestFunction(index), .index = index});
  }
}

template <typename... Values>
std::vector<std::byte> Pack(const Values&... values) {
  std::vector<std::byte> packed;
  const auto add = [&packed](const auto& value) {
    const auto bytes = std::as_bytes(std::span(&value, 1));
    packed.insert(packed.end(), bytes.begin(), bytes.end());
  };
  (add(values), ...);
  return packed;
}

inline wire::Sequence LaunchKernel(ScriptedClient& client,
                                   uint32_t kernel,
                                   const std::vector<std::byte>& parameters,
                                   wire::Handle stream = 0) {
  return client.Post(wire::Launch{.function = TestFunction(kernel),
                                  .stream = stream,
                                  .grid_x = 1,
                                  .grid_y = 1,
                                  .grid_z = 1,
                                  .block_x = 1,
                                  .block_y = 1,
                                  .block_z = 1,
                                  .parameters = parameters});
}

}  // namespace farlane::server

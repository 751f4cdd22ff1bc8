// SPDX-License-Identifier: Apache-2.0
// Green contexts of a client: the driver's resources by numbers, and contexts made of them.
#include <cstring>

#include <gtest/gtest.h>

#include "gpu-server/session/dev_resources.h"
#include "tests/support/session_fixture.h"

namespace farlane::server {
namespace {

constexpr wire::Handle kGreen = wire::MakeHandle(wire::HandleKind::kContext, 1, 1);

// What a driver is asked to do.
struct Seen {
  unsigned divided = 0;  // the count of the input of the last split
  std::vector<unsigned> described;
  int alive = 0;
  CUcontext primary = nullptr;
};

Seen seen;

CUdevResource Resource(unsigned count) {
  CUdevResource resource{};
  resource.type = CU_DEV_RESOURCE_TYPE_SM;
  resource.sm.smCount = count;
  return resource;
}

DriverTable GreenTable(const DriverTable& fake) {
  DriverTable table = fake;
  table.cuDeviceGetDevResource = [](CUdevice, CUdevResource* resource, CUdevResourceType) {
    *resource = Resource(40);
    return CUDA_SUCCESS;
  };
  table.cuCtxGetDevResource = [](CUcontext, CUdevResource* resource, CUdevResourceType) {
    *resource = Resource(16);
    return CUDA_SUCCESS;
  };
  table.cuDevSmResourceSplitByCount = [](CUdevResource* parts, unsigned* groups,
                                         const CUdevResource* input, CUdevResource* rest, unsigned,
                                         unsigned size) {
    seen.divided = input->sm.smCount;
    const unsigned possible = input->sm.smCount / size;
    if (parts == nullptr) {
      *groups = possible;
      return CUDA_SUCCESS;
    }
    *groups = std::min(*groups, possible);
    for (unsigned i = 0; i < *groups; ++i) {
      parts[i] = Resource(size);
      parts[i]._internal_padding[0] = static_cast<unsigned char>(i + 1);
    }
    const unsigned left = input->sm.smCount - *groups * size;
    *rest = left == 0 ? CUdevResource{} : Resource(left);
    return CUDA_SUCCESS;
  };
  table.cuDevResourceGenerateDesc = [](CUdevResourceDesc* made, CUdevResource* all, unsigned n) {
    seen.described.clear();
    for (unsigned i = 0; i < n; ++i) {
      seen.described.push_back(all[i]._internal_padding[0]);
    }
    *made = wire::FromWire<CUdevResourceDesc>(5);
    return CUDA_SUCCESS;
  };
  table.cuGreenCtxCreate = [](CUgreenCtx* green, CUdevResourceDesc, CUdevice, unsigned) {
    ++seen.alive;
    *green = wire::FromWire<CUgreenCtx>(9);
    return CUDA_SUCCESS;
  };
  // What stands for a green context is a second name of the primary one.
  table.cuCtxFromGreenCtx = [](CUcontext* context, CUgreenCtx) {
    *context = seen.primary;
    return CUDA_SUCCESS;
  };
  table.cuGreenCtxDestroy = [](CUgreenCtx green) {
    seen.alive -= wire::ToWire(green) == 9 ? 1 : 0;
    return CUDA_SUCCESS;
  };
  return table;
}

struct Part {
  uint64_t resource = 0;
  uint32_t count = 0;
  uint32_t least = 0;
  uint32_t alignment = 0;
  uint32_t reserved = 0;
};

class GreenContextMessages : public testing::Test {
 protected:
  GreenContextMessages() : fake_(LoadFakeDriver()), table_(GreenTable(fake_->table())) {
    seen = Seen();
    fixture_ = std::make_unique<SessionFixture>(0, &table_);
    fixture_->UseContext();
    // Retained once more than the client does, for its name.
    EXPECT_EQ(fake_->table().cuDevicePrimaryCtxRetain(&seen.primary, 0), CUDA_SUCCESS);
  }

  ~GreenContextMessages() override {
    fixture_.reset();
    EXPECT_EQ(fake_->table().cuDevicePrimaryCtxRelease_v2(0), CUDA_SUCCESS);
  }

  ScriptedClient& client() { return fixture_->client(); }

  uint64_t DeviceResource() {
    wire::DevResourceReply reply;
    EXPECT_EQ(client().Call(wire::DevResource{.context = 0, .device = 0}, &reply), CUDA_SUCCESS);
    EXPECT_EQ(reply.count, 40u);
    return reply.resource;
  }

  CUresult Create(const std::vector<uint64_t>& resources,
                  wire::Handle home = SessionFixture::kContext) {
    return client().Call(wire::GreenContextCreate{
        .context = kGreen,
        .home = home,
        .device = 0,
        .flags = CU_GREEN_CTX_DEFAULT_STREAM,
        .resources = ConstBytes(reinterpret_cast<const std::byte*>(resources.data()),
                                resources.size() * sizeof(uint64_t))});
  }

  std::vector<Part> Split(uint64_t resource, uint32_t groups, uint32_t size) {
    wire::DevResourceSplitReply reply;
    EXPECT_EQ(client().Call(
                  wire::DevResourceSplit{.resource = resource, .groups = groups, .minimum = size},
                  &reply),
              CUDA_SUCCESS);
    std::vector<Part> parts(reply.parts.size() / sizeof(Part));
    if (!parts.empty()) {
      memcpy(parts.data(), reply.parts.data(), reply.parts.size());
    }
    return parts;
  }

  std::unique_ptr<Driver> fake_;
  DriverTable table_;
  std::unique_ptr<SessionFixture> fixture_;
};

TEST_F(GreenContextMessages, ResourcesAreDividedAndMadeContextsByTheirNumbers) {
  const uint64_t all = DeviceResource();
  EXPECT_EQ(DeviceResource(), all);  // the same has one number
  EXPECT_TRUE(Split(all, 0, 16).empty());
  const std::vector<Part> parts = Split(all, 9, 16);
  ASSERT_EQ(parts.size(), 3u);
  EXPECT_EQ(seen.divided, 40u);
  EXPECT_EQ(parts[0].count, 16u);
  EXPECT_EQ(parts[2].count, 8u);
  EXPECT_NE(parts[0].resource, parts[1].resource);
  EXPECT_EQ(Split(all, 1, 40).back().resource, 0u);  // nothing is left

  ASSERT_EQ(Create({parts[1].resource, parts[0].resource}), CUDA_SUCCESS);
  EXPECT_EQ(seen.described, (std::vector<unsigned>{2, 1}));
  EXPECT_EQ(seen.alive, 1);
  wire::DevResourceReply reply;
  EXPECT_EQ(client().Call(wire::DevResource{.context = kGreen, .device = 0}, &reply), CUDA_SUCCESS);
  EXPECT_EQ(reply.count, 16u);
  EXPECT_EQ(client().Call(wire::ContextDestroy{.context = kGreen}), CUDA_SUCCESS);
  EXPECT_EQ(seen.alive, 0);
}

TEST_F(GreenContextMessages, NumbersThatWereNotGivenOutMeanNothing) {
  const uint64_t all = DeviceResource();
  EXPECT_EQ(Create({all, all + 1}), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(Create({0}), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(client().Call(wire::DevResourceSplit{.resource = all + 1, .groups = 1, .minimum = 8}),
            CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(Create({all}, kGreen), CUDA_ERROR_INVALID_CONTEXT);
  EXPECT_EQ(client().Call(wire::DevResource{.context = 0, .device = 7}), CUDA_ERROR_INVALID_DEVICE);
  EXPECT_EQ(client().Call(wire::DevResource{.context = kGreen, .device = 0}),
            CUDA_ERROR_INVALID_CONTEXT);
  EXPECT_EQ(seen.divided, 0u);
  EXPECT_EQ(seen.alive, 0);
}

TEST_F(GreenContextMessages, WhatIsMadeInOneOutlivesItButForItsStreams) {
  const auto event = wire::MakeHandle(wire::HandleKind::kEvent, 0, 1);
  const auto stream = wire::MakeHandle(wire::HandleKind::kStream, 0, 1);
  ASSERT_EQ(Create({DeviceResource()}), CUDA_SUCCESS);
  client().Post(wire::SetContext{.context = kGreen});
  client().Post(wire::EventCreate{.phEvent = event});
  client().Post(wire::StreamCreateWithPriority{.phStream = stream});
  client().Post(wire::EventRecord{.hEvent = event, .hStream = stream});
  client().Post(wire::SetContext{.context = SessionFixture::kContext});
  EXPECT_EQ(client().Call(wire::ContextDestroy{.context = kGreen}), CUDA_SUCCESS);
  EXPECT_EQ(client().Call(wire::EventSynchronize{.hEvent = event}), CUDA_SUCCESS);
  EXPECT_EQ(client().Call(wire::StreamQuery{.hStream = stream}), CUDA_ERROR_INVALID_HANDLE);
  EXPECT_TRUE(client().failures.empty());
}

TEST_F(GreenContextMessages, HalfANumberAndTooManyGroupsAreBreaches) {
  const std::byte few[12] = {};
  client().Post(wire::GreenContextCreate{
      .context = kGreen, .home = SessionFixture::kContext, .device = 0, .resources = few});
  client().Flush();
  EXPECT_EQ(fixture_->WaitForEnd(), SessionEnd::kBreach);
  EXPECT_EQ(fixture_->breach(), wire::WireError::kBadValue);
}

TEST(DevResources, AreAsManyAsTheyMayBe) {
  DevResources resources;
  for (unsigned i = 0; i < DevResources::kResourcesMax; ++i) {
    ASSERT_EQ(resources.Keep(Resource(i)), i + 1);
  }
  EXPECT_EQ(resources.Keep(Resource(100'000)), 0u);
  EXPECT_EQ(resources.Keep(Resource(7)), 8u);
  EXPECT_EQ(resources.Find(8)->sm.smCount, 7u);
  EXPECT_EQ(resources.Find(0), nullptr);
  EXPECT_EQ(resources.Find(DevResources::kResourcesMax + 1), nullptr);
}

}  // namespace
}  // namespace farlane::server

// SPDX-License-Identifier: Apache-2.0
// Arrays, textures and surfaces of a client: what it may have, what counts for it, and that nothing
// reaches the driver that was not proved.
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/session_fixture.h"

namespace farlane::server {
namespace {

// A driver that knows arrays, and remembers what it was asked. Thread: the session's, then the
// test's.
struct ArrayDriver {
  int made = 0;
  int ended = 0;
  CUDA_ARRAY3D_DESCRIPTOR descriptor{};
  std::vector<CUDA_MEMCPY3D> copies;
  CUDA_RESOURCE_DESC resource{};
  CUDA_TEXTURE_DESC texture{};
  int textures = 0;
};

ArrayDriver driver;

decltype(DriverTable::cuDeviceGetAttribute) plain_attribute;

template <typename Handle>
Handle Numbered(uintptr_t number) {
  return reinterpret_cast<Handle>(number);
}

constexpr int kTextureLimit = 4096;

DriverTable TableWithArrays(const Driver& fake) {
  driver = {};
  DriverTable table = fake.table();
  plain_attribute = table.cuDeviceGetAttribute;
  table.cuDeviceGetAttribute = [](int* value, CUdevice_attribute attribute, CUdevice device) {
    if (attribute == CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_WIDTH ||
        attribute == CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_HEIGHT ||
        attribute == CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_MIPMAPPED_WIDTH ||
        attribute == CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_MIPMAPPED_HEIGHT) {
      *value = kTextureLimit;
      return CUDA_SUCCESS;
    }
    return plain_attribute(value, attribute, device);
  };
  table.cuArray3DCreate_v2 = [](CUarray* array, const CUDA_ARRAY3D_DESCRIPTOR* descriptor) {
    driver.descriptor = *descriptor;
    *array = Numbered<CUarray>(100 + static_cast<uintptr_t>(++driver.made));
    return CUDA_SUCCESS;
  };
  table.cuArrayDestroy = [](CUarray) {
    ++driver.ended;
    return CUDA_SUCCESS;
  };
  table.cuMipmappedArrayCreate = [](CUmipmappedArray* array, const CUDA_ARRAY3D_DESCRIPTOR*,
                                    unsigned int) {
    *array = Numbered<CUmipmappedArray>(200 + static_cast<uintptr_t>(++driver.made));
    return CUDA_SUCCESS;
  };
  table.cuMipmappedArrayGetLevel = [](CUarray* array, CUmipmappedArray, unsigned int level) {
    *array = Numbered<CUarray>(300 + level);
    return CUDA_SUCCESS;
  };
  table.cuMipmappedArrayDestroy = [](CUmipmappedArray) {
    ++driver.ended;
    return CUDA_SUCCESS;
  };
  table.cuMemcpy3DAsync_v2 = [](const CUDA_MEMCPY3D* copy, CUstream) {
    driver.copies.push_back(*copy);
    return CUDA_SUCCESS;
  };
  table.cuTexObjectCreate = [](CUtexObject* object, const CUDA_RESOURCE_DESC* resource,
                               const CUDA_TEXTURE_DESC* texture, const CUDA_RESOURCE_VIEW_DESC*) {
    driver.resource = *resource;
    driver.texture = *texture;
    *object = 77 + static_cast<CUtexObject>(driver.textures++);
    return CUDA_SUCCESS;
  };
  table.cuTexObjectDestroy = [](CUtexObject) {
    --driver.textures;
    return CUDA_SUCCESS;
  };
  return table;
}

constexpr wire::Handle Array(uint32_t index) {
  return wire::MakeHandle(wire::HandleKind::kArray, index, 1);
}

wire::ArrayCreate Square(uint32_t index, uint64_t size, uint32_t levels = 0) {
  return {.array = Array(index),
          .width = size,
          .height = size,
          .format = CU_AD_FORMAT_FLOAT,
          .channels = 1,
          .levels = levels};
}

class ArrayMessages : public testing::Test {
 protected:
  explicit ArrayMessages(uint64_t limit_bytes = 0)
      : fake_(LoadFakeDriver()), table_(TableWithArrays(*fake_)), fixture_(limit_bytes, &table_) {
    fixture_.UseContext();
  }

  ScriptedClient& client() { return fixture_.client(); }

  // All that was posted has been executed.
  void Settle() { EXPECT_EQ(client().Call(wire::StreamSynchronize{}), CUDA_SUCCESS); }

  wire::TextureCreate LinearTexture(uint64_t address, uint64_t bytes) {
    return {.resource = CU_RESOURCE_TYPE_LINEAR,
            .format = CU_AD_FORMAT_FLOAT,
            .channels = 1,
            .address = address,
            .width = bytes,
            .texture = std::as_bytes(std::span(&described_, 1))};
  }

  CUDA_TEXTURE_DESC described_{};
  std::unique_ptr<Driver> fake_;
  DriverTable table_;
  SessionFixture fixture_;
};

TEST_F(ArrayMessages, BytesCountFromBeforeTheDriverUntilAfterIt) {
  const uint64_t before = fixture_.credit().free_bytes(0);
  ASSERT_EQ(client().Call(Square(0, 1000)), CUDA_SUCCESS);
  EXPECT_EQ(driver.descriptor.Width, 1000u);
  EXPECT_EQ(before - fixture_.credit().free_bytes(0), 4_MiB);
  ASSERT_EQ(client().Call(wire::ArrayDestroy{.array = Array(0)}), CUDA_SUCCESS);
  EXPECT_EQ(driver.ended, 1);
  EXPECT_EQ(fixture_.credit().free_bytes(0), before);
}

TEST_F(ArrayMessages, AMipmappedArrayGoesWithItsLevels) {
  const uint64_t before = fixture_.credit().free_bytes(0);
  ASSERT_EQ(client().Call(Square(0, 64, 3)), CUDA_SUCCESS);
  client().Post(wire::ArrayLevel{.array = Array(0), .level_array = Array(1), .level = 2});
  client().Post(wire::ArrayLevel{.array = Array(0), .level_array = Array(2), .level = 3});
  EXPECT_EQ(client().Call(wire::ArrayDestroy{.array = Array(1)}), CUDA_ERROR_INVALID_HANDLE);
  ASSERT_EQ(client().Call(wire::ArrayDestroy{.array = Array(0)}), CUDA_SUCCESS);
  EXPECT_EQ(client().Call(wire::SurfaceCreate{.array = Array(1)}), CUDA_ERROR_INVALID_HANDLE);
  EXPECT_EQ(fixture_.credit().free_bytes(0), before);
}

TEST_F(ArrayMessages, WhatNoDeviceHasIsNotAskedOfTheDriver) {
  EXPECT_EQ(client().Call(Square(0, kTextureLimit + 1)), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(client().Call(Square(0, ~uint64_t{0})), CUDA_ERROR_INVALID_VALUE);
  wire::ArrayCreate odd = Square(0, 16);
  odd.channels = 3;
  EXPECT_EQ(client().Call(odd), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(driver.made, 0);
}

TEST_F(ArrayMessages, CopiesStayInsideTheArray) {
  ASSERT_EQ(client().Call(Square(0, 16)), CUDA_SUCCESS);
  const std::vector<std::byte> data(64);
  client().Post(wire::ArrayCopyIn{.array = Array(0), .y = 3, .width = 64, .rows = 1, .data = data});
  client().Post(
      wire::ArrayCopyIn{.array = Array(0), .x = 4, .y = 3, .width = 64, .rows = 1, .data = data});
  client().Post(
      wire::ArrayCopyIn{.array = Array(0), .y = 15, .width = 32, .rows = 2, .data = data});
  client().Post(wire::ArrayFetch{.call = 1, .array = Array(0), .z = 1, .width = 64, .rows = 1});
  client().Post(wire::ArrayCopyIn{.array = Array(7), .width = 64, .rows = 1, .data = data});
  client().Post(wire::ArrayCopyShape{
      .to_array = Array(0), .from_array = Array(0), .width = 64, .rows = 4, .slices = 2});
  client().Post(wire::ArrayCopyShape{
      .to_array = Array(0), .from = 0x1000, .width = 64, .rows = 1, .slices = 1, .from_pitch = 64});
  Settle();
  ASSERT_EQ(driver.copies.size(), 1u);
  EXPECT_EQ(driver.copies[0].dstArray, Numbered<CUarray>(101));
  EXPECT_EQ(driver.copies[0].dstY, 3u);
}

TEST_F(ArrayMessages, ATextureIsOfMemoryThatTheClientHas) {
  const uint64_t address = fixture_.UseMemory();
  EXPECT_EQ(client().Call(LinearTexture(address, kChunkBytes + 4)), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(client().Call(LinearTexture(0x1000, 64)), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(driver.textures, 0);
  EXPECT_EQ(client().Call(LinearTexture(address, kChunkBytes)), CUDA_SUCCESS);
  EXPECT_EQ(driver.resource.res.linear.sizeInBytes, kChunkBytes);
  client().Post(wire::TextureDestroy{.object = 78});
  client().Post(wire::TextureDestroy{.object = 77});
  client().Post(wire::TextureDestroy{.object = 77});
  EXPECT_EQ(client().Call(wire::ContextSynchronize{.context = SessionFixture::kContext}),
            CUDA_SUCCESS);
  EXPECT_EQ(client().Call(wire::PrimaryRelease{.context = SessionFixture::kContext, .device = 0}),
            CUDA_SUCCESS);
  EXPECT_EQ(driver.textures, 0);
}

TEST_F(ArrayMessages, ARecordOfAnotherSizeIsABreach) {
  wire::TextureCreate message = LinearTexture(fixture_.UseMemory(), 64);
  message.texture = message.texture.first(8);
  client().Post(message);
  client().Flush();
  EXPECT_EQ(fixture_.WaitForEnd(), SessionEnd::kBreach);
  EXPECT_EQ(fixture_.breach(), wire::WireError::kBadValue);
}

TEST_F(ArrayMessages, AHandleIsGivenOnce) {
  ASSERT_EQ(client().Call(Square(0, 16)), CUDA_SUCCESS);
  client().Post(Square(0, 16));
  client().Flush();
  EXPECT_EQ(fixture_.WaitForEnd(), SessionEnd::kBreach);
}

TEST_F(ArrayMessages, EndWithTheirContext) {
  const uint64_t before = fixture_.credit().free_bytes(0);
  ASSERT_EQ(client().Call(Square(0, 1000)), CUDA_SUCCESS);
  ASSERT_EQ(client().Call(wire::PrimaryRelease{.context = SessionFixture::kContext, .device = 0}),
            CUDA_SUCCESS);
  EXPECT_EQ(fixture_.credit().free_bytes(0), before);
  fixture_.UseContext();
  EXPECT_EQ(client().Call(wire::SurfaceCreate{.array = Array(0)}), CUDA_ERROR_INVALID_HANDLE);
}

class ArraysInALimit : public ArrayMessages {
 protected:
  ArraysInALimit() : ArrayMessages(16_MiB) {}
};

TEST_F(ArraysInALimit, TheLedgerIsAskedBeforeTheDriver) {
  EXPECT_EQ(client().Call(Square(0, 2048)), CUDA_ERROR_OUT_OF_MEMORY);  // 16 MiB, and 4 are credit
  EXPECT_EQ(driver.made, 0);
  EXPECT_EQ(client().Call(Square(0, 1024)), CUDA_SUCCESS);
}

}  // namespace
}  // namespace farlane::server

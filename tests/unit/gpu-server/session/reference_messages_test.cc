// SPDX-License-Identifier: Apache-2.0
// Texture and surface references of a client: the driver is told what has changed and nothing else,
// and nothing that was not proved.
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/image_client.h"
#include "tests/support/session_fixture.h"

namespace farlane::server {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

template <typename Handle>
Handle Numbered(uintptr_t number) {
  return reinterpret_cast<Handle>(number);
}

// What the driver was told, in order. Thread: the session's, then the test's.
struct ReferenceDriver {
  std::vector<std::string> told;
  CUresult refusal = CUDA_SUCCESS;  // of a filter
};

ReferenceDriver driver;

CUresult Told(const std::string& what) {
  driver.told.push_back(what);
  return CUDA_SUCCESS;
}

// Three calls that one test each needs a look at; the rest only say that they were made.
void AddSettings(DriverTable* table) {
  table->cuTexRefSetFormat = [](CUtexref, CUarray_format format, int channels) {
    return Told("format " + std::to_string(format) + " x " + std::to_string(channels));
  };
  table->cuTexRefSetAddressMode = [](CUtexref, int dimension, CUaddress_mode mode) {
    return Told("mode " + std::to_string(dimension) + " " + std::to_string(mode));
  };
  table->cuTexRefSetFilterMode = [](CUtexref, CUfilter_mode filter) {
    Told("filter " + std::to_string(filter));
    return driver.refusal;
  };
  table->cuTexRefSetFlags = [](CUtexref, unsigned flags) {
    return Told("flags " + std::to_string(flags));
  };
  table->cuTexRefSetMipmapLevelClamp = [](CUtexref, float lowest, float highest) {
    return Told("clamp " + std::to_string(static_cast<int>(lowest)) + " " +
                std::to_string(static_cast<int>(highest)));
  };
  table->cuTexRefSetBorderColor = [](CUtexref, float* color) {
    return Told("border " + std::to_string(static_cast<int>(color[3])));
  };
}

DriverTable TableWithReferences(const Driver& fake) {
  driver = {};
  DriverTable table = fake.table();
  table.cuModuleGetTexRef = [](CUtexref* texture, CUmodule, const char* name) {
    *texture = Numbered<CUtexref>(11);
    return name == std::string("photo") ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
  };
  table.cuModuleGetSurfRef = [](CUsurfref* surface, CUmodule, const char*) {
    *surface = Numbered<CUsurfref>(12);
    return CUDA_SUCCESS;
  };
  table.cuTexRefCreate = [](CUtexref* texture) {
    *texture = Numbered<CUtexref>(13);
    return CUDA_SUCCESS;
  };
  table.cuTexRefDestroy = [](CUtexref texture) {
    return Told("end " + std::to_string(reinterpret_cast<uintptr_t>(texture)));
  };
  table.cuTexRefGetFormat = [](CUarray_format* format, int* channels, CUtexref) {
    *format = CU_AD_FORMAT_FLOAT;
    *channels = 1;
    return CUDA_SUCCESS;
  };
  table.cuTexRefGetAddressMode = [](CUaddress_mode* mode, CUtexref, int) {
    *mode = CU_TR_ADDRESS_MODE_CLAMP;
    return CUDA_SUCCESS;
  };
  table.cuTexRefSetAddress_v2 = [](size_t* offset, CUtexref, CUdeviceptr address, size_t bytes) {
    *offset = 0;
    return Told("address " + std::to_string(address & 0xfff) + " " + std::to_string(bytes));
  };
  table.cuTexRefSetAddress2D_v3 = [](CUtexref, const CUDA_ARRAY_DESCRIPTOR* picture, CUdeviceptr,
                                     size_t pitch) {
    return Told("picture " + std::to_string(picture->Width) + " " + std::to_string(pitch));
  };
  table.cuTexRefSetArray = [](CUtexref, CUarray, unsigned flags) {
    return Told("array " + std::to_string(flags));
  };
  table.cuSurfRefSetArray = [](CUsurfref, CUarray, unsigned flags) {
    return Told("surface " + std::to_string(flags));
  };
  table.cuArray3DCreate_v2 = [](CUarray* array, const CUDA_ARRAY3D_DESCRIPTOR*) {
    *array = Numbered<CUarray>(100);
    return CUDA_SUCCESS;
  };
  table.cuArrayDestroy = [](CUarray) { return CUDA_SUCCESS; };
  static decltype(DriverTable::cuDeviceGetAttribute) plain_attribute;
  plain_attribute = table.cuDeviceGetAttribute;
  table.cuDeviceGetAttribute = [](int* value, CUdevice_attribute attribute, CUdevice device) {
    if (attribute == CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE1D_WIDTH) {
      *value = 4096;
      return CUDA_SUCCESS;
    }
    return plain_attribute(value, attribute, device);
  };
  AddSettings(&table);
  return table;
}

constexpr wire::Handle Reference(uint32_t index) {
  return wire::MakeHandle(wire::HandleKind::kReference, index, 1);
}

constexpr wire::Handle kArray = wire::MakeHandle(wire::HandleKind::kArray, 0, 1);
constexpr wire::Handle kPhoto = Reference(0);
constexpr wire::Handle kBoard = Reference(1);

class ReferenceMessages : public testing::Test {
 protected:
  ReferenceMessages()
      : fake_(LoadFakeDriver()), table_(TableWithReferences(*fake_)), fixture_(0, &table_) {
    fixture_.UseContext();
    LoadTestImage(client());
    EXPECT_EQ(Find(kPhoto, "photo", 0), CUDA_SUCCESS);
    EXPECT_EQ(Find(kBoard, "board", 1), CUDA_SUCCESS);
    for (CUaddress_mode& mode : sampling_.addressMode) {
      mode = CU_TR_ADDRESS_MODE_CLAMP;
    }
  }

  ScriptedClient& client() { return fixture_.client(); }

  CUresult Find(wire::Handle handle, const char* name, uint32_t surface) {
    return client().Call(wire::ReferenceFind{
        .module = kTestModule, .reference = handle, .surface = surface, .name = name});
  }

  void Set(CUarray_format format = CU_AD_FORMAT_FLOAT, wire::Handle reference = kPhoto) {
    client().Post(wire::ReferenceSet{.reference = reference,
                                     .format = static_cast<int32_t>(format),
                                     .channels = 1,
                                     .texture = std::as_bytes(std::span(&sampling_, 1))});
  }

  void BindLinear(uint64_t address, uint64_t bytes, wire::Handle reference = kPhoto) {
    client().Post(wire::ReferenceBind{.reference = reference,
                                      .resource = CU_RESOURCE_TYPE_LINEAR,
                                      .format = CU_AD_FORMAT_FLOAT,
                                      .channels = 1,
                                      .address = address,
                                      .width = bytes});
  }

  // What came of all that was posted.
  const std::vector<std::string>& Told() {
    EXPECT_EQ(client().Call(wire::StreamSynchronize{}), CUDA_SUCCESS);
    return driver.told;
  }

  CUDA_TEXTURE_DESC sampling_{};
  std::unique_ptr<Driver> fake_;
  DriverTable table_;
  SessionFixture fixture_;
};

TEST_F(ReferenceMessages, TheDriverIsToldWhatHasChanged) {
  Set();
  EXPECT_THAT(Told(), IsEmpty()) << "as the driver itself has said";
  sampling_.addressMode[1] = CU_TR_ADDRESS_MODE_WRAP;
  sampling_.flags = CU_TRSF_NORMALIZED_COORDINATES;
  Set();
  sampling_.maxMipmapLevelClamp = 3;
  sampling_.borderColor[3] = 5;
  Set(CU_AD_FORMAT_HALF);
  Set(CU_AD_FORMAT_HALF);
  EXPECT_THAT(Told(), ElementsAre("mode 1 0", "flags 2", "format 16 x 1", "clamp 0 3", "border 5"));
}

TEST_F(ReferenceMessages, ARefusalIsToldOnce) {
  driver.refusal = CUDA_ERROR_NOT_SUPPORTED;
  sampling_.filterMode = CU_TR_FILTER_MODE_LINEAR;
  Set();
  sampling_.flags = CU_TRSF_SRGB;
  Set();
  EXPECT_THAT(Told(), ElementsAre("filter 1", "flags 16"));
  EXPECT_EQ(client().failures.size(), 1u);
}

TEST_F(ReferenceMessages, AreBoundToWhatTheClientHas) {
  const uint64_t address = fixture_.UseMemory();
  BindLinear(address, kChunkBytes);
  BindLinear(address, kChunkBytes + 4);
  BindLinear(0x1000, 64);
  BindLinear(0x1000, 0);
  BindLinear(0, 0);
  wire::ReferenceBind picture{.reference = kPhoto,
                              .resource = CU_RESOURCE_TYPE_PITCH2D,
                              .format = CU_AD_FORMAT_FLOAT,
                              .channels = 1,
                              .address = address,
                              .width = 16,
                              .height = 4,
                              .pitch = 64};
  client().Post(picture);
  picture.height = kChunkBytes;
  client().Post(picture);
  EXPECT_THAT(Told(), ElementsAre("address 0 2097152", "address 0 0", "picture 16 64"));
  EXPECT_EQ(client().failures.size(), 4u);
}

TEST_F(ReferenceMessages, AreBoundToArraysThatAreThere) {
  const wire::ArrayCreate row{
      .array = kArray, .width = 64, .format = CU_AD_FORMAT_FLOAT, .channels = 1};
  ASSERT_EQ(client().Call(row), CUDA_SUCCESS);
  for (const wire::Handle reference : {kPhoto, kBoard}) {
    client().Post(wire::ReferenceBind{
        .reference = reference, .resource = CU_RESOURCE_TYPE_ARRAY, .array = kArray});
    client().Post(wire::ReferenceBind{
        .reference = reference, .resource = CU_RESOURCE_TYPE_MIPMAPPED_ARRAY, .array = kArray});
    client().Post(wire::ReferenceBind{
        .reference = reference, .resource = CU_RESOURCE_TYPE_ARRAY, .array = kArray + 1});
  }
  BindLinear(fixture_.UseMemory(), 64, kBoard);
  EXPECT_THAT(Told(), ElementsAre("array 1", "surface 0"));
  EXPECT_EQ(client().failures.size(), 5u);
}

TEST_F(ReferenceMessages, EndWithTheirModule) {
  client().Post(wire::ReferenceDestroy{.reference = kPhoto});
  client().Post(wire::ImageUnload{.module = kTestModule});
  sampling_.flags = CU_TRSF_SRGB;
  Set();
  BindLinear(fixture_.UseMemory(), 64);
  EXPECT_THAT(Told(), IsEmpty());
  EXPECT_EQ(client().failures.size(), 3u);
}

TEST_F(ReferenceMessages, EndWithTheirContext) {
  ASSERT_EQ(client().Call(wire::PrimaryRelease{.context = SessionFixture::kContext, .device = 0}),
            CUDA_SUCCESS);
  fixture_.UseContext();
  sampling_.flags = CU_TRSF_SRGB;
  Set();
  EXPECT_THAT(Told(), IsEmpty());
  EXPECT_EQ(client().failures.size(), 1u);
}

TEST_F(ReferenceMessages, OfTheProgramsOwnMakingAreEndedByIt) {
  const wire::Handle own = Reference(2);
  ASSERT_EQ(client().Call(wire::ReferenceFind{.reference = own}), CUDA_SUCCESS);
  client().Post(wire::ReferenceDestroy{.reference = own});
  client().Post(wire::ReferenceDestroy{.reference = own});
  EXPECT_THAT(Told(), ElementsAre("end 13"));
  EXPECT_EQ(client().failures.size(), 1u);
}

TEST_F(ReferenceMessages, ANameThatIsNotThereBindsNoHandle) {
  EXPECT_EQ(Find(Reference(3), "nobody", 0), CUDA_ERROR_NOT_FOUND);
  EXPECT_EQ(Find(Reference(3), "photo", 0), CUDA_SUCCESS) << "the handle is still free";
}

TEST_F(ReferenceMessages, OfSurfacesAreNotRead) {
  sampling_.flags = CU_TRSF_SRGB;
  Set(CU_AD_FORMAT_FLOAT, kBoard);
  EXPECT_THAT(Told(), IsEmpty());
  EXPECT_EQ(client().failures.size(), 1u);
}

TEST_F(ReferenceMessages, AHandleIsGivenOnce) {
  client().Post(wire::ReferenceFind{.module = kTestModule, .reference = kPhoto, .name = "photo"});
  client().Flush();
  EXPECT_EQ(fixture_.WaitForEnd(), SessionEnd::kBreach);
}

TEST_F(ReferenceMessages, ARecordOfAnotherSizeIsABreach) {
  client().Post(wire::ReferenceSet{.reference = kPhoto,
                                   .texture = std::as_bytes(std::span(&sampling_, 1)).first(8)});
  client().Flush();
  EXPECT_EQ(fixture_.WaitForEnd(), SessionEnd::kBreach);
  EXPECT_EQ(fixture_.breach(), wire::WireError::kBadValue);
}

}  // namespace
}  // namespace farlane::server

// SPDX-License-Identifier: Apache-2.0
// Texture and surface references: what the library answers by itself, and what it refuses.
#include "tests/system/client/program/cases.h"
#include "tests/system/client/program/cuda.h"

namespace farlane::cases {
namespace {

constexpr char kPtx[] = R"(
.version 7.0
.target sm_52
.address_size 64
.global .texref photo;
.global .texref negative;
.global .surfref board;
.visible .entry look(.param .u64 out)
{
  .reg .b64 %rd<3>;
  .reg .f32 %f<5>;
  .reg .b32 %r<2>;
  ld.param.u64 %rd1, [out];
  mov.u32 %r1, 0;
  tex.1d.v4.f32.s32 {%f1, %f2, %f3, %f4}, [photo, {%r1}];
  st.global.f32 [%rd1], %f1;
  ret;
}
)";

struct Album {
  CUmodule module = nullptr;
  CUtexref photo = nullptr;
  CUtexref negative = nullptr;
  CUsurfref board = nullptr;
  CUdeviceptr memory = 0;
};

Album Open() {
  Album album;
  EXPECT_OK(Cuda().cuModuleLoadData(&album.module, kPtx));
  EXPECT_OK(Cuda().cuModuleGetTexRef(&album.photo, album.module, "photo"));
  EXPECT_OK(Cuda().cuModuleGetTexRef(&album.negative, album.module, "negative"));
  EXPECT_OK(Cuda().cuModuleGetSurfRef(&album.board, album.module, "board"));
  EXPECT_OK(Cuda().cuMemAlloc_v2(&album.memory, 4096));
  return album;
}

CUarray RowOfFloats(unsigned flags) {
  CUarray array = nullptr;
  const CUDA_ARRAY3D_DESCRIPTOR shape = {64, 0, 0, CU_AD_FORMAT_FLOAT, 1, flags};
  EXPECT_OK(Cuda().cuArray3DCreate_v2(&array, &shape));
  return array;
}

void RefuseWrongHandles(const Album& album) {
  unsigned flags = 0;
  CUtexref texture = nullptr;
  CUsurfref surface = nullptr;
  const auto number = [](uintptr_t value) { return reinterpret_cast<CUtexref>(value); };
  for (const CUtexref wrong :
       {number(0), number(1), number(~uintptr_t{0}), reinterpret_cast<CUtexref>(album.module),
        reinterpret_cast<CUtexref>(album.board)}) {
    EXPECT(Cuda().cuTexRefSetFlags(wrong, 0), CUDA_ERROR_INVALID_VALUE);
    EXPECT(Cuda().cuTexRefGetFlags(&flags, wrong), CUDA_ERROR_INVALID_VALUE);
    EXPECT(Cuda().cuTexRefDestroy(wrong), CUDA_ERROR_INVALID_VALUE);
  }
  EXPECT(Cuda().cuTexRefDestroy(album.photo), CUDA_ERROR_INVALID_VALUE);
  EXPECT(Cuda().cuTexRefGetFlags(nullptr, album.photo), CUDA_ERROR_INVALID_VALUE);
  EXPECT(Cuda().cuModuleGetTexRef(&texture, album.module, "board"), CUDA_ERROR_NOT_FOUND);
  EXPECT(Cuda().cuModuleGetSurfRef(&surface, album.module, "photo"), CUDA_ERROR_NOT_FOUND);
  EXPECT(Cuda().cuModuleGetTexRef(&texture, nullptr, "photo"), CUDA_ERROR_INVALID_HANDLE);
  EXPECT(Cuda().cuModuleGetTexRef(&texture, album.module, nullptr), CUDA_ERROR_INVALID_VALUE);
}

void RefuseWrongMemory(const Album& album) {
  const CUDA_ARRAY_DESCRIPTOR picture = {64, 8, CU_AD_FORMAT_FLOAT, 1};
  const CUDA_ARRAY_DESCRIPTOR tall = {64, 9, CU_AD_FORMAT_FLOAT, 1};
  const CUDA_ARRAY_DESCRIPTOR odd = {64, 8, CU_AD_FORMAT_FLOAT, 3};
  size_t offset = 99;
  EXPECT(Cuda().cuTexRefSetAddress_v2(&offset, album.photo, 4096, 64), CUDA_ERROR_INVALID_VALUE);
  EXPECT(Cuda().cuTexRefSetAddress_v2(&offset, album.photo, album.memory, 0),
         CUDA_ERROR_INVALID_VALUE);
  EXPECT(Cuda().cuTexRefSetAddress_v2(nullptr, album.photo, album.memory + 4, 64),
         CUDA_ERROR_INVALID_VALUE);
  EXPECT(offset, 99);
  EXPECT_OK(Cuda().cuTexRefSetAddress2D_v3(album.photo, &picture, album.memory, 512));
  EXPECT(Cuda().cuTexRefSetAddress2D_v3(album.photo, &tall, album.memory, 512),
         CUDA_ERROR_INVALID_VALUE);
  EXPECT(Cuda().cuTexRefSetAddress2D_v3(album.photo, &odd, album.memory, 512),
         CUDA_ERROR_INVALID_VALUE);
  EXPECT(Cuda().cuTexRefSetAddress2D_v3(album.photo, nullptr, album.memory, 512),
         CUDA_ERROR_INVALID_VALUE);
  EXPECT(Cuda().cuTexRefSetAddress2D_v3(album.photo, &picture, album.memory, 500),
         CUDA_ERROR_INVALID_VALUE);
}

void RefuseWrongArrays(const Album& album) {
  const CUarray plain = RowOfFloats(0);
  const CUarray drawn = RowOfFloats(CUDA_ARRAY3D_SURFACE_LDST);
  CUarray bound = nullptr;
  EXPECT(Cuda().cuTexRefSetArray(album.photo, plain, 0), CUDA_ERROR_INVALID_VALUE);
  EXPECT(Cuda().cuTexRefSetArray(album.photo, reinterpret_cast<CUarray>(album.module),
                                 CU_TRSA_OVERRIDE_FORMAT),
         CUDA_ERROR_INVALID_VALUE);
  EXPECT(Cuda().cuTexRefSetMipmappedArray(album.photo, reinterpret_cast<CUmipmappedArray>(plain),
                                          CU_TRSA_OVERRIDE_FORMAT),
         CUDA_ERROR_INVALID_VALUE);
  EXPECT(Cuda().cuSurfRefSetArray(album.board, plain, 0), CUDA_ERROR_INVALID_VALUE);
  EXPECT(Cuda().cuSurfRefSetArray(album.board, drawn, 1), CUDA_ERROR_INVALID_VALUE);
  EXPECT(Cuda().cuSurfRefGetArray(&bound, album.board), CUDA_ERROR_INVALID_VALUE);
  EXPECT_OK(Cuda().cuSurfRefSetArray(album.board, drawn, 0));
  EXPECT_OK(Cuda().cuSurfRefGetArray(&bound, album.board));
  EXPECT_TRUE(bound == drawn);
  EXPECT_OK(Cuda().cuArrayDestroy(drawn));
  EXPECT(Cuda().cuSurfRefGetArray(&bound, album.board), CUDA_ERROR_INVALID_VALUE);
  EXPECT_OK(Cuda().cuArrayDestroy(plain));
}

void RefuseWrongSettings(const Album& album) {
  const CUtexref photo = album.photo;
  EXPECT(Cuda().cuTexRefSetFlags(photo, 0x80), CUDA_ERROR_INVALID_VALUE);
  EXPECT(Cuda().cuTexRefSetFormat(photo, CU_AD_FORMAT_FLOAT, 3), CUDA_ERROR_INVALID_VALUE);
  EXPECT(Cuda().cuTexRefSetFormat(photo, CU_AD_FORMAT_FLOAT, -1), CUDA_ERROR_INVALID_VALUE);
  EXPECT(Cuda().cuTexRefSetAddressMode(photo, 3, CU_TR_ADDRESS_MODE_CLAMP),
         CUDA_ERROR_INVALID_VALUE);
  EXPECT(Cuda().cuTexRefSetAddressMode(photo, -1, CU_TR_ADDRESS_MODE_CLAMP),
         CUDA_ERROR_INVALID_VALUE);
  EXPECT(Cuda().cuTexRefSetAddressMode(photo, 0, static_cast<CUaddress_mode>(4)),
         CUDA_ERROR_INVALID_VALUE);
  EXPECT(Cuda().cuTexRefSetFilterMode(photo, static_cast<CUfilter_mode>(2)),
         CUDA_ERROR_INVALID_VALUE);
  EXPECT(Cuda().cuTexRefSetBorderColor(photo, nullptr), CUDA_ERROR_INVALID_VALUE);
}

// A reference goes with its module's context, whichever was current when it was asked for.
void EndWithTheContext(CUcontext primary) {
  CUcontext own = nullptr;
  CUmodule module = nullptr;
  CUtexref photo = nullptr;
  unsigned flags = 0;
  EXPECT_OK(Cuda().cuCtxCreate_v2(&own, 0, 0));
  EXPECT_OK(Cuda().cuModuleLoadData(&module, kPtx));
  EXPECT_OK(Cuda().cuCtxSetCurrent(primary));
  EXPECT_OK(Cuda().cuModuleGetTexRef(&photo, module, "photo"));
  EXPECT_OK(Cuda().cuTexRefGetFlags(&flags, photo));
  EXPECT_OK(Cuda().cuCtxDestroy_v2(own));
  EXPECT(Cuda().cuTexRefGetFlags(&flags, photo), CUDA_ERROR_INVALID_VALUE);
}

}  // namespace

void WrongReferences() {
  Begin();
  const Album album = Open();
  RefuseWrongHandles(album);
  RefuseWrongMemory(album);
  RefuseWrongArrays(album);
  RefuseWrongSettings(album);
  EXPECT_OK(Cuda().cuCtxSynchronize());  // nothing of it has reached the server
  unsigned flags = 0;
  EXPECT_OK(Cuda().cuModuleUnload(album.module));
  EXPECT(Cuda().cuTexRefGetFlags(&flags, album.photo), CUDA_ERROR_INVALID_VALUE);
  EXPECT(Cuda().cuTexRefSetFlags(album.negative, 0), CUDA_ERROR_INVALID_VALUE);
  const Album again = Open();
  CUcontext context = nullptr;
  EXPECT_OK(Cuda().cuDevicePrimaryCtxReset_v2(0));
  EXPECT_OK(Cuda().cuDevicePrimaryCtxRetain(&context, 0));
  EXPECT(Cuda().cuTexRefGetFlags(&flags, again.photo), CUDA_ERROR_INVALID_VALUE);
  EndWithTheContext(context);
}

// All of this is posted, or answered from what the program has said.
void BoundReferences() {
  Begin();
  const Album album = Open();
  constexpr int kTimes = 2000;
  for (int i = 0; i < kTimes; ++i) {
    CUfilter_mode filter = CU_TR_FILTER_MODE_POINT;
    CUdeviceptr address = 0;
    CUtexref photo = nullptr;
    EXPECT_OK(Cuda().cuTexRefSetFilterMode(album.photo, CU_TR_FILTER_MODE_LINEAR));
    EXPECT_OK(Cuda().cuTexRefSetFilterMode(album.negative, CU_TR_FILTER_MODE_POINT));
    EXPECT_OK(Cuda().cuTexRefSetAddress_v2(nullptr, album.photo, album.memory, 1024));
    EXPECT_OK(Cuda().cuTexRefGetFilterMode(&filter, album.photo));
    EXPECT(filter, CU_TR_FILTER_MODE_LINEAR);
    EXPECT_OK(Cuda().cuTexRefGetAddress_v2(&address, album.photo));
    EXPECT_TRUE(address == album.memory);
    EXPECT_OK(Cuda().cuModuleGetTexRef(&photo, album.module, "photo"));
    EXPECT_TRUE(photo == album.photo);
  }
}

}  // namespace farlane::cases

// SPDX-License-Identifier: Apache-2.0
// Texture and surface references on the software GPU: what kernels read by them, when a new binding
// counts, what is refused, and what is said of them.
#include <cstring>
#include <string>
#include <vector>

#include "tests/unit/soft-gpu/api/soft_program.h"

namespace farlane::soft {
namespace {

// Kernels of one thread that leave what they read at %rd1.
constexpr const char* kHead = R"(
.version 7.0
.target sm_50
.address_size 64
.global .texref first;
.global .texref second;
.global .surfref board;
)";

std::string Kernel(const std::string& name, const std::string& body) {
  return ".visible .entry " + name + R"((.param .u64 out) {
  .reg .b32 %r<8>;
  .reg .f32 %f<8>;
  .reg .b64 %rd<4>;
  ld.param.u64 %rd1, [out];
  mov.f32 %f5, 0f3FC00000;
  mov.f32 %f6, 0f3F400000;
  mov.u32 %r5, 1;
  mov.u32 %r6, 4;
)" + body +
         "  ret;\n}\n";
}

const std::string& Text() {
  static const std::string text =
      std::string(kHead) +
      Kernel("fetch",
             "  tex.1d.v4.f32.s32 {%f1, %f2, %f3, %f4}, [first, {%r5}];\n"
             "  st.global.f32 [%rd1], %f1;\n") +
      Kernel("both",
             "  tex.1d.v4.f32.s32 {%f1, %f2, %f3, %f4}, [first, {%r5}];\n"
             "  st.global.f32 [%rd1], %f1;\n"
             "  tex.1d.v4.f32.s32 {%f1, %f2, %f3, %f4}, [second, {%r5}];\n"
             "  st.global.f32 [%rd1+4], %f1;\n") +
      // (1.5, 0.75)
      Kernel("sample",
             "  tex.2d.v4.f32.f32 {%f1, %f2, %f3, %f4}, [first, {%f5, %f6}];\n"
             "  st.global.f32 [%rd1], %f1;\n") +
      Kernel("by_register",
             "  mov.u64 %rd2, first;\n"
             "  tex.1d.v4.f32.s32 {%f1, %f2, %f3, %f4}, [%rd2, {%r5}];\n"
             "  st.global.f32 [%rd1], %f1;\n") +
      Kernel("level",
             "  mov.f32 %f7, 0f3F800000;\n"
             "  tex.level.2d.v4.f32.f32 {%f1, %f2, %f3, %f4}, [first, {%f6, %f6}], %f7;\n"
             "  st.global.f32 [%rd1], %f1;\n") +
      Kernel("draw",
             "  suld.b.1d.b32.trap {%r1}, [board, {%r6}];\n"
             "  st.global.u32 [%rd1], %r1;\n"
             "  add.u32 %r1, %r1, 7;\n"
             "  sust.b.1d.b32.trap [board, {%r6}], {%r1};\n");
  return text;
}

class References : public SoftProgram {
 protected:
  void SetUp() override {
    SoftProgram::SetUp();
    ASSERT_EQ(cuModuleLoadData(&module_, Text().c_str()), CUDA_SUCCESS);
    ASSERT_EQ(cuModuleGetTexRef(&first_, module_, "first"), CUDA_SUCCESS);
    ASSERT_EQ(cuModuleGetTexRef(&second_, module_, "second"), CUDA_SUCCESS);
    ASSERT_EQ(cuModuleGetSurfRef(&board_, module_, "board"), CUDA_SUCCESS);
    out_ = Allocate(64);
  }

  CUresult Launch(const char* kernel) {
    CUfunction function = nullptr;
    EXPECT_EQ(cuModuleGetFunction(&function, module_, kernel), CUDA_SUCCESS);
    void* parameters[] = {&out_};
    return cuLaunchKernel(function, 1, 1, 1, 1, 1, 1, 0, nullptr, parameters, nullptr);
  }

  // What a kernel leaves.
  template <typename T>
  std::vector<T> Run(const char* kernel, size_t count) {
    EXPECT_EQ(Launch(kernel), CUDA_SUCCESS);
    std::vector<T> given(count);
    EXPECT_EQ(cuMemcpyDtoH_v2(given.data(), out_, count * sizeof(T), nullptr), CUDA_SUCCESS);
    return given;
  }

  float RunOne(const char* kernel) { return Run<float>(kernel, 1)[0]; }

  CUdeviceptr Filled(const std::vector<float>& values) {
    const CUdeviceptr address = Allocate(values.size() * sizeof(float));
    EXPECT_EQ(cuMemcpyHtoD_v2(address, values.data(), values.size() * sizeof(float), nullptr),
              CUDA_SUCCESS);
    return address;
  }

  // Of one row and 8 columns, or of 2 rows.
  static CUarray ArrayOf(const std::vector<float>& values, size_t height, unsigned flags = 0) {
    CUDA_ARRAY3D_DESCRIPTOR descriptor{};
    descriptor.Width = values.size() / (height == 0 ? 1 : height);
    descriptor.Height = height;
    descriptor.Format = CU_AD_FORMAT_FLOAT;
    descriptor.NumChannels = 1;
    descriptor.Flags = flags;
    CUarray array = nullptr;
    EXPECT_EQ(cuArray3DCreate_v2(&array, &descriptor), CUDA_SUCCESS);
    CUDA_MEMCPY2D copy{};
    copy.srcMemoryType = CU_MEMORYTYPE_HOST;
    copy.srcHost = values.data();
    copy.srcPitch = descriptor.Width * sizeof(float);
    copy.dstMemoryType = CU_MEMORYTYPE_ARRAY;
    copy.dstArray = array;
    copy.WidthInBytes = copy.srcPitch;
    copy.Height = height == 0 ? 1 : height;
    EXPECT_EQ(cuMemcpy2D_v2(&copy, nullptr), CUDA_SUCCESS);
    return array;
  }

  CUmodule module_ = nullptr;
  CUtexref first_ = nullptr;
  CUtexref second_ = nullptr;
  CUsurfref board_ = nullptr;
  CUdeviceptr out_ = 0;
};

TEST_F(References, ReadLinearMemoryFromWhereItIsAligned) {
  const CUdeviceptr memory = Filled(std::vector<float>(256, 3));
  const std::vector<float> values = {10, 11, 12, 13};
  ASSERT_EQ(cuMemcpyHtoD_v2(memory, values.data(), 16, nullptr), CUDA_SUCCESS);
  size_t offset = 1;
  ASSERT_EQ(cuTexRefSetAddress_v2(&offset, first_, memory, 64), CUDA_SUCCESS);
  EXPECT_EQ(offset, 0u);
  EXPECT_EQ(RunOne("fetch"), 11);
  EXPECT_EQ(RunOne("by_register"), 11);
  ASSERT_EQ(cuTexRefSetAddress_v2(&offset, first_, memory + 8, 64), CUDA_SUCCESS);
  EXPECT_EQ(offset, 8u);
  EXPECT_EQ(RunOne("fetch"), 11) << "the texture begins where memory is aligned";
  CUdeviceptr base = 0;
  ASSERT_EQ(cuTexRefGetAddress_v2(&base, first_), CUDA_SUCCESS);
  EXPECT_EQ(base, memory);
  EXPECT_EQ(cuTexRefSetAddress_v2(nullptr, first_, memory + 8, 64), CUDA_ERROR_INVALID_VALUE);
}

TEST_F(References, OfOneModuleAreBoundEachForItself) {
  ASSERT_EQ(cuTexRefSetAddress_v2(nullptr, first_, Filled({1, 2, 3, 4}), 16), CUDA_SUCCESS);
  ASSERT_EQ(cuTexRefSetAddress_v2(nullptr, second_, Filled({5, 6, 7, 8}), 16), CUDA_SUCCESS);
  EXPECT_EQ(Run<float>("both", 2), (std::vector<float>{2, 6}));
  CUtexref again = nullptr;
  ASSERT_EQ(cuModuleGetTexRef(&again, module_, "second"), CUDA_SUCCESS);
  EXPECT_EQ(again, second_);
}

// A launch takes along what its references stand for: the stream is held until all is queued.
TEST_F(References, CountForTheLaunchesThatComeAfter) {
  const CUdeviceptr gate = Allocate(4);
  const CUdeviceptr before = Filled({1, 2, 3, 4});
  const CUdeviceptr after = Filled({5, 6, 7, 8});
  CUstream held = nullptr;
  ASSERT_EQ(cuStreamCreate(&held, CU_STREAM_NON_BLOCKING), CUDA_SUCCESS);
  ASSERT_EQ(cuMemsetD32_v2(gate, 0, 1, nullptr), CUDA_SUCCESS);
  ASSERT_EQ(cuStreamWaitValue32_v2(held, gate, 1, CU_STREAM_WAIT_VALUE_EQ), CUDA_SUCCESS);
  ASSERT_EQ(cuTexRefSetAddress_v2(nullptr, first_, before, 16), CUDA_SUCCESS);
  CUfunction function = nullptr;
  ASSERT_EQ(cuModuleGetFunction(&function, module_, "fetch"), CUDA_SUCCESS);
  CUdeviceptr outs[] = {out_, out_ + 4};
  for (CUdeviceptr& out : outs) {
    void* parameters[] = {&out};
    ASSERT_EQ(cuLaunchKernel(function, 1, 1, 1, 1, 1, 1, 0, held, parameters, nullptr),
              CUDA_SUCCESS);
    ASSERT_EQ(cuTexRefSetAddress_v2(nullptr, first_, after, 16), CUDA_SUCCESS);
  }
  CUstream other = nullptr;
  ASSERT_EQ(cuStreamCreate(&other, CU_STREAM_NON_BLOCKING), CUDA_SUCCESS);
  ASSERT_EQ(cuMemsetD32Async(gate, 1, 1, other), CUDA_SUCCESS);
  ASSERT_EQ(cuStreamSynchronize(held), CUDA_SUCCESS);
  float given[2] = {};
  ASSERT_EQ(cuMemcpyDtoH_v2(given, out_, sizeof given, nullptr), CUDA_SUCCESS);
  EXPECT_EQ(given[0], 2);
  EXPECT_EQ(given[1], 6);
}

TEST_F(References, ReadPicturesAsTheyAreSet) {
  const CUarray array = ArrayOf({0, 4, 8, 12, 100, 104, 108, 112}, 2);
  ASSERT_EQ(cuTexRefSetArray(first_, array, CU_TRSA_OVERRIDE_FORMAT), CUDA_SUCCESS);
  EXPECT_EQ(RunOne("sample"), 4);
  ASSERT_EQ(cuTexRefSetFilterMode(first_, CU_TR_FILTER_MODE_LINEAR), CUDA_SUCCESS);
  EXPECT_EQ(RunOne("sample"), 29) << "a quarter of the way to the second row";
  ASSERT_EQ(cuTexRefSetFlags(first_, CU_TRSF_NORMALIZED_COORDINATES), CUDA_SUCCESS);
  ASSERT_EQ(cuTexRefSetFilterMode(first_, CU_TR_FILTER_MODE_POINT), CUDA_SUCCESS);
  EXPECT_EQ(RunOne("sample"), 112) << "1.5 is beyond the end";
  ASSERT_EQ(cuTexRefSetAddressMode(first_, 0, CU_TR_ADDRESS_MODE_WRAP), CUDA_SUCCESS);
  EXPECT_EQ(RunOne("sample"), 108);
  ASSERT_EQ(cuTexRefSetAddressMode(first_, 0, CU_TR_ADDRESS_MODE_BORDER), CUDA_SUCCESS);
  float border[] = {-5, 0, 0, 0};
  ASSERT_EQ(cuTexRefSetBorderColor(first_, border), CUDA_SUCCESS);
  EXPECT_EQ(RunOne("sample"), -5);
}

TEST_F(References, ReadPitchedMemory) {
  std::vector<float> values(256, 0);
  values[1] = 21;
  values[129] = 22;
  const CUDA_ARRAY_DESCRIPTOR picture = {4, 2, CU_AD_FORMAT_FLOAT, 1};
  const CUdeviceptr memory = Filled(values);
  ASSERT_EQ(cuTexRefSetAddress2D_v3(first_, &picture, memory, 512), CUDA_SUCCESS);
  EXPECT_EQ(RunOne("sample"), 21);
  ASSERT_EQ(cuTexRefSetAddress2D_v2(first_, &picture, memory + 512, 512), CUDA_ERROR_INVALID_VALUE)
      << "its second row is nobody's memory";
  const CUDA_ARRAY_DESCRIPTOR row = {4, 1, CU_AD_FORMAT_FLOAT, 1};
  ASSERT_EQ(cuTexRefSetAddress2D_v2(first_, &row, memory + 512, 512), CUDA_SUCCESS);
  EXPECT_EQ(RunOne("sample"), 22);
}

TEST_F(References, ReadLevels) {
  CUDA_ARRAY3D_DESCRIPTOR descriptor{};
  descriptor.Width = 4;
  descriptor.Height = 4;
  descriptor.Format = CU_AD_FORMAT_FLOAT;
  descriptor.NumChannels = 1;
  CUmipmappedArray levels = nullptr;
  ASSERT_EQ(cuMipmappedArrayCreate(&levels, &descriptor, 2), CUDA_SUCCESS);
  CUarray small = nullptr;
  ASSERT_EQ(cuMipmappedArrayGetLevel(&small, levels, 1), CUDA_SUCCESS);
  const std::vector<float> values = {31, 32, 33, 34};
  CUDA_MEMCPY2D copy{};
  copy.srcMemoryType = CU_MEMORYTYPE_HOST;
  copy.srcHost = values.data();
  copy.srcPitch = 8;
  copy.dstMemoryType = CU_MEMORYTYPE_ARRAY;
  copy.dstArray = small;
  copy.WidthInBytes = 8;
  copy.Height = 2;
  ASSERT_EQ(cuMemcpy2D_v2(&copy, nullptr), CUDA_SUCCESS);
  ASSERT_EQ(cuTexRefSetMipmappedArray(first_, levels, CU_TRSA_OVERRIDE_FORMAT), CUDA_SUCCESS);
  ASSERT_EQ(cuTexRefSetMipmapLevelClamp(first_, 0, 1), CUDA_SUCCESS);
  ASSERT_EQ(cuTexRefSetFlags(first_, CU_TRSF_NORMALIZED_COORDINATES), CUDA_SUCCESS);
  EXPECT_EQ(RunOne("level"), 34);
  CUmipmappedArray bound = nullptr;
  ASSERT_EQ(cuTexRefGetMipmappedArray(&bound, first_), CUDA_SUCCESS);
  EXPECT_EQ(bound, levels);
  CUarray none = nullptr;
  EXPECT_EQ(cuTexRefGetArray(&none, first_), CUDA_ERROR_INVALID_VALUE);
}

TEST_F(References, OfSurfacesReadAndWrite) {
  const CUarray array = ArrayOf({0, 0, 0, 0}, 0, CUDA_ARRAY3D_SURFACE_LDST);
  ASSERT_EQ(cuSurfRefSetArray(board_, array, 0), CUDA_SUCCESS);
  EXPECT_EQ(Run<uint32_t>("draw", 1)[0], 0u);
  EXPECT_EQ(Run<uint32_t>("draw", 1)[0], 7u);
  CUarray bound = nullptr;
  ASSERT_EQ(cuSurfRefGetArray(&bound, board_), CUDA_SUCCESS);
  EXPECT_EQ(bound, array);
  EXPECT_EQ(cuSurfRefSetArray(board_, array, 1), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(cuSurfRefSetArray(board_, ArrayOf({1, 2}, 0), 0), CUDA_ERROR_INVALID_VALUE)
      << "made for no surface";
}

TEST_F(References, SayWhatTheyWereTold) {
  CUarray_format format = CU_AD_FORMAT_HALF;
  int channels = 0;
  ASSERT_EQ(cuTexRefSetFormat(first_, CU_AD_FORMAT_UNSIGNED_INT8, 4), CUDA_SUCCESS);
  ASSERT_EQ(cuTexRefGetFormat(&format, &channels, first_), CUDA_SUCCESS);
  EXPECT_EQ(format, CU_AD_FORMAT_UNSIGNED_INT8);
  EXPECT_EQ(channels, 4);
  EXPECT_EQ(cuTexRefGetFormat(nullptr, nullptr, first_), CUDA_SUCCESS);
  ASSERT_EQ(cuTexRefSetArray(first_, ArrayOf({1, 2}, 0), CU_TRSA_OVERRIDE_FORMAT), CUDA_SUCCESS);
  ASSERT_EQ(cuTexRefGetFormat(&format, &channels, first_), CUDA_SUCCESS);
  EXPECT_EQ(format, CU_AD_FORMAT_FLOAT);
  EXPECT_EQ(channels, 1);
  ASSERT_EQ(cuTexRefSetMipmapFilterMode(first_, CU_TR_FILTER_MODE_LINEAR), CUDA_SUCCESS);
  CUfilter_mode filter = CU_TR_FILTER_MODE_POINT;
  ASSERT_EQ(cuTexRefGetMipmapFilterMode(&filter, first_), CUDA_SUCCESS);
  EXPECT_EQ(filter, CU_TR_FILTER_MODE_LINEAR);
  ASSERT_EQ(cuTexRefGetFilterMode(&filter, first_), CUDA_SUCCESS);
  EXPECT_EQ(filter, CU_TR_FILTER_MODE_POINT);
  ASSERT_EQ(cuTexRefSetMipmapLevelBias(first_, 0.5f), CUDA_SUCCESS);
  float bias = 0;
  ASSERT_EQ(cuTexRefGetMipmapLevelBias(&bias, first_), CUDA_SUCCESS);
  EXPECT_EQ(bias, 0.5f);
  ASSERT_EQ(cuTexRefSetMaxAnisotropy(first_, 4), CUDA_SUCCESS);
  int anisotropy = 0;
  ASSERT_EQ(cuTexRefGetMaxAnisotropy(&anisotropy, first_), CUDA_SUCCESS);
  EXPECT_EQ(anisotropy, 4);
  CUaddress_mode mode = CU_TR_ADDRESS_MODE_WRAP;
  ASSERT_EQ(cuTexRefGetAddressMode(&mode, first_, 2), CUDA_SUCCESS);
  EXPECT_EQ(mode, CU_TR_ADDRESS_MODE_CLAMP);
}

TEST_F(References, RefuseWhatTheManualRefuses) {
  CUtexref texture = nullptr;
  CUsurfref surface = nullptr;
  EXPECT_EQ(cuModuleGetTexRef(&texture, module_, "board"), CUDA_ERROR_NOT_FOUND);
  EXPECT_EQ(cuModuleGetSurfRef(&surface, module_, "first"), CUDA_ERROR_NOT_FOUND);
  EXPECT_EQ(cuModuleGetTexRef(&texture, module_, "nobody"), CUDA_ERROR_NOT_FOUND);
  EXPECT_EQ(cuModuleGetTexRef(&texture, module_, nullptr), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(cuTexRefSetFlags(reinterpret_cast<CUtexref>(board_), 0), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(cuTexRefSetFlags(first_, 0x80), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(cuTexRefSetFormat(first_, CU_AD_FORMAT_FLOAT, 3), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(cuTexRefSetAddressMode(first_, 3, CU_TR_ADDRESS_MODE_WRAP), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(cuTexRefSetFilterMode(first_, static_cast<CUfilter_mode>(2)), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(cuTexRefSetArray(first_, nullptr, CU_TRSA_OVERRIDE_FORMAT), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(cuTexRefSetArray(first_, ArrayOf({1, 2}, 0), 0), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(cuTexRefSetAddress_v2(nullptr, first_, 512, 16), CUDA_ERROR_INVALID_VALUE);
  const CUDA_ARRAY_DESCRIPTOR picture = {4, 2, CU_AD_FORMAT_FLOAT, 1};
  const CUdeviceptr memory = Allocate(4096);
  EXPECT_EQ(cuTexRefSetAddress2D_v3(first_, &picture, memory + 16, 512), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(cuTexRefSetAddress2D_v3(first_, &picture, memory, 500), CUDA_ERROR_INVALID_VALUE);
  CUdeviceptr base = 0;
  EXPECT_EQ(cuTexRefGetAddress_v2(&base, first_), CUDA_ERROR_INVALID_VALUE) << "bound to nothing";
  CUfunction function = nullptr;
  ASSERT_EQ(cuModuleGetFunction(&function, module_, "fetch"), CUDA_SUCCESS);
  EXPECT_EQ(cuParamSetTexRef(function, CU_PARAM_TR_DEFAULT, first_), CUDA_SUCCESS);
  EXPECT_EQ(cuParamSetTexRef(function, 0, first_), CUDA_ERROR_INVALID_VALUE);
}

TEST_F(References, EndWithTheirModule) {
  ASSERT_EQ(cuTexRefSetAddress_v2(nullptr, first_, Filled({1, 2, 3, 4}), 16), CUDA_SUCCESS);
  EXPECT_EQ(cuTexRefDestroy(first_), CUDA_ERROR_INVALID_VALUE) << "not the program's to end";
  ASSERT_EQ(cuModuleUnload(module_), CUDA_SUCCESS);
  unsigned flags = 0;
  EXPECT_EQ(cuTexRefGetFlags(&flags, first_), CUDA_ERROR_INVALID_VALUE);
  CUarray array = nullptr;
  EXPECT_EQ(cuSurfRefGetArray(&array, board_), CUDA_ERROR_INVALID_VALUE);
}

TEST_F(References, OfTheProgramsOwnMakingAreKeptUntilItEndsThem) {
  CUtexref own = nullptr;
  ASSERT_EQ(cuTexRefCreate(&own), CUDA_SUCCESS);
  ASSERT_EQ(cuTexRefSetArray(own, ArrayOf({1, 2}, 0), CU_TRSA_OVERRIDE_FORMAT), CUDA_SUCCESS);
  CUfunction function = nullptr;
  ASSERT_EQ(cuModuleGetFunction(&function, module_, "fetch"), CUDA_SUCCESS);
  EXPECT_EQ(cuParamSetTexRef(function, CU_PARAM_TR_DEFAULT, own), CUDA_ERROR_INVALID_VALUE);
  ASSERT_EQ(cuTexRefDestroy(own), CUDA_SUCCESS);
  EXPECT_EQ(cuTexRefDestroy(own), CUDA_ERROR_INVALID_VALUE);
}

// What an array was bound as is gone with it; the reference lives on.
TEST_F(References, OutliveTheirArray) {
  const CUarray array = ArrayOf({1, 2}, 0);
  ASSERT_EQ(cuTexRefSetArray(first_, array, CU_TRSA_OVERRIDE_FORMAT), CUDA_SUCCESS);
  ASSERT_EQ(cuArrayDestroy(array), CUDA_SUCCESS);
  CUarray bound = nullptr;
  EXPECT_EQ(cuTexRefGetArray(&bound, first_), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(cuTexRefSetFilterMode(first_, CU_TR_FILTER_MODE_LINEAR), CUDA_SUCCESS);
  ASSERT_EQ(cuTexRefSetAddress_v2(nullptr, first_, Filled({1, 2, 3, 4}), 16), CUDA_SUCCESS);
  EXPECT_EQ(RunOne("fetch"), 2);
}

// What is not there spoils the kernels that name it, and no other.
TEST_F(References, WithSamplersOfTheirOwnAreNotThere) {
  const std::string text =
      ".version 7.0\n.target sm_50\n.address_size 64\n.global .texref first;\n"
      ".global .samplerref plain = {filter_mode = nearest};\n" +
      Kernel("fetch",
             "  tex.1d.v4.f32.s32 {%f1, %f2, %f3, %f4}, [first, {%r5}];\n"
             "  st.global.f32 [%rd1], %f1;\n") +
      Kernel("sampled", "  tex.1d.v4.f32.s32 {%f1, %f2, %f3, %f4}, [first, plain, {%r5}];\n");
  ASSERT_EQ(cuModuleLoadData(&module_, text.c_str()), CUDA_SUCCESS);
  ASSERT_EQ(cuModuleGetTexRef(&first_, module_, "first"), CUDA_SUCCESS);
  ASSERT_EQ(cuTexRefSetAddress_v2(nullptr, first_, Filled({1, 2, 3, 4}), 16), CUDA_SUCCESS);
  EXPECT_EQ(RunOne("fetch"), 2);
  EXPECT_EQ(Launch("sampled"), CUDA_ERROR_NOT_SUPPORTED);
}

// As CUDA_ERROR_ILLEGAL_ADDRESS, which spoils the context.
TEST_F(References, ThatStandForNothingAreNotRead) {
  EXPECT_EQ(Launch("fetch"), CUDA_SUCCESS);
  EXPECT_EQ(cuCtxSynchronize(), CUDA_ERROR_ILLEGAL_ADDRESS);
}

}  // namespace
}  // namespace farlane::soft

// SPDX-License-Identifier: Apache-2.0
// Texture and surface references, as programs of CUDA 11 and before have them: PTX declares them by
// name, the program binds them before it launches. The PTX is written by hand, because compilers
// from CUDA 12 on take no such source.
#include <dlfcn.h>

#include "gpu-server/driver/driver_table.h"
#include "tests/apps/seeded_random.h"
#include "tests/apps/verdict.h"

#ifdef FARLANE_MUTATE
#define SECOND "first"
#else
#define SECOND "second"
#endif

namespace {

// Each kernel's thread i writes word i of `out`.
#define KERNEL(name, body)                              \
  ".visible .entry " name                               \
  "(.param .u64 out, .param .u32 columns) {\n"          \
  "  .reg .b32 %r<12>;\n  .reg .f32 %f<12>;\n"          \
  "  .reg .b64 %rd<4>;\n  .reg .pred %p<2>;\n"          \
  "  ld.param.u64 %rd1, [out];\n"                       \
  "  ld.param.u32 %r1, [columns];\n"                    \
  "  mov.u32 %r2, %ctaid.x;\n  mov.u32 %r3, %ntid.x;\n" \
  "  mov.u32 %r4, %tid.x;\n"                            \
  "  mad.lo.u32 %r2, %r2, %r3, %r4;\n"                  \
  "  mul.wide.u32 %rd2, %r2, 4;\n"                      \
  "  add.u64 %rd1, %rd1, %rd2;\n"                       \
  "  rem.u32 %r5, %r2, %r1;\n"                          \
  "  div.u32 %r6, %r2, %r1;\n"                          \
  "  cvt.rn.f32.u32 %f5, %r5;\n"                        \
  "  cvt.rn.f32.u32 %f6, %r6;\n" body "  ret;\n}\n"

constexpr const char* kPtx =
    ".version 7.0\n.target sm_52\n.address_size 64\n"
    ".global .texref first;\n.global .texref second;\n.global .surfref board;\n"
    // first[i] + 2 second[i], by integers
    KERNEL("Blend",
           "  tex.1d.v4.f32.s32 {%f1, %f2, %f3, %f4}, [first, {%r2}];\n"
           "  tex.1d.v4.f32.s32 {%f7, %f8, %f9, %f10}, [" SECOND
           ", {%r2}];\n"
           "  fma.rn.f32 %f1, %f7, 0f40000000, %f1;\n"
           "  st.global.f32 [%rd1], %f1;\n")
    // between four texels: at (x + 1, y + 1), where they meet
    KERNEL("Meet",
           "  add.f32 %f5, %f5, 0f3F800000;\n  add.f32 %f6, %f6, 0f3F800000;\n"
           "  tex.2d.v4.f32.f32 {%f1, %f2, %f3, %f4}, [" SECOND
           ", {%f5, %f6}];\n"
           "  st.global.f32 [%rd1], %f1;\n")
    // once around the picture and on: at (x + 0.5) / columns + 1, wrapped
    KERNEL("Around",
           "  cvt.rn.f32.u32 %f7, %r1;\n"
           "  add.f32 %f5, %f5, 0f3F000000;\n  div.rn.f32 %f5, %f5, %f7;\n"
           "  add.f32 %f5, %f5, 0f3F800000;\n  mov.f32 %f6, 0f3F000000;\n"
           "  tex.2d.v4.f32.f32 {%f1, %f2, %f3, %f4}, [first, {%f5, %f6}];\n"
           "  st.global.f32 [%rd1], %f1;\n")
    // level 1 of a picture, by coordinates from 0 to 1
    KERNEL("Coarse",
           "  cvt.rn.f32.u32 %f7, %r1;\n  mov.f32 %f8, 0f3F800000;\n"
           "  add.f32 %f5, %f5, 0f3F000000;\n  div.rn.f32 %f5, %f5, %f7;\n"
           "  add.f32 %f6, %f6, 0f3F000000;\n  div.rn.f32 %f6, %f6, %f7;\n"
           "  tex.level.2d.v4.f32.f32 {%f1, %f2, %f3, %f4}, [" SECOND
           ", {%f5, %f6}], %f8;\n"
           "  st.global.f32 [%rd1], %f1;\n")
    // bytes as fractions of 255
    KERNEL("Fraction",
           "  tex.1d.v4.f32.s32 {%f1, %f2, %f3, %f4}, [first, {%r2}];\n"
           "  mul.f32 %f1, %f1, 0f437F0000;\n"
           "  st.global.f32 [%rd1], %f1;\n")
    // the board counts who has been there
    KERNEL("Visit",
           "  shl.b32 %r7, %r5, 2;\n"
           "  suld.b.2d.b32.trap {%r8}, [board, {%r7, %r6}];\n"
           "  st.global.u32 [%rd1], %r8;\n"
           "  add.u32 %r8, %r8, %r2;\n"
           "  sust.b.2d.b32.trap [board, {%r7, %r6}], {%r8};\n");

using farlane::server::DriverTable;

const DriverTable& FindDriver() {
  static DriverTable table;
  void* const library = dlopen("libcuda.so.1", RTLD_NOW);
  if (library == nullptr) {
    std::fprintf(stderr, "texture_references: %s\n", dlerror());
    std::exit(1);
  }
  LoadDriverTable([](void* of, const char* symbol) { return dlsym(of, symbol); }, library, table);
  return table;
}

void Require(CUresult result, const char* call, int line) {
  if (result != CUDA_SUCCESS) {
    std::fprintf(stderr, "texture_references.cc:%d: %s: error %d\n", line, call,
                 static_cast<int>(result));
    std::exit(1);
  }
}

#define DRIVER_CALL(call) Require((call), #call, __LINE__)

constexpr unsigned kColumns = 64;
constexpr unsigned kRows = 32;
constexpr unsigned kCells = kColumns * kRows;

std::vector<float> SmallNumbers(apps::SeededRandom& random, size_t count) {
  std::vector<float> numbers(count);
  for (float& number : numbers) {
    number =
        static_cast<float>(random.Between(0, 4096));  // sums of four and their quarter are exact
  }
  return numbers;
}

// One module with its references, and the memory that kernels write. Thread: the main thread only.
class Gallery {
 public:
  Gallery(const DriverTable& driver, apps::Verdict& verdict, uint64_t seed)
      : driver_(driver), verdict_(verdict), random_(seed) {
    DRIVER_CALL(driver_.cuModuleLoadData(&module_, kPtx));
    DRIVER_CALL(driver_.cuModuleGetTexRef(&first_, module_, "first"));
    DRIVER_CALL(driver_.cuModuleGetTexRef(&second_, module_, "second"));
    DRIVER_CALL(driver_.cuModuleGetSurfRef(&board_, module_, "board"));
    DRIVER_CALL(driver_.cuMemAlloc_v2(&out_, kCells * 4));
  }

  void CheckLinear();
  void CheckFormats();
  void CheckPictures();
  void CheckPitched();
  void CheckLevels();
  void CheckSurface();
  void CheckAnswers();
  void CheckRefusals();
  void CheckEnd();

 private:
  template <typename T>
  std::vector<T> Run(const char* kernel, unsigned columns = kColumns, unsigned cells = kCells) {
    Launch(kernel, columns, cells, out_);
    return Read<T>(out_, cells);
  }

  void Launch(const char* kernel, unsigned columns, unsigned cells, CUdeviceptr out) {
    CUfunction function;
    DRIVER_CALL(driver_.cuModuleGetFunction(&function, module_, kernel));
    void* parameters[] = {&out, &columns};
    DRIVER_CALL(driver_.cuLaunchKernel(function, cells / 32, 1, 1, 32, 1, 1, 0, nullptr, parameters,
                                       nullptr));
  }

  template <typename T>
  std::vector<T> Read(CUdeviceptr from, size_t count) {
    std::vector<T> given(count);
    DRIVER_CALL(driver_.cuMemcpyDtoH_v2(given.data(), from, count * sizeof(T)));
    return given;
  }

  template <typename T>
  CUdeviceptr Filled(const std::vector<T>& values) {
    CUdeviceptr address = 0;
    DRIVER_CALL(driver_.cuMemAlloc_v2(&address, values.size() * sizeof(T)));
    DRIVER_CALL(driver_.cuMemcpyHtoD_v2(address, values.data(), values.size() * sizeof(T)));
    return address;
  }

  void Fill(CUarray array, const std::vector<float>& values, size_t columns, size_t rows) {
    CUDA_MEMCPY2D copy{};
    copy.srcMemoryType = CU_MEMORYTYPE_HOST;
    copy.srcHost = values.data();
    copy.srcPitch = columns * 4;
    copy.dstMemoryType = CU_MEMORYTYPE_ARRAY;
    copy.dstArray = array;
    copy.WidthInBytes = columns * 4;
    copy.Height = rows;
    DRIVER_CALL(driver_.cuMemcpy2D_v2(&copy));
  }

  CUarray NewArray(unsigned flags) {
    CUDA_ARRAY3D_DESCRIPTOR shape = {kColumns, kRows, 0, CU_AD_FORMAT_FLOAT, 1, flags};
    CUarray array;
    DRIVER_CALL(driver_.cuArray3DCreate_v2(&array, &shape));
    return array;
  }

  const DriverTable& driver_;
  apps::Verdict& verdict_;
  apps::SeededRandom random_;
  CUmodule module_ = nullptr;
  CUtexref first_ = nullptr;
  CUtexref second_ = nullptr;
  CUsurfref board_ = nullptr;
  CUdeviceptr out_ = 0;
};

// What a launch reads is what was bound when it was launched, though nobody waits in between.
void Gallery::CheckLinear() {
  constexpr int kTurns = 8;
  std::vector<std::vector<float>> numbers;
  std::vector<CUdeviceptr> memory;
  for (int i = 0; i < kTurns + 1; ++i) {
    numbers.push_back(SmallNumbers(random_, kCells));
    memory.push_back(Filled(numbers.back()));
  }
  CUdeviceptr outs = 0;
  DRIVER_CALL(driver_.cuMemAlloc_v2(&outs, kTurns * kCells * 4));
  for (int i = 0; i < kTurns; ++i) {
    size_t offset = 1;
    DRIVER_CALL(driver_.cuTexRefSetFormat(first_, CU_AD_FORMAT_FLOAT, 1));
    DRIVER_CALL(driver_.cuTexRefSetFormat(second_, CU_AD_FORMAT_FLOAT, 1));
    DRIVER_CALL(driver_.cuTexRefSetAddress_v2(&offset, first_, memory[i], kCells * 4));
    DRIVER_CALL(driver_.cuTexRefSetAddress_v2(nullptr, second_, memory[i + 1], kCells * 4));
    verdict_.Expect(offset == 0, "memory of its own is aligned");
    Launch("Blend", kColumns, kCells, outs + static_cast<size_t>(i) * kCells * 4);
  }
  for (int i = 0; i < kTurns; ++i) {
    std::vector<float> wanted(kCells);
    for (unsigned cell = 0; cell < kCells; ++cell) {
      wanted[cell] = numbers[i][cell] + 2 * numbers[i + 1][cell];
    }
    verdict_.ExpectEqual(Read<float>(outs + static_cast<size_t>(i) * kCells * 4, kCells), wanted,
                         "two references, bound anew for launch " + std::to_string(i));
  }
  size_t offset = 0;
  DRIVER_CALL(driver_.cuTexRefSetAddress_v2(&offset, first_, memory[0] + 64, 4096));
  verdict_.Expect(offset == 64, "64 bytes behind the aligned address");
  for (const CUdeviceptr address : memory) {
    DRIVER_CALL(driver_.cuMemFree_v2(address));
  }
  DRIVER_CALL(driver_.cuMemFree_v2(outs));
}

void Gallery::CheckFormats() {
  std::vector<unsigned char> bytes(kCells);
  std::vector<double> wanted;
  for (unsigned char& byte : bytes) {
    byte = static_cast<unsigned char>(random_.Between(0, 255));
    wanted.push_back(byte);
  }
  const CUdeviceptr memory = Filled(bytes);
  DRIVER_CALL(driver_.cuTexRefSetFormat(first_, CU_AD_FORMAT_UNSIGNED_INT8, 1));
  DRIVER_CALL(driver_.cuTexRefSetAddress_v2(nullptr, first_, memory, kCells));
  verdict_.ExpectNear(Run<float>("Fraction"), wanted, 1e-3, "bytes as fractions");
  DRIVER_CALL(driver_.cuMemFree_v2(memory));
}

void Gallery::CheckPictures() {
  const std::vector<float> numbers = SmallNumbers(random_, kCells);
  const auto at = [&](unsigned x, unsigned y) {
    return numbers[std::min(y, kRows - 1) * kColumns + std::min(x, kColumns - 1)];
  };
  const CUarray array = NewArray(0);
  Fill(array, numbers, kColumns, kRows);
  DRIVER_CALL(driver_.cuTexRefSetArray(second_, array, CU_TRSA_OVERRIDE_FORMAT));
  DRIVER_CALL(driver_.cuTexRefSetFilterMode(second_, CU_TR_FILTER_MODE_LINEAR));
  for (int axis = 0; axis < 2; ++axis) {
    DRIVER_CALL(driver_.cuTexRefSetAddressMode(second_, axis, CU_TR_ADDRESS_MODE_CLAMP));
    DRIVER_CALL(driver_.cuTexRefSetAddressMode(first_, axis, CU_TR_ADDRESS_MODE_WRAP));
  }
  std::vector<float> meet;
  std::vector<float> around;
  for (unsigned cell = 0; cell < kCells; ++cell) {
    const unsigned x = cell % kColumns;
    const unsigned y = cell / kColumns;
    meet.push_back((at(x, y) + at(x + 1, y) + at(x, y + 1) + at(x + 1, y + 1)) / 4);
    around.push_back(at(x, kRows / 2));
  }
  verdict_.ExpectEqual(Run<float>("Meet"), meet, "a filtered picture");
  DRIVER_CALL(driver_.cuTexRefSetArray(first_, array, CU_TRSA_OVERRIDE_FORMAT));
  DRIVER_CALL(driver_.cuTexRefSetFlags(first_, CU_TRSF_NORMALIZED_COORDINATES));
  verdict_.ExpectEqual(Run<float>("Around"), around, "a picture that goes on beyond its end");
  DRIVER_CALL(driver_.cuArrayDestroy(array));
}

void Gallery::CheckPitched() {
  constexpr size_t kPitch = 512;
  const std::vector<float> numbers = SmallNumbers(random_, kPitch / 4 * kRows);
  const CUdeviceptr memory = Filled(numbers);
  const CUDA_ARRAY_DESCRIPTOR picture = {kColumns, kRows, CU_AD_FORMAT_FLOAT, 1};
  DRIVER_CALL(driver_.cuTexRefSetFilterMode(second_, CU_TR_FILTER_MODE_POINT));
  DRIVER_CALL(driver_.cuTexRefSetAddress2D_v3(second_, &picture, memory, kPitch));
  std::vector<float> wanted;
  for (unsigned cell = 0; cell < kCells; ++cell) {
    const unsigned x = std::min(cell % kColumns + 1, kColumns - 1);
    const unsigned y = std::min(cell / kColumns + 1, kRows - 1);
    wanted.push_back(numbers[y * kPitch / 4 + x]);
  }
  verdict_.ExpectEqual(Run<float>("Meet"), wanted, "a picture in plain memory");
  CUdeviceptr bound = 0;
  DRIVER_CALL(driver_.cuTexRefGetAddress_v2(&bound, second_));
  verdict_.Expect(bound == memory, "the reference knows its memory");
  DRIVER_CALL(driver_.cuMemFree_v2(memory));
}

void Gallery::CheckLevels() {
  constexpr unsigned kSide = 32;
  CUDA_ARRAY3D_DESCRIPTOR shape = {2 * kSide, 2 * kSide, 0, CU_AD_FORMAT_FLOAT, 1, 0};
  CUmipmappedArray levels;
  CUarray coarse;
  DRIVER_CALL(driver_.cuMipmappedArrayCreate(&levels, &shape, 2));
  DRIVER_CALL(driver_.cuMipmappedArrayGetLevel(&coarse, levels, 1));
  const std::vector<float> numbers = SmallNumbers(random_, kSide * kSide);
  Fill(coarse, numbers, kSide, kSide);
  DRIVER_CALL(driver_.cuTexRefSetMipmappedArray(second_, levels, CU_TRSA_OVERRIDE_FORMAT));
  DRIVER_CALL(driver_.cuTexRefSetFlags(second_, CU_TRSF_NORMALIZED_COORDINATES));
  DRIVER_CALL(driver_.cuTexRefSetMipmapLevelClamp(second_, 0, 1));
  verdict_.ExpectEqual(Run<float>("Coarse", kSide, kSide * kSide), numbers, "a coarse level");
  DRIVER_CALL(driver_.cuTexRefSetFlags(second_, 0));
  DRIVER_CALL(driver_.cuMipmappedArrayDestroy(levels));
}

void Gallery::CheckSurface() {
  const CUarray array = NewArray(CUDA_ARRAY3D_SURFACE_LDST);
  Fill(array, std::vector<float>(kCells, 0), kColumns, kRows);
  DRIVER_CALL(driver_.cuSurfRefSetArray(board_, array, 0));
  Run<unsigned>("Visit");
  std::vector<unsigned> wanted(kCells);
  for (unsigned cell = 0; cell < kCells; ++cell) {
    wanted[cell] = cell;
  }
  verdict_.ExpectEqual(Run<unsigned>("Visit"), wanted, "what the first visit left");
  CUarray bound = nullptr;
  DRIVER_CALL(driver_.cuSurfRefGetArray(&bound, board_));
  verdict_.Expect(bound == array, "the surface knows its array");
  DRIVER_CALL(driver_.cuArrayDestroy(array));
}

void Gallery::CheckAnswers() {
  CUaddress_mode mode = CU_TR_ADDRESS_MODE_CLAMP;
  CUfilter_mode filter = CU_TR_FILTER_MODE_LINEAR;
  CUarray_format format = CU_AD_FORMAT_HALF;
  unsigned flags = 9;
  int channels = 0;
  float lowest = 9;
  float highest = 9;
  float color[4] = {0.5, 0.25, 0, 1};
  float said[4] = {};
  DRIVER_CALL(driver_.cuTexRefGetAddressMode(&mode, first_, 1));
  verdict_.Expect(mode == CU_TR_ADDRESS_MODE_WRAP, "it says that it wraps");
  DRIVER_CALL(driver_.cuTexRefGetFilterMode(&filter, second_));
  verdict_.Expect(filter == CU_TR_FILTER_MODE_POINT, "it says how it filters");
  DRIVER_CALL(driver_.cuTexRefGetFlags(&flags, first_));
  verdict_.Expect(flags == CU_TRSF_NORMALIZED_COORDINATES, "it says its flags");
  DRIVER_CALL(driver_.cuTexRefSetFormat(first_, CU_AD_FORMAT_SIGNED_INT16, 2));
  DRIVER_CALL(driver_.cuTexRefGetFormat(&format, &channels, first_));
  verdict_.Expect(format == CU_AD_FORMAT_SIGNED_INT16 && channels == 2, "it says its format");
  DRIVER_CALL(driver_.cuTexRefGetMipmapLevelClamp(&lowest, &highest, second_));
  verdict_.Expect(lowest == 0 && highest == 1, "it says its levels");
  DRIVER_CALL(driver_.cuTexRefSetBorderColor(first_, color));
  DRIVER_CALL(driver_.cuTexRefGetBorderColor(said, first_));
  verdict_.Expect(std::memcmp(color, said, sizeof color) == 0, "it says its border");
  CUtexref again = nullptr;
  DRIVER_CALL(driver_.cuModuleGetTexRef(&again, module_, "first"));
  verdict_.Expect(again == first_, "a name has one reference");
}

void Gallery::CheckRefusals() {
  CUtexref none = nullptr;
  CUarray array = nullptr;
  verdict_.ExpectCode(driver_.cuModuleGetTexRef(&none, module_, "nobody"), CUDA_ERROR_NOT_FOUND,
                      "a reference that is not there");
  verdict_.ExpectCode(driver_.cuTexRefSetArray(first_, nullptr, CU_TRSA_OVERRIDE_FORMAT),
                      CUDA_ERROR_INVALID_VALUE, "no array");
  verdict_.ExpectCode(driver_.cuTexRefSetFormat(first_, CU_AD_FORMAT_FLOAT, 3),
                      CUDA_ERROR_INVALID_VALUE, "three channels");
  verdict_.ExpectCode(driver_.cuTexRefSetAddress_v2(nullptr, first_, out_ + 4, 256),
                      CUDA_ERROR_INVALID_VALUE, "memory off its alignment, and no room to say so");
  const CUDA_ARRAY_DESCRIPTOR picture = {kColumns, 4, CU_AD_FORMAT_FLOAT, 1};
  verdict_.ExpectCode(driver_.cuTexRefSetAddress2D_v3(first_, &picture, out_ + 4, 512),
                      CUDA_ERROR_INVALID_VALUE, "a picture off its alignment");
  verdict_.ExpectCode(driver_.cuTexRefSetAddress2D_v3(first_, &picture, out_, 260),
                      CUDA_ERROR_INVALID_VALUE, "a pitch off its alignment");
  DRIVER_CALL(driver_.cuTexRefSetAddress_v2(nullptr, first_, out_, 256));
  verdict_.ExpectCode(driver_.cuTexRefGetArray(&array, first_), CUDA_ERROR_INVALID_VALUE,
                      "the array of what is bound to memory");
}

void Gallery::CheckEnd() {
  CUtexref own = nullptr;
  DRIVER_CALL(driver_.cuTexRefCreate(&own));
  DRIVER_CALL(driver_.cuTexRefSetAddress_v2(nullptr, own, out_, 256));
  DRIVER_CALL(driver_.cuTexRefDestroy(own));
  DRIVER_CALL(driver_.cuModuleUnload(module_));
  DRIVER_CALL(driver_.cuMemFree_v2(out_));
  if (!verdict_.gentle()) {
    verdict_.ExpectCode(driver_.cuTexRefSetFlags(first_, 0), CUDA_ERROR_INVALID_VALUE,
                        "a reference of a module that is gone");
  }
}

}  // namespace

int main(int argc, char** argv) {
  apps::Verdict verdict("texture_references", argc, argv);
  const DriverTable& driver = FindDriver();
  CUcontext context;
  DRIVER_CALL(driver.cuInit(0));
  DRIVER_CALL(driver.cuDevicePrimaryCtxRetain(&context, 0));
  DRIVER_CALL(driver.cuCtxSetCurrent(context));
  Gallery gallery(driver, verdict, verdict.seed());
  gallery.CheckLinear();
  gallery.CheckFormats();
  gallery.CheckPictures();
  gallery.CheckPitched();
  gallery.CheckLevels();
  gallery.CheckSurface();
  gallery.CheckAnswers();
  gallery.CheckRefusals();
  gallery.CheckEnd();
  DRIVER_CALL(driver.cuCtxSynchronize());
  DRIVER_CALL(driver.cuDevicePrimaryCtxRelease_v2(0));
  return verdict.Finish();
}

// SPDX-License-Identifier: Apache-2.0
// The instructions for textures and surfaces: what they pass on, what they give back, and how they
// fail. What sampling means is the business of tests/unit/soft-gpu/exec/sampler_test.cc.
#include <bit>

#include <gtest/gtest.h>

#include "soft-gpu/exec/texture_table.h"
#include "tests/unit/soft-gpu/jit/kernel_run.h"

namespace farlane::soft {
namespace {

// A texture or surface of 6 x 5 x 4 words, each its own place: x + 10 y + 100 z.
class Words {
 public:
  explicit Words(bool is_surface, uint8_t dimensions = 3) {
    words_ = TestDevice::Instance().New<uint32_t>(kWidth * kHeight * kDepth);
    for (uint32_t i = 0; i < kWidth * kHeight * kDepth; ++i) {
      words_[i] = i % kWidth + i / kWidth % kHeight * 10 + i / kWidth / kHeight * 100;
    }
    texture_.is_surface = is_surface;
    texture_.type = ChannelType::kUnsigned32;
    texture_.dimensions = dimensions;
    texture_.modes[0] = texture_.modes[1] = texture_.modes[2] = AddressMode::kClamp;
    texture_.images[0] = {reinterpret_cast<uint64_t>(words_),
                          kWidth * 4,
                          kWidth * kHeight * 4,
                          kWidth,
                          kHeight,
                          kDepth};
  }

  ~Words() { TextureTable::Get().Remove(number_); }

  Words(const Words&) = delete;
  Words& operator=(const Words&) = delete;

  Texture& texture() { return texture_; }

  // Its number, as a line of PTX that leaves it in %d9.
  std::string Load() {
    number_ = TextureTable::Get().Add(texture_);
    return "  mov.u64 %d9, " + std::to_string(number_) + ";\n";
  }

  uint32_t At(uint32_t x, uint32_t y, uint32_t z) const {
    return words_[(z * kHeight + y) * kWidth + x];
  }

  static constexpr uint32_t kWidth = 6;
  static constexpr uint32_t kHeight = 5;
  static constexpr uint32_t kDepth = 4;

 private:
  uint32_t* words_;
  Texture texture_;
  uint64_t number_ = 0;
};

constexpr const char* kFirstFour = "  st.global.v4.u32 [%my], {%r1, %r2, %r3, %r4};\n";

// Coordinates 2.5, 3.5 and 1.5.
constexpr const char* kPlaces =
    "  mov.f32 %f1, 0f40200000;\n  mov.f32 %f2, 0f40600000;\n  mov.f32 %f3, 0f3FC00000;\n";

std::vector<uint32_t> RunWith(Words& words, const std::string& body) {
  return RunThreads(KernelOf(words.Load() + kPlaces + body + kFirstFour), 1);
}

Fault FaultOf(const std::string& body) {
  const std::unique_ptr<Program> program = LoadOrFail(KernelOf(body));
  if (program == nullptr) {
    return Fault::kNone;
  }
  const uint32_t* const out = TestDevice::Instance().New<uint32_t>(64);
  return program->Launch(0, {}, Parameters().Add(out).Add(out).bytes()).fault;
}

TEST(Tex, ReadsInOneTwoAndThreeDimensions) {
  Words words(false);
  EXPECT_EQ(
      RunWith(words, "  tex.3d.v4.u32.f32 {%r1, %r2, %r3, %r4}, [%d9, {%f1, %f2, %f3, %f3}];\n")[0],
      132u);
  words.texture().dimensions = 2;
  EXPECT_EQ(RunWith(words, "  tex.2d.v4.u32.f32 {%r1, _, _, _}, [%d9, {%f1, %f2}];\n")[0], 32u);
  words.texture().dimensions = 1;
  EXPECT_EQ(RunWith(words, "  tex.1d.v4.u32.f32 {%r1, %r2, %r3, %r4}, [%d9, {%f1}];\n"),
            (std::vector<uint32_t>{2, 0, 0, 1, 0, 0, 0, 0}));
  EXPECT_EQ(
      RunWith(words,
              "  mov.u32 %r9, 4;\n  tex.1d.v4.s32.s32 {%r1, %r2, %r3, %r4}, [%d9, {%r9}];\n")[0],
      4u);
}

TEST(Tex, ReadsLayersFacesAndLevels) {
  Words words(false, 2);
  words.texture().is_layered = true;
  EXPECT_EQ(RunWith(words,
                    "  mov.u32 %r9, 3;\n  tex.a2d.v4.u32.f32 {%r1, %r2, %r3, %r4}, "
                    "[%d9, {%r9, %f1, %f2, %f2}];\n")[0],
            332u);
  words.texture().dimensions = 1;
  EXPECT_EQ(RunWith(words,
                    "  mov.u32 %r9, 2;\n  tex.a1d.v4.u32.f32 {%r1, %r2, %r3, %r4}, "
                    "[%d9, {%r9, %f1}];\n")[0],
            202u);
  Words levels(false, 2);
  levels.texture().levels = 2;
  levels.texture().level_max = 1;
  levels.texture().images[1] = levels.texture().images[0];
  levels.texture().images[1].base += levels.texture().images[0].slice_bytes;
  EXPECT_EQ(RunWith(levels,
                    "  mov.f32 %f9, 0f3F800000;\n  tex.level.2d.v4.u32.f32 "
                    "{%r1, %r2, %r3, %r4}, [%d9, {%f1, %f2}], %f9;\n")[0],
            132u);
  EXPECT_EQ(RunWith(levels,
                    "  mov.f32 %f9, 0f40000000;\n  tex.grad.2d.v4.u32.f32 {%r1, %r2, %r3, %r4}, "
                    "[%d9, {%f1, %f2}], {%f9, %f9}, {%f9, %f9};\n")[0],
            132u);
}

// Towards +y: the third face; from the middle of it.
TEST(Tex, ReadsCubes) {
  Words words(false, 2);
  words.texture().is_cube = true;
  words.texture().is_normalized = true;
  EXPECT_EQ(RunWith(words,
                    "  mov.f32 %f4, 0f00000000;\n  tex.cube.v4.u32.f32 {%r1, %r2, %r3, %r4}, "
                    "[%d9, {%f4, %f2, %f4, %f4}];\n")[0],
            words.At(3, 2, 2));
}

TEST(Tex, SaysThatNothingIsMissing) {
  Words words(false, 2);
  EXPECT_EQ(RunWith(words,
                    "  tex.2d.v4.u32.f32 {%r1, %r2, %r3, %r4}|%p1, [%d9, {%f1, %f2}];\n"
                    "  selp.u32 %r2, 1, 0, %p1;\n")[1],
            1u);
}

TEST(Tld4, GathersOneComponentOfFourTexels) {
  Words words(false, 2);
  EXPECT_EQ(RunWith(words,
                    "  mov.f32 %f1, 0f40400000;\n  mov.f32 %f2, 0f40000000;\n"  // 3, 2
                    "  tld4.r.2d.v4.u32.f32 {%r1, %r2, %r3, %r4}, [%d9, {%f1, %f2}];\n"),
            (std::vector<uint32_t>{22, 23, 13, 12, 0, 0, 0, 0}));
}

TEST(Txq, KnowsTheShape) {
  Words words(false, 3);
  EXPECT_EQ(RunWith(words,
                    "  txq.width.b32 %r1, [%d9];\n  txq.height.b32 %r2, [%d9];\n"
                    "  txq.depth.b32 %r3, [%d9];\n  txq.num_mipmap_levels.b32 %r4, [%d9];\n"),
            (std::vector<uint32_t>{6, 5, 4, 1, 0, 0, 0, 0}));
  Words surface(true, 2);
  EXPECT_EQ(RunWith(surface,
                    "  suq.width.b32 %r1, [%d9];\n  suq.height.b32 %r2, [%d9];\n"
                    "  mov.u32 %r3, 0;\n  mov.u32 %r4, 0;\n")[1],
            5u);
}

TEST(Suld, ReadsElementsOfEverySize) {
  Words words(true, 2);
  EXPECT_EQ(RunWith(words,
                    "  mov.u32 %r9, 8;\n  mov.u32 %r8, 3;\n"
                    "  suld.b.2d.v2.b32.trap {%r1, %r2}, [%d9, {%r9, %r8}];\n"
                    "  suld.b.2d.b8.trap {%h1}, [%d9, {%r9, %r8}];\n  cvt.u32.u16 %r3, %h1;\n"
                    "  suld.b.2d.b64.trap {%d2}, [%d9, {%r9, %r8}];\n  shr.u64 %d2, %d2, 32;\n"
                    "  cvt.u32.u64 %r4, %d2;\n"),
            (std::vector<uint32_t>{32, 33, 32, 33, 0, 0, 0, 0}));
}

TEST(Suld, ClampsOrReadsZerosOutside) {
  Words words(true, 3);
  EXPECT_EQ(RunWith(words,
                    "  mov.u32 %r9, -4;\n  mov.u32 %r8, 77;\n  mov.u32 %r7, 2;\n"
                    "  suld.b.3d.b32.clamp {%r1}, [%d9, {%r9, %r8, %r7, %r7}];\n"
                    "  suld.b.3d.b32.zero {%r2}, [%d9, {%r9, %r8, %r7, %r7}];\n"
                    "  mov.u32 %r9, 20;\n  mov.u32 %r8, 4;\n"
                    "  suld.b.3d.b32.zero {%r3}, [%d9, {%r9, %r8, %r7, %r7}];\n"
                    "  mov.u32 %r4, 0;\n"),
            (std::vector<uint32_t>{240, 0, 245, 0, 0, 0, 0, 0}));
}

TEST(Sust, WritesWhereItSaysAndNowhereElse) {
  Words words(true, 2);
  RunWith(words,
          "  mov.u32 %r9, 8;\n  mov.u32 %r8, 2;\n  mov.u32 %r7, 7;\n  mov.u32 %r6, 9;\n"
          "  sust.b.2d.v2.b32.trap [%d9, {%r9, %r8}], {%r7, %r6};\n"
          "  mov.u32 %r9, 24;\n  sust.b.2d.b32.zero [%d9, {%r9, %r8}], {%r6};\n"
          "  mov.u32 %r9, -4;\n  sust.b.2d.b32.clamp [%d9, {%r9, %r8}], {%r6};\n"
          "  mov.u32 %r1, 0;\n  mov.u32 %r2, 0;\n  mov.u32 %r3, 0;\n  mov.u32 %r4, 0;\n");
  EXPECT_EQ(words.At(0, 2, 0), 9u);
  EXPECT_EQ(words.At(1, 2, 0), 21u);
  EXPECT_EQ(words.At(2, 2, 0), 7u);
  EXPECT_EQ(words.At(3, 2, 0), 9u);
  EXPECT_EQ(words.At(4, 2, 0), 24u);
  EXPECT_EQ(words.At(0, 3, 0), 30u);
}

TEST(Sured, AddsFromEveryThread) {
  Words words(true, 2);
  RunThreads(KernelOf(words.Load() + "  mov.u32 %r9, 8;\n  mov.u32 %r8, 1;\n  mov.u32 %r7, 3;\n"
                                     "  sured.b.add.2d.u32.trap [%d9, {%r9, %r8}], %r7;\n"
                                     "  mov.u32 %r9, 12;\n  neg.s32 %r7, %t;\n"
                                     "  sured.b.min.2d.s32.trap [%d9, {%r9, %r8}], %r7;\n"),
             64);
  EXPECT_EQ(words.At(2, 1, 0), 12u + 64 * 3);
  EXPECT_EQ(words.At(3, 1, 0), static_cast<uint32_t>(-63));
}

TEST(TextureFault, AnInventedNumberIsOne) {
  for (const char* number : {"0", "1", "12345678901"}) {
    EXPECT_EQ(FaultOf(std::string("  mov.u64 %d9, ") + number +
                      ";\n  mov.f32 %f1, 0f00000000;\n"
                      "  tex.1d.v4.u32.f32 {%r1, %r2, %r3, %r4}, [%d9, {%f1}];\n"),
              Fault::kIllegalAddress)
        << number;
  }
}

TEST(TextureFault, ASurfaceIsNoTexture) {
  Words words(true, 1);
  EXPECT_EQ(
      FaultOf(words.Load() + kPlaces + "  tex.1d.v4.u32.f32 {%r1, %r2, %r3, %r4}, [%d9, {%f1}];\n"),
      Fault::kIllegalAddress);
  Words texture(false, 1);
  EXPECT_EQ(
      FaultOf(texture.Load() + "  mov.u32 %r9, 0;\n  suld.b.1d.b32.zero {%r1}, [%d9, {%r9}];\n"),
      Fault::kIllegalAddress);
}

TEST(TextureFault, OutsideOfASurfaceTraps) {
  Words words(true, 2);
  const std::string load = words.Load();
  const auto access = [&](const std::string& x, const std::string& y) {
    return FaultOf(load + "  mov.u32 %r9, " + x + ";\n  mov.u32 %r8, " + y +
                   ";\n  suld.b.2d.b32.trap {%r1}, [%d9, {%r9, %r8}];\n");
  };
  EXPECT_EQ(access("20", "4"), Fault::kNone);
  EXPECT_EQ(access("24", "4"), Fault::kIllegalAddress);
  EXPECT_EQ(access("-4", "0"), Fault::kIllegalAddress);
  EXPECT_EQ(access("0", "5"), Fault::kIllegalAddress);
  EXPECT_EQ(access("2", "0"), Fault::kMisaligned);
}

// Memory that is gone is found by the processor.
TEST(TextureFault, AHoleIsOne) {
  Words words(false, 1);
  words.texture().images[0].base = TestDevice::Instance().hole();
  EXPECT_EQ(
      FaultOf(words.Load() + kPlaces + "  tex.1d.v4.u32.f32 {%r1, %r2, %r3, %r4}, [%d9, {%f1}];\n"),
      Fault::kIllegalAddress);
}

// A texture may claim to lie anywhere; only the device window is touched.
TEST(TextureFault, TheProcessIsNotRead) {
  Words words(true, 1);
  uint32_t own = 42;
  words.texture().images[0].base = reinterpret_cast<uint64_t>(&own);
  EXPECT_EQ(FaultOf(words.Load() + "  mov.u32 %r9, 0;\n  mov.u32 %r8, 1;\n"
                                   "  sust.b.1d.b32.trap [%d9, {%r9}], {%r8};\n"),
            Fault::kIllegalAddress);
  EXPECT_EQ(own, 42u);
}

}  // namespace
}  // namespace farlane::soft

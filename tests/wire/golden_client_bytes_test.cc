// SPDX-License-Identifier: Apache-2.0
// What a client sends, byte by byte.
#include "tests/wire/golden_bytes.h"

namespace farlane::wire {
namespace {

constexpr Handle kContext = MakeHandle(HandleKind::kContext, 1, 1);
constexpr Handle kStream = MakeHandle(HandleKind::kStream, 0x1234, 0xabcdef);
constexpr Handle kEvent = MakeHandle(HandleKind::kEvent, 7, 2);
constexpr Handle kModule = MakeHandle(HandleKind::kModule, 9, 3);
constexpr Handle kFunction = MakeHandle(HandleKind::kFunction, 0x3fffff, 1);

TEST(GoldenClientBytes, SetContext) {
  const Golden golden(SetContext{.context = kContext},
                      "3200 0000 10000000"  // op, flags, bytes
                      "01000000 010000 01"  // context: index, generation, kind
  );
  EXPECT_EQ(golden->context, kContext);
}

TEST(GoldenClientBytes, ContextSynchronizeOfNone) {
  const Golden golden(ContextSynchronize{.context = 0},
                      "0400 0000 10000000"  // op, flags, bytes
                      "00000000 000000 00"  // context: no object
  );
  EXPECT_EQ(golden->context, 0u);
}

TEST(GoldenClientBytes, PrimaryRetain) {
  const Golden golden(PrimaryRetain{.context = kContext, .device = 2, .flags = 4},
                      "3000 0000 18000000"  // op, flags, bytes
                      "01000000 010000 01"  // context
                      "02000000 04000000"   // device, flags
  );
  EXPECT_EQ(golden->context, kContext);
  EXPECT_EQ(golden->device, 2);
  EXPECT_EQ(golden->flags, 4u);
}

TEST(GoldenClientBytes, StreamCreateWithPriority) {
  const Golden golden(StreamCreateWithPriority{.phStream = kStream, .flags = 1, .priority = -5},
                      "3300 0000 18000000"  // op, flags, bytes
                      "34120000 efcdab 02"  // phStream
                      "01000000 fbffffff"   // flags, priority
  );
  EXPECT_EQ(golden->phStream, kStream);
  EXPECT_EQ(golden->flags, 1u);
  EXPECT_EQ(golden->priority, -5);
}

TEST(GoldenClientBytes, EventRecord) {
  const Golden golden(EventRecord{.hEvent = kEvent, .hStream = kStream},
                      "1400 0000 18000000"  // op, flags, bytes
                      "07000000 020000 03"  // hEvent
                      "34120000 efcdab 02"  // hStream
  );
  EXPECT_EQ(golden->hEvent, kEvent);
  EXPECT_EQ(golden->hStream, kStream);
}

TEST(GoldenClientBytes, EventElapsedTime) {
  const Golden golden(EventElapsedTime{.hStart = kEvent, .hEnd = kEvent + 1},
                      "1200 0000 18000000"  // op, flags, bytes
                      "07000000 020000 03"  // hStart
                      "08000000 020000 03"  // hEnd
  );
  EXPECT_EQ(golden->hStart, kEvent);
  EXPECT_EQ(golden->hEnd, kEvent + 1);
}

TEST(GoldenClientBytes, MemsetD8AsyncPadsItsByte) {
  const Golden golden(
      MemsetD8Async{.dstDevice = 0x7f0012345678, .uc = 0xee, .N = 77, .hStream = kStream},
      "2a00 0000 28000000"   // op, flags, bytes
      "78563412 007f0000"    // dstDevice
      "ee 00 0000 00000000"  // uc, padding
      "4d000000 00000000"    // N
      "34120000 efcdab 02"   // hStream
  );
  EXPECT_EQ(golden->dstDevice, 0x7f0012345678u);
  EXPECT_EQ(golden->uc, 0xee);
  EXPECT_EQ(golden->N, 77u);
  EXPECT_EQ(golden->hStream, kStream);
}

TEST(GoldenClientBytes, MemsetD16AsyncPadsItsHalfWord) {
  const Golden golden(MemsetD16Async{.dstDevice = 0x1000, .us = 0xbeef, .N = 1, .hStream = 0},
                      "2500 0000 28000000"  // op, flags, bytes
                      "00100000 00000000"   // dstDevice
                      "efbe 0000 00000000"  // us, padding
                      "01000000 00000000"   // N
                      "00000000 00000000"   // hStream: the default stream
  );
  EXPECT_EQ(golden->dstDevice, 0x1000u);
  EXPECT_EQ(golden->us, 0xbeef);
  EXPECT_EQ(golden->N, 1u);
  EXPECT_EQ(golden->hStream, 0u);
}

TEST(GoldenClientBytes, MemcpyDtoDAsync) {
  const Golden golden(
      MemcpyDtoDAsync{
          .dstDevice = 0x2000, .srcDevice = 0x1000, .ByteCount = 0x100000001, .hStream = kStream},
      "2100 0000 28000000"  // op, flags, bytes
      "00200000 00000000"   // dstDevice
      "00100000 00000000"   // srcDevice
      "01000000 01000000"   // ByteCount
      "34120000 efcdab 02"  // hStream
  );
  EXPECT_EQ(golden->dstDevice, 0x2000u);
  EXPECT_EQ(golden->srcDevice, 0x1000u);
  EXPECT_EQ(golden->ByteCount, 0x100000001u);
  EXPECT_EQ(golden->hStream, kStream);
}

TEST(GoldenClientBytes, MemoryMap) {
  const Golden golden(MemoryMap{.address = 0x7f0000200000, .bytes = 2_MiB, .device = 1},
                      "2300 0000 20000000"  // op, flags, bytes
                      "00002000 007f0000"   // address
                      "00002000 00000000"   // bytes
                      "01000000 00000000"   // device, reserved
  );
  EXPECT_EQ(golden->address, 0x7f0000200000u);
  EXPECT_EQ(golden->bytes, 2_MiB);
  EXPECT_EQ(golden->device, 1);
  EXPECT_EQ(golden->reserved, 0u);
}

TEST(GoldenClientBytes, CreditRequest) {
  const Golden golden(CreditRequest{.device = 0, .bytes = 6_MiB},
                      "0b00 0000 18000000"  // op, flags, bytes
                      "00000000 00000000"   // device, reserved
                      "00006000 00000000"   // bytes
  );
  EXPECT_EQ(golden->device, 0);
  EXPECT_EQ(golden->bytes, 6_MiB);
}

TEST(GoldenClientBytes, CopyInPadsOddData) {
  const Golden golden(CopyIn{.address = 0x4000,
                             .stream = kStream,
                             .width = 5,
                             .pitch = 16,
                             .rows = 1,
                             .fence = 1,
                             .data = Raw("hello")},
                      "0500 0000 48000000"  // op, flags, bytes
                      "00400000 00000000"   // address
                      "34120000 efcdab 02"  // stream
                      "05000000 00000000"   // width
                      "10000000 00000000"   // pitch
                      "01000000 00000000"   // rows
                      "01000000 00000000"   // fence, reserved
                      "05000000 00000000"   // bytes of data, padding
                      "68656c6c 6f 000000"  // data, padding
  );
  EXPECT_EQ(golden->address, 0x4000u);
  EXPECT_EQ(golden->stream, kStream);
  EXPECT_EQ(golden->width, 5u);
  EXPECT_EQ(golden->pitch, 16u);
  EXPECT_EQ(golden->rows, 1u);
  EXPECT_EQ(golden->fence, 1u);
  EXPECT_EQ(Text(golden->data), "hello");
}

TEST(GoldenClientBytes, CopyOut) {
  const Golden golden(CopyOut{.transfer = 3,
                              .address = 0x4000,
                              .stream = 0,
                              .width = 100,
                              .pitch = 128,
                              .rows = 2,
                              .urgent = 1},
                      "0700 0000 40000000"  // op, flags, bytes
                      "03000000 00000000"   // transfer
                      "00400000 00000000"   // address
                      "00000000 00000000"   // stream
                      "64000000 00000000"   // width
                      "80000000 00000000"   // pitch
                      "02000000 00000000"   // rows
                      "01000000 00000000"   // urgent, reserved
  );
  EXPECT_EQ(golden->transfer, 3u);
  EXPECT_EQ(golden->address, 0x4000u);
  EXPECT_EQ(golden->stream, 0u);
  EXPECT_EQ(golden->width, 100u);
  EXPECT_EQ(golden->pitch, 128u);
  EXPECT_EQ(golden->rows, 2u);
  EXPECT_EQ(golden->urgent, 1u);
}

TEST(GoldenClientBytes, CopyShape) {
  const Golden golden(CopyShape{.to = 1,
                                .from = 2,
                                .stream = kStream,
                                .width = 3,
                                .rows = 4,
                                .slices = 5,
                                .to_pitch = 6,
                                .from_pitch = 7,
                                .to_slice = 8,
                                .from_slice = 9},
                      "0a00 0000 58000000"  // op, flags, bytes
                      "01000000 00000000"   // to
                      "02000000 00000000"   // from
                      "34120000 efcdab 02"  // stream
                      "03000000 00000000"   // width
                      "04000000 00000000"   // rows
                      "05000000 00000000"   // slices
                      "06000000 00000000"   // to_pitch
                      "07000000 00000000"   // from_pitch
                      "08000000 00000000"   // to_slice
                      "09000000 00000000"   // from_slice
  );
  EXPECT_EQ(golden->to, 1u);
  EXPECT_EQ(golden->from, 2u);
  EXPECT_EQ(golden->stream, kStream);
  EXPECT_EQ(golden->width, 3u);
  EXPECT_EQ(golden->rows, 4u);
  EXPECT_EQ(golden->slices, 5u);
  EXPECT_EQ(golden->to_pitch, 6u);
  EXPECT_EQ(golden->from_pitch, 7u);
  EXPECT_EQ(golden->to_slice, 8u);
  EXPECT_EQ(golden->from_slice, 9u);
}

TEST(GoldenClientBytes, ImageLoad) {
  const Golden golden(ImageLoad{.module = kModule,
                                .image_bytes = 0x12345,
                                .hash_0 = 0x0807060504030201,
                                .hash_1 = 1,
                                .hash_2 = 2,
                                .hash_3 = 0xffffffffffffffff,
                                .library = 1,
                                .options_count = 3,
                                .log_bytes = 4096},
                      "1a00 0000 48000000"  // op, flags, bytes
                      "09000000 030000 04"  // module
                      "45230100 00000000"   // image_bytes
                      "01020304 05060708"   // hash_0
                      "01000000 00000000"   // hash_1
                      "02000000 00000000"   // hash_2
                      "ffffffff ffffffff"   // hash_3
                      "01000000 03000000"   // library, options_count
                      "00100000 00000000"   // log_bytes, reserved
  );
  EXPECT_EQ(golden->module, kModule);
  EXPECT_EQ(golden->image_bytes, 0x12345u);
  EXPECT_EQ(golden->hash_0, 0x0807060504030201u);
  EXPECT_EQ(golden->hash_1, 1u);
  EXPECT_EQ(golden->hash_2, 2u);
  EXPECT_EQ(golden->hash_3, UINT64_MAX);
  EXPECT_EQ(golden->library, 1u);
  EXPECT_EQ(golden->options_count, 3u);
  EXPECT_EQ(golden->log_bytes, 4096u);
}

TEST(GoldenClientBytes, ImageGlobal) {
  const Golden golden(ImageGlobal{.module = kModule, .name = "table"},
                      "1900 0000 20000000"  // op, flags, bytes
                      "09000000 030000 04"  // module
                      "05000000 00000000"   // bytes of name, padding
                      "7461626c 65 000000"  // name without an end mark, padding
  );
  EXPECT_EQ(golden->module, kModule);
  EXPECT_EQ(golden->name, "table");
}

TEST(GoldenClientBytes, KernelBind) {
  const Golden golden(KernelBind{.module = kModule, .function = kFunction, .index = 6},
                      "1e00 0000 20000000"  // op, flags, bytes
                      "09000000 030000 04"  // module
                      "ffff3f00 010000 05"  // function
                      "06000000 00000000"   // index, reserved
  );
  EXPECT_EQ(golden->module, kModule);
  EXPECT_EQ(golden->function, kFunction);
  EXPECT_EQ(golden->index, 6u);
}

TEST(GoldenClientBytes, LaunchWithParametersAndAttributes) {
  const Golden golden(Launch{.function = kFunction,
                             .stream = kStream,
                             .grid_x = 1,
                             .grid_y = 2,
                             .grid_z = 3,
                             .block_x = 256,
                             .block_y = 1,
                             .block_z = 1,
                             .shared_bytes = 48,
                             .cooperative = 1,
                             .parameters = Raw("twelve bytes"),
                             .attributes = Raw("eightful")},
                      "2000 0000 58000000"  // op, flags, bytes
                      "ffff3f00 010000 05"  // function
                      "34120000 efcdab 02"  // stream
                      "01000000 02000000"   // grid_x, grid_y
                      "03000000 00010000"   // grid_z, block_x
                      "01000000 01000000"   // block_y, block_z
                      "30000000 01000000"   // shared_bytes, cooperative
                      "0c000000 08000000"   // bytes of parameters, bytes of attributes
                      "7477656c 76652062"   // parameters
                      "79746573 00000000"   // parameters, padding
                      "65696768 7466756c"   // attributes
  );
  EXPECT_EQ(golden->function, kFunction);
  EXPECT_EQ(golden->stream, kStream);
  EXPECT_EQ(golden->grid_x, 1u);
  EXPECT_EQ(golden->grid_y, 2u);
  EXPECT_EQ(golden->grid_z, 3u);
  EXPECT_EQ(golden->block_x, 256u);
  EXPECT_EQ(golden->block_y, 1u);
  EXPECT_EQ(golden->block_z, 1u);
  EXPECT_EQ(golden->shared_bytes, 48u);
  EXPECT_EQ(golden->cooperative, 1u);
  EXPECT_EQ(Text(golden->parameters), "twelve bytes");
  EXPECT_EQ(Text(golden->attributes), "eightful");
}

TEST(GoldenClientBytes, LaunchOfAKernelWithoutParameters) {
  const Golden golden(Launch{.function = kFunction,
                             .grid_x = 1,
                             .grid_y = 1,
                             .grid_z = 1,
                             .block_x = 1,
                             .block_y = 1,
                             .block_z = 1},
                      "2000 0000 40000000"  // op, flags, bytes
                      "ffff3f00 010000 05"  // function
                      "00000000 00000000"   // stream
                      "01000000 01000000"   // grid_x, grid_y
                      "01000000 01000000"   // grid_z, block_x
                      "01000000 01000000"   // block_y, block_z
                      "00000000 00000000"   // shared_bytes, cooperative
                      "00000000 00000000"   // nothing follows
  );
  EXPECT_EQ(golden->function, kFunction);
  EXPECT_TRUE(golden->parameters.empty());
  EXPECT_TRUE(golden->attributes.empty());
}

TEST(GoldenClientBytes, OccupancyQuestion) {
  const Golden golden(
      OccupancyMaxActiveBlocksPerMultiprocessorWithFlags{
          .func = kFunction, .blockSize = 128, .dynamicSMemSize = 1024, .flags = 1},
      "2c00 0000 28000000"  // op, flags, bytes
      "ffff3f00 010000 05"  // func
      "80000000 00000000"   // blockSize, padding
      "00040000 00000000"   // dynamicSMemSize
      "01000000 00000000"   // flags, padding
  );
  EXPECT_EQ(golden->func, kFunction);
  EXPECT_EQ(golden->blockSize, 128);
  EXPECT_EQ(golden->dynamicSMemSize, 1024u);
  EXPECT_EQ(golden->flags, 1u);
}

}  // namespace
}  // namespace farlane::wire

// SPDX-License-Identifier: Apache-2.0
// What a server sends, byte by byte: messages, and the bodies of replies.
#include "tests/wire/golden_bytes.h"

namespace farlane::wire {
namespace {

TEST(GoldenServerBytes, Reply) {
  const Golden golden(
      Reply{.sequence = 0x0102030405060708, .result = 2, .op = 0x12, .body = Raw("eightful")},
      "3100 0000 28000000"  // op, flags, bytes
      "08070605 04030201"   // sequence
      "02000000 12000000"   // result, op
      "08000000 00000000"   // bytes of body, padding
      "65696768 7466756c"   // body
  );
  EXPECT_EQ(golden->sequence, 0x0102030405060708u);
  EXPECT_EQ(golden->result, 2);
  EXPECT_EQ(golden->op, 0x12u);
  EXPECT_EQ(Text(golden->body), "eightful");
}

TEST(GoldenServerBytes, PostFailed) {
  const Golden golden(PostFailed{.sequence = 9, .result = 700, .op = 0x20},
                      "2e00 0000 18000000"  // op, flags, bytes
                      "09000000 00000000"   // sequence
                      "bc020000 20000000"   // result, op
  );
  EXPECT_EQ(golden->sequence, 9u);
  EXPECT_EQ(golden->result, 700);
  EXPECT_EQ(golden->op, 0x20u);
}

TEST(GoldenServerBytes, Device) {
  const Golden golden(Device{.ordinal = 1,
                             .priority_least = 0,
                             .priority_greatest = -5,
                             .attributes_count = 1,
                             .total_bytes = 16_GiB,
                             .arena_address = 0x100000000000,
                             .arena_bytes = 32_GiB,
                             .credit_bytes = 2_MiB,
                             .uuid_low = 0x8877665544332211,
                             .uuid_high = 1,
                             .attributes = Raw("eightful"),
                             .name = "GPU 1",
                             .pci_bus_id = "0000:01:00.0"},
                      "0e00 0000 78000000"  // op, flags, bytes
                      "01000000 00000000"   // ordinal, priority_least
                      "fbffffff 01000000"   // priority_greatest, attributes_count
                      "00000000 04000000"   // total_bytes
                      "00000000 00100000"   // arena_address
                      "00000000 08000000"   // arena_bytes
                      "00002000 00000000"   // credit_bytes
                      "11223344 55667788"   // uuid_low
                      "01000000 00000000"   // uuid_high
                      "08000000 05000000"   // bytes of attributes, of name
                      "0c000000 00000000"   // bytes of pci_bus_id, padding
                      "65696768 7466756c"   // attributes
                      "47505520 31 000000"  // name, padding
                      "30303030 3a30313a"   // pci_bus_id
                      "30302e30 00000000"   // pci_bus_id, padding
  );
  EXPECT_EQ(golden->ordinal, 1);
  EXPECT_EQ(golden->priority_least, 0);
  EXPECT_EQ(golden->priority_greatest, -5);
  EXPECT_EQ(golden->attributes_count, 1u);
  EXPECT_EQ(golden->total_bytes, 16_GiB);
  EXPECT_EQ(golden->arena_address, 0x100000000000u);
  EXPECT_EQ(golden->arena_bytes, 32_GiB);
  EXPECT_EQ(golden->credit_bytes, 2_MiB);
  EXPECT_EQ(golden->uuid_low, 0x8877665544332211u);
  EXPECT_EQ(golden->uuid_high, 1u);
  EXPECT_EQ(Text(golden->attributes), "eightful");
  EXPECT_EQ(golden->name, "GPU 1");
  EXPECT_EQ(golden->pci_bus_id, "0000:01:00.0");
}

TEST(GoldenServerBytes, Welcome) {
  const Golden golden(Welcome{.driver_version = 13000, .devices_count = 2, .driver_path = "/lib/x"},
                      "3800 0000 20000000"  // op, flags, bytes
                      "c8320000 02000000"   // driver_version, devices_count
                      "06000000 00000000"   // bytes of driver_path, padding
                      "2f6c6962 2f78 0000"  // driver_path, padding
  );
  EXPECT_EQ(golden->driver_version, 13000);
  EXPECT_EQ(golden->devices_count, 2);
  EXPECT_EQ(golden->driver_path, "/lib/x");
}

TEST(GoldenServerBytes, Output) {
  const Golden golden(Output{.descriptor = 1, .data = Raw("hi\n")},
                      "2d00 0000 18000000"  // op, flags, bytes
                      "01000000 03000000"   // descriptor, bytes of data
                      "68690a 00 00000000"  // data, padding
  );
  EXPECT_EQ(golden->descriptor, 1u);
  EXPECT_EQ(Text(golden->data), "hi\n");
}

TEST(GoldenServerBytes, CopyOutData) {
  const Golden golden(CopyOutData{.transfer = 3, .offset = 256_KiB, .bytes = 3, .data = Raw("abc")},
                      "0800 0000 30000000"  // op, flags, bytes
                      "03000000 00000000"   // transfer
                      "00000400 00000000"   // offset
                      "03000000 00000000"   // bytes
                      "03000000 00000000"   // bytes of data, padding
                      "616263 00 00000000"  // data, padding
  );
  EXPECT_EQ(golden->transfer, 3u);
  EXPECT_EQ(golden->offset, 256_KiB);
  EXPECT_EQ(golden->bytes, 3u);
  EXPECT_EQ(Text(golden->data), "abc");
}

TEST(GoldenServerBytes, CopyOutDataThatRepeats) {
  const Golden golden(CopyOutData{.transfer = 3, .bytes = 256_KiB, .data = Raw("abcdefgh")},
                      "0800 0000 30000000"  // op, flags, bytes
                      "03000000 00000000"   // transfer
                      "00000000 00000000"   // offset
                      "00000400 00000000"   // bytes
                      "08000000 00000000"   // bytes of data, padding
                      "6162636465666768"    // data
  );
  EXPECT_EQ(golden->bytes, 256_KiB);
  EXPECT_EQ(Text(golden->data), "abcdefgh");
}

TEST(GoldenServerBytes, CopyOutDone) {
  const Golden golden(CopyOutDone{.transfer = 3, .result = 719},
                      "0900 0000 18000000"  // op, flags, bytes
                      "03000000 00000000"   // transfer
                      "cf020000 00000000"   // result, reserved
  );
  EXPECT_EQ(golden->transfer, 3u);
  EXPECT_EQ(golden->result, 719);
}

TEST(GoldenServerBytes, ImageWanted) {
  const Golden golden(ImageWanted{.hash_0 = 1, .hash_1 = 2, .hash_2 = 3, .hash_3 = 4},
                      "1d00 0000 28000000"  // op, flags, bytes
                      "01000000 00000000"   // hash_0
                      "02000000 00000000"   // hash_1
                      "03000000 00000000"   // hash_2
                      "04000000 00000000"   // hash_3
  );
  EXPECT_EQ(golden->hash_0, 1u);
  EXPECT_EQ(golden->hash_1, 2u);
  EXPECT_EQ(golden->hash_2, 3u);
  EXPECT_EQ(golden->hash_3, 4u);
}

TEST(GoldenServerBytes, KernelRecordWithAStringAndTwoRunsOfBytes) {
  const Golden golden(
      KernelRecord{.name = "axpy", .parameters = Raw("xyz"), .attributes = Raw("eightful")},
      "1f00 0000 30000000"  // op, flags, bytes
      "04000000 03000000"   // bytes of name, of parameters
      "08000000 00000000"   // bytes of attributes, padding
      "61787079 00000000"   // name, padding
      "78797a 00 00000000"  // parameters, padding
      "65696768 7466756c"   // attributes
  );
  EXPECT_EQ(golden->name, "axpy");
  EXPECT_EQ(Text(golden->parameters), "xyz");
  EXPECT_EQ(Text(golden->attributes), "eightful");
}

TEST(GoldenServerBytes, EventElapsedTimeReply) {
  const Golden golden(EventElapsedTimeReply{.pMilliseconds = 1.5f},
                      "0000c03f 00000000"  // pMilliseconds, padding
  );
  EXPECT_EQ(golden->pMilliseconds, 1.5f);
}

TEST(GoldenServerBytes, CreditRequestReply) {
  const Golden golden(CreditRequestReply{.granted_bytes = 8_MiB},
                      "00008000 00000000"  // granted_bytes
  );
  EXPECT_EQ(golden->granted_bytes, 8_MiB);
}

TEST(GoldenServerBytes, OccupancyReply) {
  const Golden golden(OccupancyMaxActiveBlocksPerMultiprocessorWithFlagsReply{.numBlocks = 16},
                      "10000000 00000000"  // numBlocks, padding
  );
  EXPECT_EQ(golden->numBlocks, 16);
}

TEST(GoldenServerBytes, ImageLoadReply) {
  const Golden golden(ImageLoadReply{.kernels_count = 1, .log = "ok"},
                      "01000000 00000000"   // kernels_count, reserved
                      "02000000 00000000"   // bytes of log, padding
                      "6f6b 0000 00000000"  // log, padding
  );
  EXPECT_EQ(golden->kernels_count, 1u);
  EXPECT_EQ(golden->log, "ok");
}

TEST(GoldenServerBytes, ImageGlobalReply) {
  const Golden golden(ImageGlobalReply{.address = 0x7f0000001000, .bytes = 64},
                      "00100000 007f0000"  // address
                      "40000000 00000000"  // bytes
  );
  EXPECT_EQ(golden->address, 0x7f0000001000u);
  EXPECT_EQ(golden->bytes, 64u);
}

}  // namespace
}  // namespace farlane::wire

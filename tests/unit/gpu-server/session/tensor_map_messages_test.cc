// SPDX-License-Identifier: Apache-2.0
// Tensor maps: the driver gets exactly the arrays that were sent, or is not called at all.
#include <cstring>

#include <gtest/gtest.h>

#include "protocol/wire/tensor_map_form.h"
#include "tests/support/session_fixture.h"

namespace farlane::server {
namespace {

int encodings;

// A "map" that says what it was made of.
CUresult EncodeTiled(CUtensorMap* map,
                     CUtensorMapDataType,
                     cuuint32_t rank,
                     void* address,
                     const cuuint64_t* dimensions,
                     const cuuint64_t* strides,
                     const cuuint32_t* box,
                     const cuuint32_t* element_strides,
                     CUtensorMapInterleave,
                     CUtensorMapSwizzle,
                     CUtensorMapL2promotion,
                     CUtensorMapFloatOOBfill) {
  ++encodings;
  map->opaque[0] = rank;
  map->opaque[1] = reinterpret_cast<uint64_t>(address);
  map->opaque[2] = dimensions[rank - 1];
  map->opaque[3] = strides[rank - 2];
  map->opaque[4] = box[rank - 1];
  map->opaque[5] = element_strides[rank - 1];
  return CUDA_SUCCESS;
}

CUresult ReplaceAddress(CUtensorMap* map, void* address) {
  map->opaque[1] = reinterpret_cast<uint64_t>(address);
  return CUDA_SUCCESS;
}

DriverTable TableWithTensorMaps(const Driver& fake) {
  DriverTable table = fake.table();
  table.cuTensorMapEncodeTiled = EncodeTiled;
  table.cuTensorMapReplaceAddress = ReplaceAddress;
  return table;
}

class TensorMapMessages : public testing::Test {
 protected:
  TensorMapMessages()
      : fake_(LoadFakeDriver()), table_(TableWithTensorMaps(*fake_)), fixture_(0, &table_) {
    fixture_.UseContext();
    encodings = 0;
  }

  wire::TensorMapEncode Tiled(uint32_t rank) const {
    return {.form = static_cast<uint32_t>(wire::TensorMapForm::kTiled),
            .rank = rank,
            .address = 0x1234'5000,
            .dimensions = std::as_bytes(std::span(long_)).first(rank * 8),
            .strides = std::as_bytes(std::span(long_)).first((rank - 1) * 8),
            .box = std::as_bytes(std::span(short_)).first(rank * 4),
            .element_strides = std::as_bytes(std::span(short_)).first(rank * 4)};
  }

  // What the driver made, through the wire.
  template <typename Reply>
  static std::array<uint64_t, 16> Words(const Reply& reply) {
    std::array<uint64_t, 16> words{};
    EXPECT_EQ(reply.map.size(), sizeof words);
    memcpy(words.data(), reply.map.data(), std::min(sizeof words, reply.map.size()));
    return words;
  }

  std::array<uint64_t, 6> long_{10, 20, 30, 40, 50, 60};
  std::array<uint32_t, 6> short_{1, 2, 3, 4, 5, 6};
  std::unique_ptr<Driver> fake_;
  DriverTable table_;
  SessionFixture fixture_;
};

TEST_F(TensorMapMessages, TheDriverGetsTheArraysOfTheRank) {
  wire::TensorMapEncodeReply reply;
  ASSERT_EQ(fixture_.client().Call(Tiled(3), &reply), CUDA_SUCCESS);
  const std::array<uint64_t, 16> words = Words(reply);
  EXPECT_EQ(words[0], 3u);
  EXPECT_EQ(words[1], 0x1234'5000u);
  EXPECT_EQ(words[2], 30u);
  EXPECT_EQ(words[3], 20u);
  EXPECT_EQ(words[4], 3u);
  EXPECT_EQ(words[5], 3u);
}

TEST_F(TensorMapMessages, ArraysThatDoNotFitTheRankNeverReachTheDriver) {
  wire::TensorMapEncode one_short = Tiled(3);
  one_short.dimensions = one_short.dimensions.first(16);
  wire::TensorMapEncode rankless = Tiled(3);
  rankless.rank = 0;
  wire::TensorMapEncode huge = Tiled(3);
  huge.rank = UINT32_MAX;
  wire::TensorMapEncode six = Tiled(6);
  wire::TensorMapEncode formless = Tiled(3);
  formless.form = 77;
  wire::TensorMapEncode flat = Tiled(2);
  flat.form = static_cast<uint32_t>(wire::TensorMapForm::kIm2col);
  for (const wire::TensorMapEncode& message : {one_short, rankless, huge, six, formless, flat}) {
    EXPECT_EQ(fixture_.client().Call(message), CUDA_ERROR_INVALID_VALUE);
  }
  EXPECT_EQ(encodings, 0);
}

TEST_F(TensorMapMessages, AMapMovesAndKeepsTheRest) {
  CUtensorMap map{};
  map.opaque[7] = 77;
  wire::TensorMapMoveReply reply;
  ASSERT_EQ(
      fixture_.client().Call(
          wire::TensorMapMove{.address = 99, .map = std::as_bytes(std::span(&map, 1))}, &reply),
      CUDA_SUCCESS);
  EXPECT_EQ(Words(reply)[1], 99u);
  EXPECT_EQ(Words(reply)[7], 77u);
  EXPECT_EQ(fixture_.client().Call(
                wire::TensorMapMove{.map = std::as_bytes(std::span(&map, 1)).first(100)}),
            CUDA_ERROR_INVALID_VALUE);
}

}  // namespace
}  // namespace farlane::server

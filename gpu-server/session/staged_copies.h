// SPDX-License-Identifier: Apache-2.0
// Copies between the client and the device's memory or an array, through staging memory. The
// messages differ in how they name a place; what happens with one that has been proved is here.
#pragma once

#include "gpu-server/session/client_session.h"

namespace farlane::server {

// Rows on the device and their packed image in staging: at an address, or in an array.
struct DeviceRows {
  uint64_t address = 0;
  uint64_t width = 0;
  uint64_t pitch = 0;
  uint64_t rows = 0;
  CUarray array = nullptr;  // then from byte x of row y of slice z
  uint64_t x = 0;
  uint64_t y = 0;
  uint64_t z = 0;

  uint64_t bytes() const { return width * rows; }

  // Whether it may be cut anywhere.
  bool linear() const { return rows == 1 || (array == nullptr && pitch == width); }
};

// Between rows on the device and their packed image in pinned memory.
CUresult CopyToDevice(const DriverTable& driver,
                      const DeviceRows& to,
                      const std::byte* from,
                      CUstream stream);
CUresult CopyFromDevice(const DriverTable& driver,
                        std::byte* to,
                        const DeviceRows& from,
                        CUstream stream);

// A place in an array that a message names; `proved` says whether it is the client's.
template <typename Message>
DeviceRows RowsInArray(ClientSession& session, const Message& message, CUresult* proved) {
  DeviceRows rows{.width = message.width,
                  .pitch = message.width,
                  .rows = message.rows,
                  .x = message.x,
                  .y = message.y,
                  .z = message.z};
  *proved = session.arrays().Prove(
      message.array, {message.x, message.y, message.z, message.width, message.rows, 1},
      &rows.array);
  return rows;
}

// Rows and slices of plain memory. The driver counts a slice in whole rows.
struct DeviceBox {
  uint64_t address = 0;
  uint64_t pitch = 0;
  uint64_t slice = 0;
  uint64_t width = 0;
  uint64_t rows = 0;
  uint64_t slices = 0;
};

// Whether all of a box, which is not empty, lies in memory of the client.
bool OwnsBox(const ClientSession& session, const DeviceBox& box);

// How data for the device is to be put there. With `fence` other streams' later work comes after
// it.
struct InOrder {
  wire::Handle stream = 0;
  bool fence = false;
};

// Data for the device came with the message. `proved` says whether the place is the client's.
wire::WireError StageIn(ClientSession& session,
                        const wire::MessageView& view,
                        const DeviceRows& to,
                        const InOrder& order,
                        ConstBytes data,
                        CUresult proved);

// Sends the device on its way with a transfer that the client asked for; all of it, or what the
// client lacks.
wire::WireError StageOut(ClientSession& session,
                         const DeviceRows& from,
                         wire::Handle stream_handle,
                         OutTransfer asked,
                         CUresult proved);

}  // namespace farlane::server

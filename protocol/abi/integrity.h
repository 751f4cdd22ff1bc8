// SPDX-License-Identifier: Apache-2.0
// The answer to the CUDA runtime's integrity question, which it compares with its own computation.
// Everything in it is a fact of this process: ids, addresses and the devices as the program sees
// them. One wrong byte, and every runtime call of the process fails with error 103.
#pragma once

#include <span>

#include "protocol/abi/host.h"
#include "protocol/abi/md2.h"

namespace farlane::abi {

struct IntegrityQuestion {
  uint32_t driver_version;
  uint32_t version;  // the runtime's own, plus 0, 1 or 2: the last digit says what is asked
  uint32_t process_id;
  uint32_t thread_low_half;  // of pthread_self
  uint64_t cudart_table;     // addresses that the program got from GetExportTable
  uint64_t integrity_table;
  uint64_t check_slot;  // what stands in the slot that was called
  uint64_t unix_seconds;
};

Md2Digest AnswerIntegrity(const IntegrityQuestion& question,
                          std::span<const DeviceIdentity> devices);

}  // namespace farlane::abi

// SPDX-License-Identifier: Apache-2.0
// StandardDescriptors keeps the places of standard input, output and error clear. A daemon may have
// closed them, and what is opened next would get their numbers: whatever the program then prints
// would go into a connection of ours.
#pragma once

#include "protocol/base/fd.h"

namespace farlane {

// Nothing that is opened while it lives gets one of those numbers; afterwards they are as they
// were. Thread: caller's.
class StandardDescriptors {
 public:
  StandardDescriptors();
  StandardDescriptors(const StandardDescriptors&) = delete;
  StandardDescriptors& operator=(const StandardDescriptors&) = delete;

 private:
  Fd held_[3];
};

}  // namespace farlane

// SPDX-License-Identifier: Apache-2.0
// SoftHost answers what the private tables of closed libraries ask of the software GPU.
#pragma once

#include "protocol/abi/host.h"

namespace farlane::soft {

constexpr int kDriverVersion = 13000;

// Installs the host. Called by whoever first reaches this library; later calls do nothing.
void InstallHost();

}  // namespace farlane::soft

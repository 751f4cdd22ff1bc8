// SPDX-License-Identifier: Apache-2.0
// Lends the private tables the shim's view of devices, contexts and streams; all of it is answered
// in this process.
#pragma once

namespace farlane::shim {

// Before any program can ask for a table.
void InstallAbiHost();

}  // namespace farlane::shim

// SPDX-License-Identifier: Apache-2.0
// The part of `farlane check` that looks at this machine only.
#pragma once

#include "tools/farlane/finding.h"
#include "tools/farlane/installation.h"

namespace farlane::cli {

void CheckClientLibrary(const Installation& installation, Findings* findings);
void CheckLibraryPath(const Installation& installation, Findings* findings);
void CheckNvidiaDriver(Findings* findings);
void CheckWriteTracking(Findings* findings);

}  // namespace farlane::cli

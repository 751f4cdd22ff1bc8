// SPDX-License-Identifier: Apache-2.0
// Short times as people write them: "5ms", "300us", "1.5s"; a number alone is milliseconds.
#pragma once

#include <string>

#include "protocol/base/result.h"

namespace farlane {

// More than nothing, and less than an hour.
Result<double> ParseMilliseconds(const std::string& text);

}  // namespace farlane

// SPDX-License-Identifier: Apache-2.0
// Getting an authority's certificate from whoever shows it, when only its digest is known. Whoever
// cannot show a certificate with this digest is not believed anything; whoever can has proved
// nothing yet: the connection that counts is made afterwards, with the certificate as trust.
#pragma once

#include <cstdint>
#include <string>

#include "protocol/base/result.h"

namespace farlane::pki {

// `place`: HOST:PORT; `pin`: the SHA-256 of the certificate, in 64 hexadecimal digits. PEM.
Result<std::string> FetchAuthority(const std::string& place,
                                   const std::string& pin,
                                   uint64_t timeout_ns);

}  // namespace farlane::pki

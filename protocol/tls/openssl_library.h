// SPDX-License-Identifier: Apache-2.0
// The TlsLibrary that is made of OpenSSL.
#pragma once

#include "protocol/transport/tls.h"

namespace farlane::transport {

// Thread: any.
class OpensslLibrary final : public TlsLibrary {
 public:
  Result<std::unique_ptr<TlsConnection>> Connect(Fd socket,
                                                 const std::string& host,
                                                 const TlsSettings& settings,
                                                 Deadline until) override;
  Result<std::unique_ptr<TlsServer>> Serve(const TlsServerSettings& settings) override;
  Result<std::unique_ptr<TlsConnection>> Resume(Fd socket, const TlsState& state) override;
};

}  // namespace farlane::transport

// SPDX-License-Identifier: Apache-2.0
#include "protocol/tls/alerts.h"

namespace farlane::transport {
namespace {

struct Alert {
  uint8_t number;
  const char* name;
};

constexpr Alert kAlerts[] = {
    {10, "it did not expect our message"},
    {20, "a record does not belong to the connection"},
    {22, "a record is too long"},
    {40, "there is nothing that both sides speak"},
    {42, "our certificate is damaged"},
    {43, "our certificate is of the wrong kind"},
    {44, "our certificate was revoked"},
    {45, "our certificate has expired or is not valid yet"},
    {46, "our certificate is not acceptable"},
    {47, "a message has a field that cannot be"},
    {48, "it does not know who has signed our certificate"},
    {49, "our certificate is good, but may not do this"},
    {50, "it could not read a message"},
    {51, "a signature is wrong"},
    {70, "it does not speak TLS 1.3"},
    {71, "it asks for stronger ciphers"},
    {80, "it has failed"},
    {90, "it gave up"},
    {109, "an extension is missing"},
    {112, "it does not know the name of the host"},
    {116, "it asks for a certificate of ours"},
};

}  // namespace

const char* AlertName(uint8_t number) {
  for (const Alert& alert : kAlerts) {
    if (alert.number == number) {
      return alert.name;
    }
  }
  return "it does not say why";
}

}  // namespace farlane::transport

// SPDX-License-Identifier: Apache-2.0
// Shares is what a client lets other processes of its session use: chunks of its memory and events,
// by the name that the daemon gave each. What is shared stays here until nobody uses it any more.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>

#include "gpu-server/memory/share_source.h"
#include "gpu-server/session/share_pipe.h"
#include "protocol/wire/messages.h"

namespace farlane::server {

class ClientSession;
class DeviceMemory;

// Thread: the dispatch thread, except where a function says otherwise.
class Shares {
 public:
  // `source` may be null: then nothing is shared.
  Shares(ClientSession& session, ShareSource* source) : session_(session), source_(source) {}

  // Offers it, and answers the call with its name. `noted`, which may be null, is told that before;
  // false from it: it is not the client's any more.
  using Noted = std::function<bool(const ShareToken&)>;
  wire::WireError Offer(const wire::MessageView& view,
                        uint64_t bytes,
                        SharedThing thing,
                        Noted noted);

  // Asks for what another process offers: so many chunks, or for 0 an event. `end` runs on the
  // dispatch thread, and answers.
  using End = std::function<void(CUresult, const SharedThing&)>;
  wire::WireError Import(const wire::MessageView& view,
                         const ShareToken& token,
                         size_t chunks_count,
                         End end);

  // What was imported is not used any more.
  void Close(const ShareToken& token);
  // What is offered is not this client's any more: it stays taken until nobody else uses it.
  void Withdraw(const ShareToken& token, DeviceMemory* memory);

  // Another worker of the session wants it, and reads from the socket. Any thread.
  void SendTo(const ShareToken& token, Fd socket);
  // What was withdrawn is used by nobody now. Any thread.
  void Over(const ShareToken& token);

 private:
  struct Offered {
    SharedThing thing;
    DeviceMemory* withdrawn_from = nullptr;  // whose credit its chunks still take
  };

  void Name(const wire::MessageView& view,
            const SharedThing& thing,
            const Noted& noted,
            const std::optional<ShareToken>& token);

  ClientSession& session_;
  ShareSource* const source_;
  std::map<ShareToken, Offered> offered_;
};

}  // namespace farlane::server

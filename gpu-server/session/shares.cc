// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/session/shares.h"

#include <memory>

#include "gpu-server/session/client_session.h"

namespace farlane::server {
namespace {

// More is somebody who asks for names and not for sharing.
constexpr size_t kOfferedMax = 16384;

// The body of a message is gone when its answer is there.
wire::MessageView WithoutBody(const wire::MessageView& view) {
  return {.op = view.op, .flags = view.flags, .sequence = view.sequence, .body = {}};
}

}  // namespace

wire::WireError Shares::Offer(const wire::MessageView& view,
                              uint64_t bytes,
                              SharedThing thing,
                              Noted noted) {
  if (source_ == nullptr || offered_.size() >= kOfferedMax) {
    return session_.Refuse(
        view, source_ == nullptr ? CUDA_ERROR_NOT_SUPPORTED : CUDA_ERROR_OUT_OF_MEMORY);
  }
  const size_t device = thing.device;
  source_->Offer(
      device, bytes,
      [this, view = WithoutBody(view), thing = std::move(thing),
       noted = std::move(noted)](const std::optional<ShareToken>& token) {
        session_.Return([this, view, thing, noted, token] { Name(view, thing, noted, token); });
      });
  return wire::WireError::kNone;
}

void Shares::Name(const wire::MessageView& view,
                  const SharedThing& thing,
                  const Noted& noted,
                  const std::optional<ShareToken>& token) {
  if (!token.has_value()) {
    session_.Answer(view, CUDA_ERROR_OUT_OF_MEMORY);
    return;
  }
  if (noted != nullptr && !noted(*token)) {
    source_->Withdraw(*token);  // it was given up meanwhile
    session_.Answer(view, CUDA_ERROR_INVALID_VALUE);
    return;
  }
  offered_[*token] = {.thing = thing};
  // The three replies are alike.
  session_.Answer(view, CUDA_SUCCESS,
                  wire::MemoryShareReply{.token_high = token->high, .token_low = token->low});
}

wire::WireError Shares::Import(const wire::MessageView& view,
                               const ShareToken& token,
                               size_t chunks_count,
                               End end) {
  if (source_ == nullptr) {
    return session_.Refuse(view, CUDA_ERROR_NOT_SUPPORTED);
  }
  source_->Open(
      token, [this, view = WithoutBody(view), token, chunks_count, end = std::move(end)](Fd pipe) {
        // Shared because a letter must be copyable; in truth it passes it on.
        const auto shared = std::make_shared<Fd>(std::move(pipe));
        session_.Return([this, view, token, chunks_count, end, shared] {
          if (!shared->valid()) {
            end(CUDA_ERROR_INVALID_HANDLE, {});
            return;
          }
          session_.DeferIn(nullptr, view, [this, token, chunks_count, end, shared] {
            SharedThing thing;
            const CUresult result = ReceiveShared(session_.driver(), chunks_count, *shared, &thing);
            session_.Return([this, token, end, result, thing] {
              if (result != CUDA_SUCCESS) {
                source_->Close(token);
              }
              end(result, thing);
            });
          });
        });
      });
  return wire::WireError::kNone;
}

void Shares::Close(const ShareToken& token) {
  source_->Close(token);
}

void Shares::Withdraw(const ShareToken& token, DeviceMemory* memory) {
  const auto found = offered_.find(token);
  if (found != offered_.end()) {
    found->second.withdrawn_from = memory;
    source_->Withdraw(token);
  }
}

void Shares::SendTo(const ShareToken& token, Fd socket) {
  const auto shared = std::make_shared<Fd>(std::move(socket));
  session_.Return([this, token, shared] {
    const auto found = offered_.find(token);
    if (found == offered_.end()) {
      return;  // who waits at the other end hears that nothing comes
    }
    // With too many jobs already, the same.
    static_cast<void>(session_.waiters().Run([this, thing = found->second.thing, shared] {
      static_cast<void>(SendShared(session_.driver(), thing, *shared));
      shared->Reset();
    }));
  });
}

void Shares::Over(const ShareToken& token) {
  session_.Return([this, token] {
    const auto found = offered_.find(token);
    if (found != offered_.end() && found->second.withdrawn_from != nullptr) {
      found->second.withdrawn_from->Forfeit(found->second.thing.chunks);
      offered_.erase(found);
    }
  });
}

}  // namespace farlane::server

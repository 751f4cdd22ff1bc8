// SPDX-License-Identifier: Apache-2.0
// Code images: found by their hash or asked for, loaded on a waiter, bound on the dispatch thread.
#include <future>

#include "gpu-server/session/client_session.h"
#include "gpu-server/session/hand.h"
#include "protocol/base/log.h"

namespace farlane::server {
namespace {

using wire::WireError;

// One ImageLoad on its way: shared by the steps, of which each runs on another thread.
struct Load {
  wire::MessageView view;  // its body is gone
  wire::Handle module = 0;
  ImageHash hash{};
  LoadRequest request;
  ContextPtr context;
  std::unique_ptr<LoadedImage> loaded;
  std::string log;
  std::vector<LoadedImage::KernelPart> kernels;
};

// On a waiter: until the ledger has answered.
Reservation ReserveVariables(ClientSession& session, const ContextPtr& context, uint64_t bytes) {
  // Shared with the thread that answers, which may still be at it when the answer is here.
  const auto answer = std::make_shared<std::promise<Reservation>>();
  const CUdevice device = context == nullptr ? session.first_device() : context->device;
  session.AskForMemory(static_cast<size_t>(device), bytes, CreditSource::Purpose::kObject,
                       [answer](Reservation granted) { answer->set_value(std::move(granted)); });
  return answer->get_future().get();
}

void FinishLoad(ClientSession& session, const std::shared_ptr<Load>& load, CUresult result) {
  wire::ImageLoadReply reply;
  if (result == CUDA_SUCCESS &&
      session.CheckNew(load->module, wire::HandleKind::kModule) != wire::WireError::kNone) {
    result = CUDA_ERROR_INVALID_HANDLE;  // given to another load in the meantime
  }
  if (result == CUDA_SUCCESS) {
    reply.kernels_count = static_cast<uint32_t>(load->loaded->kernels().size());
    for (const LoadedImage::KernelPart& part : load->kernels) {
      session.outbox().Append(wire::ImageKernels{.module = load->module,
                                                 .first = part.first,
                                                 .count = part.count,
                                                 .kernels = part.records});
    }
    session.Bind(load->module,
                 BoundImage{.image = std::move(load->loaded), .context = load->context});
  }
  reply.log = load->log;
  session.AnswerEvenFailed(load->view, result, reply);
}

// On a waiter.
void LoadNow(ClientSession& session, const std::shared_ptr<Load>& load, const ImageBytes& image) {
  // Without the byte that was added at the end.
  const ConstBytes bytes = ConstBytes(*image).first(image->size() - 1);
  CUresult result =
      LoadedImage::Load(session.driver(), bytes, load->request, &load->loaded, &load->log);
  if (result == CUDA_SUCCESS && !load->loaded->EncodeKernels(&load->kernels)) {
    static_cast<void>(load->loaded->Unload(session.driver()));
    result = CUDA_ERROR_NOT_SUPPORTED;
  }
  session.Return([&session, load, result] { FinishLoad(session, load, result); });
}

// On a waiter, with an image that just arrived: its name is still to be proved.
void ProveAndLoad(ClientSession& session,
                  const std::shared_ptr<Load>& load,
                  const ImageBytes& image) {
  if (HashOf(ConstBytes(*image).first(image->size() - 1)) != load->hash) {
    LogWarn("an image came that is not what its name says");
    session.Return([&session, load] { FinishLoad(session, load, CUDA_ERROR_INVALID_IMAGE); });
    return;
  }
  session.images().Put(load->hash, image);
  LoadNow(session, load, image);
}

}  // namespace

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::ImageLoad& message) {
  FARLANE_WIRE_TRY(session.CheckNew(message.module, wire::HandleKind::kModule));
  const auto load = std::make_shared<Load>();
  load->view = {.op = view.op, .flags = view.flags, .sequence = view.sequence, .body = {}};
  load->module = message.module;
  load->hash = HashFromWords(message.hash_0, message.hash_1, message.hash_2, message.hash_3);
  load->request = {.library = message.library != 0,
                   .device = session.first_device(),
                   .log_bytes = message.log_bytes};
  load->request.reserve = [&session, context = session.context()](uint64_t bytes) {
    return ReserveVariables(session, context, bytes);
  };
  if (!load->request.library) {
    load->context = session.context();
    if (load->context == nullptr) {
      return session.Refuse(view, CUDA_ERROR_INVALID_CONTEXT);
    }
  }
  if (const ImageBytes image = session.images().Find(load->hash)) {
    if (image->size() != message.image_bytes + 1) {
      return WireError::kBadValue;
    }
    session.Defer(load->view, [&session, load, image] { LoadNow(session, load, image); });
    return WireError::kNone;
  }
  const auto arrived = [&session, load, context = session.context()](const ImageBytes& image) {
    session.DeferIn(context, load->view,
                    [&session, load, image] { ProveAndLoad(session, load, image); });
  };
  return session.AwaitImage(view, load->hash, message.image_bytes, arrived);
}

WireError Execute(ClientSession& session,
                  [[maybe_unused]] const wire::MessageView& view,
                  const wire::ImagePiece& message) {
  return session.image_inbox().AddPiece(
      HashFromWords(message.hash_0, message.hash_1, message.hash_2, message.hash_3), message.offset,
      message.data);
}

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::ImageUnload& message) {
  BoundImage taken;
  if (!session.Take(message.module, &taken)) {
    return session.Refuse(view, CUDA_ERROR_INVALID_HANDLE);
  }
  session.arrays().ForgetReferencesOf(*taken.image);
  session.releases().Begin();
  session.DeferIn(taken.context, view, [&session, view, image = taken.image] {
    session.Finish(view, image->Unload(session.driver()));
    session.releases().End();
    session.outbox().FlushOrWake();
  });
  return WireError::kNone;
}

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::KernelBind& message) {
  FARLANE_WIRE_TRY(session.CheckNew(message.function, wire::HandleKind::kFunction));
  BoundImage found;
  if (!session.Find(message.module, &found)) {
    return session.Refuse(view, CUDA_ERROR_INVALID_HANDLE);
  }
  const std::vector<KernelInfo>& kernels = found.image->kernels();
  if (message.index >= kernels.size()) {
    return WireError::kBadValue;
  }
  const KernelInfo& kernel = kernels[message.index];
  session.Bind(message.function, BoundFunction{.function = kernel.function,
                                               .image = found.image,
                                               .info = &kernel,
                                               .context = found.context});
  return WireError::kNone;
}

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::ImageGlobal& message) {
  BoundImage found;
  if (!session.Find(message.module, &found)) {
    return session.Refuse(view, CUDA_ERROR_INVALID_HANDLE);
  }
  wire::ImageGlobalReply reply;
  const CUresult result = found.image->FindGlobal(session.driver(), std::string(message.name),
                                                  &reply.address, &reply.bytes);
  if (result == CUDA_SUCCESS) {
    session.globals().Add(reply.address, reply.bytes, found.image.get());
  }
  session.Answer(view, result, reply);
  return WireError::kNone;
}

}  // namespace farlane::server

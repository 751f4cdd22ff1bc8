// SPDX-License-Identifier: Apache-2.0
// The linker of device code. Inputs come as one package, by the way that images come; what the
// driver makes of them is kept with the images, for the client to read.
#include "gpu-server/session/client_session.h"
#include "gpu-server/session/hand.h"
#include "gpu-server/session/log_options.h"
#include "protocol/abi/fatbin.h"
#include "protocol/abi/image.h"
#include "protocol/abi/link_package.h"
#include "protocol/base/log.h"

namespace farlane::server {
namespace {

using wire::WireError;

// One ImageLink on its way: shared by the steps, of which each runs on another thread.
struct Linking {
  wire::MessageView view;  // its body is gone
  ImageHash hash{};
  uint32_t log_bytes = 0;
  std::string log;
  ImageHash linked_hash{};
  uint64_t linked_bytes = 0;
};

void FinishLinking(ClientSession& session,
                   const std::shared_ptr<Linking>& linking,
                   CUresult result) {
  const std::array<uint64_t, 4> words = WordsFromHash(linking->linked_hash);
  session.AnswerEvenFailed(linking->view, result,
                           wire::ImageLinkReply{.linked_bytes = linking->linked_bytes,
                                                .hash_0 = words[0],
                                                .hash_1 = words[1],
                                                .hash_2 = words[2],
                                                .hash_3 = words[3],
                                                .log = linking->log});
}

// What the driver would walk through by itself is walked through here first, within bounds.
bool IsWhatItClaims(const abi::LinkPart& part) {
  const Result<abi::ImageView> view = abi::ViewImage(ConstBytes(part.data));
  switch (part.type) {
    case CU_JIT_INPUT_PTX:
      return view.ok() && view->kind == abi::ImageKind::kPtx;
    case CU_JIT_INPUT_FATBINARY:
      return view.ok() && view->kind == abi::ImageKind::kFatbin;
    case CU_JIT_INPUT_CUBIN:
      return view.ok() && view->kind == abi::ImageKind::kCubin;
    default:
      return true;  // the driver is told their size
  }
}

CUresult AddParts(const DriverTable& driver, CUlinkState state, std::vector<abi::LinkPart> parts) {
  for (abi::LinkPart& part : parts) {
    if (!IsWhatItClaims(part)) {
      return CUDA_ERROR_INVALID_IMAGE;
    }
    if (part.type == CU_JIT_INPUT_PTX && part.data.back() != std::byte{0}) {
      part.data.push_back(std::byte{0});
    }
    const CUresult result =
        driver.cuLinkAddData_v2(state, static_cast<CUjitInputType>(part.type), part.data.data(),
                                part.data.size(), part.name.c_str(), 0, nullptr, nullptr);
    if (result != CUDA_SUCCESS) {
      return result;
    }
  }
  return CUDA_SUCCESS;
}

// What was linked, with a zero byte behind it as all images have.
CUresult TakeLinked(const DriverTable& driver, CUlinkState state, ImageBytes* linked) {
  void* cubin = nullptr;
  size_t size = 0;
  const CUresult result = driver.cuLinkComplete(state, &cubin, &size);
  if (result == CUDA_SUCCESS) {
    const auto* bytes = static_cast<const std::byte*>(cubin);
    std::vector<std::byte> copy(bytes, bytes + size);
    copy.push_back(std::byte{0});
    *linked = std::make_shared<const std::vector<std::byte>>(std::move(copy));
  }
  return result;
}

// On a waiter.
CUresult LinkNow(ClientSession& session, Linking& linking, ConstBytes package) {
  Result<std::vector<abi::LinkPart>> parts = abi::OpenLink(package);
  if (!parts.ok()) {
    LogInfo("what a client wants linked was refused: %s", parts.error().message().c_str());
    return CUDA_ERROR_INVALID_IMAGE;
  }
  const DriverTable& driver = session.driver();
  LogOptions options(linking.log_bytes);
  CUlinkState state = nullptr;
  CUresult result =
      driver.cuLinkCreate_v2(options.count(), options.names(), options.values(), &state);
  if (result != CUDA_SUCCESS) {
    return result;
  }
  ImageBytes linked;
  result = AddParts(driver, state, std::move(*parts));
  if (result == CUDA_SUCCESS) {
    result = TakeLinked(driver, state, &linked);
  }
  static_cast<void>(driver.cuLinkDestroy(state));
  linking.log = options.Text();
  if (result == CUDA_SUCCESS) {
    linking.linked_bytes = linked->size() - 1;
    linking.linked_hash = HashOf(ConstBytes(*linked).first(linking.linked_bytes));
    session.images().Put(linking.linked_hash, linked);
  }
  return result;
}

// On a waiter, with a package that just arrived: its name is still to be proved.
void ProveAndLink(ClientSession& session,
                  const std::shared_ptr<Linking>& linking,
                  const ImageBytes& package) {
  // Without the byte that was added at the end.
  const ConstBytes bytes = ConstBytes(*package).first(package->size() - 1);
  const CUresult result =
      HashOf(bytes) == linking->hash ? LinkNow(session, *linking, bytes) : CUDA_ERROR_INVALID_IMAGE;
  session.Return([&session, linking, result] { FinishLinking(session, linking, result); });
}

}  // namespace

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::ImageLink& message) {
  const auto linking = std::make_shared<Linking>();
  linking->view = {.op = view.op, .flags = view.flags, .sequence = view.sequence, .body = {}};
  linking->hash = HashFromWords(message.hash_0, message.hash_1, message.hash_2, message.hash_3);
  linking->log_bytes = message.log_bytes;
  if (session.context() == nullptr) {
    return session.Refuse(view, CUDA_ERROR_INVALID_CONTEXT);
  }
  const auto arrived = [&session, linking, context = session.context()](const ImageBytes& package) {
    session.DeferIn(context, linking->view,
                    [&session, linking, package] { ProveAndLink(session, linking, package); });
  };
  return session.AwaitImage(view, linking->hash, message.image_bytes, arrived);
}

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::LinkedRead& message) {
  const ImageBytes linked = session.images().Find(
      HashFromWords(message.hash_0, message.hash_1, message.hash_2, message.hash_3));
  if (linked == nullptr || message.offset >= linked->size() - 1) {
    return session.Refuse(view, CUDA_ERROR_INVALID_VALUE);
  }
  const ConstBytes rest =
      ConstBytes(*linked).first(linked->size() - 1).subspan(static_cast<size_t>(message.offset));
  session.Answer(
      view, CUDA_SUCCESS,
      wire::LinkedReadReply{.data = rest.first(std::min(rest.size(), wire::kPieceBytes))});
  return WireError::kNone;
}

}  // namespace farlane::server

// SPDX-License-Identifier: Apache-2.0
// Answers keeps what the server has answered to questions whose answers stay true, so that each is
// asked once. Only for calls that the spec says travel as "cached".
#pragma once

#include <cstring>
#include <map>
#include <string>
#include <type_traits>

#include "client-shim/call_scope.h"
#include "client-shim/device_scope.h"
#include "protocol/base/guarded.h"

namespace farlane::shim {

// Thread: any, guarded.
class Answers {
 public:
  static Answers& Get();

  // False if nobody has asked yet.
  bool Find(const std::string& question, void* answer, size_t bytes) const;
  void Keep(const std::string& question, const void* answer, size_t bytes);
  // An attribute of a kernel has changed, on which its answers may depend.
  void Forget();

 private:
  Guarded<std::map<std::string, std::string>> kept_;
};

// The question's bytes as they would travel. `device` keeps the same question on two devices apart.
template <typename Message>
std::string QuestionOf(int32_t device, const Message& message) {
  std::string question(sizeof device + EncodedBytes(message), '\0');
  memcpy(question.data(), &device, sizeof device);
  Encode(message, reinterpret_cast<std::byte*>(question.data() + sizeof device));
  return question;
}

template <typename Scope, typename Message, typename Reply>
CUresult AskOnce(const Scope& scope, const Message& message, Reply* reply) {
  static_assert(std::is_trivially_copyable_v<Reply>);
  // Devices asked about stand in the message, by numbers of their server's.
  int32_t device = -1 - static_cast<int32_t>(scope.session().number());
  if constexpr (std::is_same_v<Scope, CallScope>) {
    device = scope.device();
  }
  const std::string question = QuestionOf(device, message);
  if (Answers::Get().Find(question, reply, sizeof *reply)) {
    return CUDA_SUCCESS;
  }
  const CUresult result = scope.Call(message, reply);
  if (result == CUDA_SUCCESS) {
    Answers::Get().Keep(question, reply, sizeof *reply);
  }
  return result;
}

}  // namespace farlane::shim

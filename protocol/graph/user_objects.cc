// SPDX-License-Identifier: Apache-2.0
#include "protocol/graph/user_objects.h"

#include <climits>
#include <utility>

namespace farlane::graph {

bool UserObject::Release(uint64_t count) {
  uint64_t held = count_.load();
  do {
    if (held < count) {
      return false;
    }
  } while (!count_.compare_exchange_weak(held, held - count));
  if (held == count && count != 0) {
    destroy_(data_);
  }
  return true;
}

ObjectHold::ObjectHold(const ObjectHold& other) : object_(other.object_), count_(other.count_) {
  object_->Retain(count_);
}

ObjectHold& ObjectHold::operator=(ObjectHold&& other) noexcept {
  std::swap(object_, other.object_);
  std::swap(count_, other.count_);
  return *this;
}

void ObjectHold::Part(uint64_t count, ObjectHold* to) {
  count_ -= count;
  to->count_ += count;
}

ObjectHold::~ObjectHold() {
  if (count_ != 0) {
    static_cast<void>(object_->Release(count_));
  }
}

CUresult UserObjects::Create(
    CUhostFn destroy, void* data, unsigned int count, unsigned int flags, CUuserObject* object) {
  if (object == nullptr || destroy == nullptr || count == 0 || count > INT_MAX ||
      flags != CU_USER_OBJECT_NO_DESTRUCTOR_SYNC) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  state_.With([&](State& state) {
    // Those that are over are forgotten when there are new ones.
    std::erase_if(state.objects, [](const auto& entry) { return entry.second->is_over(); });
    const uint64_t number = ++state.last;
    state.objects[number] = std::make_shared<UserObject>(number, destroy, data, count);
    *object = reinterpret_cast<CUuserObject>(number);
  });
  return CUDA_SUCCESS;
}

UserObjectPtr UserObjects::Find(CUuserObject object) {
  return state_.With([object](State& state) -> UserObjectPtr {
    const auto found = state.objects.find(reinterpret_cast<uint64_t>(object));
    return found == state.objects.end() || found->second->is_over() ? nullptr : found->second;
  });
}

CUresult UserObjects::Retain(CUuserObject object, unsigned int count) {
  const UserObjectPtr found = Find(object);
  if (found == nullptr || count == 0 || count > INT_MAX) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  found->Retain(count);
  return CUDA_SUCCESS;
}

CUresult UserObjects::Release(CUuserObject object, unsigned int count) {
  const UserObjectPtr found = Find(object);
  return found != nullptr && count != 0 && count <= INT_MAX && found->Release(count)
             ? CUDA_SUCCESS
             : CUDA_ERROR_INVALID_VALUE;
}

}  // namespace farlane::graph

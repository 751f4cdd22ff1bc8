// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/session/arrays.h"

namespace farlane::server {

CUresult ArrayMemory::Zero(const DriverTable& driver, const Scrubber& scrubber) const {
  if (mipmapped == nullptr) {
    return array == nullptr ? CUDA_SUCCESS : scrubber.ZeroArray(array, shape);
  }
  CUresult result = CUDA_SUCCESS;
  for (uint32_t level = 0; result == CUDA_SUCCESS && level < shape.levels(); ++level) {
    CUarray one = nullptr;
    result = driver.cuMipmappedArrayGetLevel(&one, mipmapped, level);
    if (result == CUDA_SUCCESS) {
      result = scrubber.ZeroArray(one, shape.Level(level));
    }
  }
  return result;
}

CUresult Arrays::Prove(wire::Handle handle, const abi::ArrayBox& box, CUarray* array) {
  const BoundArray* found = arrays_.Find(handle);
  if (found == nullptr || found->array == nullptr) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  *array = found->array;
  return found->shape.Holds(box) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

bool Arrays::Take(wire::Handle handle, BoundArray* array) {
  const BoundArray* found = arrays_.Find(handle);
  if (found == nullptr || found->is_level) {
    return false;
  }
  arrays_.Take(handle, array);
  arrays_.EraseIf([array](const BoundArray& one) { return one.memory == array->memory; });
  return true;
}

void Arrays::HandOver(const ContextPtr& from, const ContextPtr& to) {
  arrays_.ForEach(
      [&](BoundArray& array) { array.context = array.context == from ? to : array.context; });
  references_.ForEach([&](BoundReference& reference) {
    reference.context = reference.context == from ? to : reference.context;
  });
  for (Objects* objects : {&textures_, &surfaces_}) {
    for (auto& [object, context] : *objects) {
      context = context == from ? to : context;
    }
  }
}

std::vector<BoundArray> Arrays::All() {
  std::vector<BoundArray> all;
  arrays_.ForEach([&all](BoundArray& array) {
    if (!array.is_level) {
      all.push_back(array);
    }
  });
  return all;
}

std::vector<ArrayMemoryPtr> Arrays::ForgetContext(const ContextPtr& context) {
  std::vector<ArrayMemoryPtr> memory;
  arrays_.EraseIf([&](const BoundArray& array) {
    if (array.context != context) {
      return false;
    }
    memory.push_back(array.memory);
    return true;
  });
  references_.EraseIf(
      [&context](const BoundReference& reference) { return reference.context == context; });
  const auto is_of_context = [&context](const auto& entry) { return entry.second == context; };
  std::erase_if(textures_, is_of_context);
  std::erase_if(surfaces_, is_of_context);
  return memory;
}

ContextPtr Arrays::TakeFrom(Objects* objects, uint64_t object) {
  const auto found = objects->find(object);
  if (found == objects->end()) {
    return nullptr;
  }
  ContextPtr context = std::move(found->second);
  objects->erase(found);
  return context;
}

}  // namespace farlane::server

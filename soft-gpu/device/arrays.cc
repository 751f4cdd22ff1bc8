// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/device/arrays.h"

namespace farlane::soft {
namespace {

constexpr uint64_t kImageAlignBytes = 512;  // CU_DEVICE_ATTRIBUTE_TEXTURE_ALIGNMENT

TexelImage ImageOf(const abi::ArrayShape& shape) {
  TexelImage image;
  image.row_bytes = shape.row_bytes();
  image.slice_bytes = shape.row_bytes() * shape.rows();
  image.width = static_cast<uint32_t>(shape.descriptor().Width);
  image.height = static_cast<uint32_t>(shape.rows());
  image.depth = static_cast<uint32_t>(shape.slices());
  return image;
}

}  // namespace

CUresult Arrays::Create(const abi::ArrayShape& shape,
                        bool is_mipmapped,
                        uint64_t context,
                        int device,
                        uint64_t* handle) {
  auto array = std::make_shared<Array>();
  array->shape = shape;
  array->is_mipmapped = is_mipmapped;
  array->context = context;
  array->device = device;
  AllocationRequest request;
  request.device = device;
  request.context = context;
  request.kind = MemoryKind::kArray;
  request.align_bytes = kImageAlignBytes;
  for (uint32_t level = 0; level < shape.levels(); ++level) {
    array->images.push_back(ImageOf(shape.Level(level)));
    TexelImage& image = array->images.back();
    image.base = request.size_bytes;  // for now, from the start
    request.size_bytes += RoundUp(image.slice_bytes * image.depth, kImageAlignBytes);
  }
  uint64_t address = 0;
  const CUresult result = memory_->Allocate(request, &address);
  if (result != CUDA_SUCCESS) {
    return result;
  }
  for (TexelImage& image : array->images) {
    image.base += address;
  }
  *handle = table_.Mint();
  for (uint32_t level = 0; is_mipmapped && level < shape.levels(); ++level) {
    auto one = std::make_shared<Array>(*array);
    one->shape = shape.Level(level);
    one->is_mipmapped = false;
    one->parent = *handle;
    one->images = {array->images[level]};
    one->levels.clear();
    array->levels.push_back(table_.Mint());
    table_.Set(array->levels.back(), std::move(one));
  }
  table_.Set(*handle, std::move(array));
  return CUDA_SUCCESS;
}

CUresult Arrays::Destroy(uint64_t handle) {
  const std::shared_ptr<const Array> array = table_.Take(handle);
  if (array == nullptr) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  for (const uint64_t level : array->levels) {
    static_cast<void>(table_.Take(level));  // null if another thread destroys the same
  }
  return memory_->Free(array->base(), {MemoryKind::kArray});
}

void Arrays::ForgetContext(uint64_t context) {
  table_.TakeIf([context](const Array& array) { return array.context == context; });
}

}  // namespace farlane::soft

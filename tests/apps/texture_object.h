// SPDX-License-Identifier: Apache-2.0
// A texture object with the arguments that the texture programs vary, and arrays made from vectors.
#pragma once

#include <vector>

#include "tests/apps/cuda_call.h"

namespace apps {

struct Sampling {
  cudaTextureAddressMode mode = cudaAddressModeClamp;
  cudaTextureFilterMode filter = cudaFilterModePoint;
  cudaTextureReadMode read = cudaReadModeElementType;
  bool normalized = false;
  float border = 0;
};

inline cudaTextureDesc DescriptionOf(const Sampling& sampling) {
  cudaTextureDesc description{};
  for (cudaTextureAddressMode& mode : description.addressMode) {
    mode = sampling.mode;
  }
  description.filterMode = sampling.filter;
  description.readMode = sampling.read;
  description.normalizedCoords = sampling.normalized ? 1 : 0;
  for (float& channel : description.borderColor) {
    channel = sampling.border;
  }
  return description;
}

inline cudaResourceDesc ResourceOf(cudaArray_t array) {
  cudaResourceDesc resource{};
  resource.resType = cudaResourceTypeArray;
  resource.res.array.array = array;
  return resource;
}

// Destroyed with its scope. Thread: one at a time.
class TextureObject {
 public:
  TextureObject(const cudaResourceDesc& resource, const Sampling& sampling)
      : TextureObject(resource, DescriptionOf(sampling)) {}

  TextureObject(const cudaResourceDesc& resource, const cudaTextureDesc& description) {
    CUDA_CALL(cudaCreateTextureObject(&object_, &resource, &description, nullptr));
  }

  TextureObject(const TextureObject&) = delete;
  TextureObject& operator=(const TextureObject&) = delete;

  ~TextureObject() { CUDA_CALL(cudaDestroyTextureObject(object_)); }

  cudaTextureObject_t get() const { return object_; }

 private:
  cudaTextureObject_t object_ = 0;
};

// Destroyed with its scope. Thread: one at a time.
class SurfaceObject {
 public:
  explicit SurfaceObject(cudaArray_t array) {
    const cudaResourceDesc resource = ResourceOf(array);
    CUDA_CALL(cudaCreateSurfaceObject(&object_, &resource));
  }

  SurfaceObject(const SurfaceObject&) = delete;
  SurfaceObject& operator=(const SurfaceObject&) = delete;

  ~SurfaceObject() { CUDA_CALL(cudaDestroySurfaceObject(object_)); }

  cudaSurfaceObject_t get() const { return object_; }

 private:
  cudaSurfaceObject_t object_ = 0;
};

// An array of any shape; freed with its scope. Thread: one at a time.
template <typename T>
class DeviceArray3D {
 public:
  DeviceArray3D(size_t width, size_t height, size_t depth, unsigned flags = 0)
      : extent_(make_cudaExtent(width, height, depth)) {
    const cudaChannelFormatDesc format = cudaCreateChannelDesc<T>();
    CUDA_CALL(cudaMalloc3DArray(&array_, &format, extent_, flags));
  }

  DeviceArray3D(const DeviceArray3D&) = delete;
  DeviceArray3D& operator=(const DeviceArray3D&) = delete;

  ~DeviceArray3D() { CUDA_CALL(cudaFreeArray(array_)); }

  cudaArray_t get() const { return array_; }

  size_t count() const { return Rows() * extent_.width * Slices(); }

  void Write(const std::vector<T>& texels) {
    cudaMemcpy3DParms copy = Copy();
    copy.srcPtr = Pitched(const_cast<T*>(texels.data()));
    copy.dstArray = array_;
    copy.kind = cudaMemcpyHostToDevice;
    CUDA_CALL(cudaMemcpy3D(&copy));
  }

  std::vector<T> Read() const {
    std::vector<T> texels(count());
    cudaMemcpy3DParms copy = Copy();
    copy.srcArray = array_;
    copy.dstPtr = Pitched(texels.data());
    copy.kind = cudaMemcpyDeviceToHost;
    CUDA_CALL(cudaMemcpy3D(&copy));
    return texels;
  }

 private:
  size_t Rows() const { return extent_.height == 0 ? 1 : extent_.height; }

  size_t Slices() const { return extent_.depth == 0 ? 1 : extent_.depth; }

  cudaMemcpy3DParms Copy() const {
    cudaMemcpy3DParms copy{};
    copy.extent = make_cudaExtent(extent_.width, Rows(), Slices());
    return copy;
  }

  cudaPitchedPtr Pitched(T* texels) const {
    return make_cudaPitchedPtr(texels, extent_.width * sizeof(T), extent_.width, Rows());
  }

  cudaExtent extent_;
  cudaArray_t array_ = nullptr;
};

}  // namespace apps

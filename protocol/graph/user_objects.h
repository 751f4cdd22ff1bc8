// SPDX-License-Identifier: Apache-2.0
// UserObjects are things of the program that end with the last graph that needs them: each has a
// function of the program's, and a count of who holds it.
//
// The function runs in whichever thread lets the last hold go, with no lock of ours held.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>

#include "protocol/abi/cuda_abi.h"
#include "protocol/base/guarded.h"

namespace farlane::graph {

// Thread: any.
class UserObject {
 public:
  UserObject(uint64_t number, CUhostFn destroy, void* data, uint64_t count)
      : number_(number), destroy_(destroy), data_(data), count_(count) {}

  uint64_t number() const { return number_; }

  void Retain(uint64_t count) { count_.fetch_add(count); }

  // False when nobody holds so much. The last one ends the object.
  bool Release(uint64_t count);

  bool is_over() const { return count_.load() == 0; }

 private:
  const uint64_t number_;
  const CUhostFn destroy_;
  void* const data_;
  std::atomic<uint64_t> count_;
};

using UserObjectPtr = std::shared_ptr<UserObject>;  // shared by the table and all holds

// So many holds of one object, let go with this.
// Thread: one at a time.
class ObjectHold {
 public:
  ObjectHold(UserObjectPtr object, uint64_t count) : object_(std::move(object)), count_(count) {}

  ObjectHold(ObjectHold&& other) noexcept
      : object_(std::move(other.object_)), count_(other.count_) {
    other.count_ = 0;
  }

  ObjectHold& operator=(ObjectHold&& other) noexcept;
  // Another one of the same.
  ObjectHold(const ObjectHold& other);
  ObjectHold& operator=(const ObjectHold& other) = delete;

  ~ObjectHold();

  // Moves so many of them to another hold of the same object.
  void Part(uint64_t count, ObjectHold* to);

  const UserObjectPtr& object() const { return object_; }

  uint64_t count() const { return count_; }

 private:
  UserObjectPtr object_;
  uint64_t count_;
};

using ObjectHolds = std::map<uint64_t, ObjectHold>;  // by number

// Thread: any, guarded.
class UserObjects {
 public:
  CUresult Create(
      CUhostFn destroy, void* data, unsigned int count, unsigned int flags, CUuserObject* object);
  CUresult Retain(CUuserObject object, unsigned int count);
  CUresult Release(CUuserObject object, unsigned int count);

  // Null for one that there is not.
  UserObjectPtr Find(CUuserObject object);

 private:
  struct State {
    uint64_t last = 0;
    std::map<uint64_t, UserObjectPtr> objects;
  };

  Guarded<State> state_;
};

}  // namespace farlane::graph

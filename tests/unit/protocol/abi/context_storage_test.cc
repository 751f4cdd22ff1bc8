// SPDX-License-Identifier: Apache-2.0
#include "protocol/abi/context_storage.h"

#include <atomic>
#include <bit>
#include <map>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace farlane::abi {
namespace {

CUcontext Context(uint64_t number) {
  return std::bit_cast<CUcontext>(0x1000 * number);
}

void* Pointer(uint64_t number) {
  return std::bit_cast<void*>(number);
}

// Null where there is none.
void* Look(const ContextStorage& storage, CUcontext context, void* key) {
  void* value = nullptr;
  return storage.Get(context, key, &value) == CUDA_SUCCESS ? value : nullptr;
}

struct DestructorCall {
  CUcontext context;
  void* key;
  void* value;

  bool operator==(const DestructorCall&) const = default;
};

std::vector<DestructorCall> destructor_calls;

void Record(CUcontext context, void* key, void* value) {
  destructor_calls.push_back({context, key, value});
}

TEST(ContextStorage, KeepsOneValuePerContextAndKey) {
  ContextStorage storage;
  EXPECT_EQ(storage.Put(Context(1), Pointer(1), Pointer(11), nullptr), CUDA_SUCCESS);
  EXPECT_EQ(storage.Put(Context(1), Pointer(2), Pointer(12), nullptr), CUDA_SUCCESS);
  EXPECT_EQ(storage.Put(Context(2), Pointer(1), Pointer(21), nullptr), CUDA_SUCCESS);
  EXPECT_EQ(storage.Put(Context(1), Pointer(1), Pointer(13), nullptr), CUDA_SUCCESS);

  EXPECT_EQ(Look(storage, Context(1), Pointer(1)), Pointer(13));
  EXPECT_EQ(Look(storage, Context(1), Pointer(2)), Pointer(12));
  EXPECT_EQ(Look(storage, Context(2), Pointer(1)), Pointer(21));
  void* value = Pointer(99);
  EXPECT_EQ(storage.Get(Context(2), Pointer(2), &value), CUDA_ERROR_INVALID_HANDLE);
  EXPECT_EQ(value, Pointer(99));
}

TEST(ContextStorage, ErasesWithoutRunningTheDestructor) {
  ContextStorage storage;
  destructor_calls.clear();
  ASSERT_EQ(storage.Put(Context(1), Pointer(1), Pointer(11), &Record), CUDA_SUCCESS);

  EXPECT_EQ(storage.Erase(Context(1), Pointer(1)), CUDA_SUCCESS);
  EXPECT_EQ(storage.Erase(Context(1), Pointer(1)), CUDA_ERROR_INVALID_HANDLE);
  storage.Destroy(Context(1));
  EXPECT_EQ(Look(storage, Context(1), Pointer(1)), nullptr);
  EXPECT_TRUE(destructor_calls.empty());
}

TEST(ContextStorage, DestroyRunsTheDestructorsOfThatContextInOrderOfPut) {
  ContextStorage storage;
  destructor_calls.clear();
  for (const uint64_t key : {5, 1, 9, 3}) {
    ASSERT_EQ(storage.Put(Context(1), Pointer(key), Pointer(10 + key), &Record), CUDA_SUCCESS);
    ASSERT_EQ(storage.Put(Context(2), Pointer(key), Pointer(20 + key), &Record), CUDA_SUCCESS);
  }
  ASSERT_EQ(storage.Put(Context(1), Pointer(7), Pointer(17), nullptr), CUDA_SUCCESS);

  storage.Destroy(Context(1));
  const std::vector<DestructorCall> expected = {{Context(1), Pointer(5), Pointer(15)},
                                                {Context(1), Pointer(1), Pointer(11)},
                                                {Context(1), Pointer(9), Pointer(19)},
                                                {Context(1), Pointer(3), Pointer(13)}};
  EXPECT_EQ(destructor_calls, expected);
  EXPECT_EQ(Look(storage, Context(1), Pointer(7)), nullptr);
  EXPECT_EQ(Look(storage, Context(2), Pointer(5)), Pointer(25));
}

ContextStorage* storage_called_back = nullptr;

void PutAgain(CUcontext context, void* key, void* value) {
  destructor_calls.push_back({context, key, value});
  static_cast<void>(storage_called_back->Put(context, key, value, &PutAgain));
}

TEST(ContextStorage, LetsADestructorCallBackInAndStillComesToAnEnd) {
  ContextStorage storage;
  storage_called_back = &storage;
  destructor_calls.clear();
  ASSERT_EQ(storage.Put(Context(1), Pointer(1), Pointer(11), &PutAgain), CUDA_SUCCESS);

  storage.Destroy(Context(1));
  EXPECT_GT(destructor_calls.size(), 1u);
  EXPECT_EQ(Look(storage, Context(1), Pointer(1)), nullptr);
}

TEST(ContextStorage, AgreesWithAMapThroughGrowthAndRemoval) {
  ContextStorage storage;
  std::map<std::pair<CUcontext, void*>, void*> model;
  std::mt19937_64 random(1);
  for (int step = 0; step < 20000; ++step) {
    // Neighbouring contexts and keys collide in the table.
    const CUcontext context = Context(1 + random() % 40);
    void* const key = Pointer(8 * (random() % 20));
    const uint64_t action = random() % 100;
    if (action < 55) {
      void* const value = Pointer(random());
      ASSERT_EQ(storage.Put(context, key, value, nullptr), CUDA_SUCCESS);
      model[{context, key}] = value;
    } else if (action < 99) {
      const bool known = model.erase({context, key}) != 0;
      ASSERT_EQ(storage.Erase(context, key) == CUDA_SUCCESS, known);
    } else {
      storage.Destroy(context);
      std::erase_if(model, [&](const auto& entry) { return entry.first.first == context; });
    }
    const auto found = model.find({context, key});
    ASSERT_EQ(Look(storage, context, key), found != model.end() ? found->second : nullptr);
  }
  for (const auto& [place, value] : model) {
    EXPECT_EQ(Look(storage, place.first, place.second), value);
  }
}

TEST(ContextStorage, NeverShowsAReaderAnotherEntrysValue) {
  ContextStorage storage;
  // An entry that stays is found throughout, while the table around it moves and grows.
  const CUcontext lasting = Context(1000);
  ASSERT_EQ(storage.Put(lasting, Pointer(1), Pointer(77), nullptr), CUDA_SUCCESS);
  std::atomic<bool> done{false};
  std::atomic<int> wrong{0};
  std::vector<std::thread> readers;
  for (int r = 0; r < 2; ++r) {
    readers.emplace_back([&] {
      uint64_t n = 0;
      while (!done.load()) {
        n = n % 200 + 1;
        const void* found = Look(storage, Context(n), Pointer(n));
        wrong += found != nullptr && found != Pointer(1000 + n) ? 1 : 0;
        wrong += Look(storage, lasting, Pointer(1)) != Pointer(77) ? 1 : 0;
      }
    });
  }
  for (int round = 0; round < 50; ++round) {
    for (uint64_t n = 1; n <= 200; ++n) {
      ASSERT_EQ(storage.Put(Context(n), Pointer(n), Pointer(1000 + n), nullptr), CUDA_SUCCESS);
    }
    for (uint64_t n = 200; n >= 1; --n) {
      ASSERT_EQ(storage.Erase(Context(n), Pointer(n)), CUDA_SUCCESS);
    }
  }
  done = true;
  for (std::thread& reader : readers) {
    reader.join();
  }
  EXPECT_EQ(wrong.load(), 0);
}

}  // namespace
}  // namespace farlane::abi

// SPDX-License-Identifier: Apache-2.0
// When the bytes of a copy are read, and when they are there: the order of streams holds for the
// program's memory, too.
#include <algorithm>
#include <chrono>
#include <cstring>
#include <memory>
#include <thread>

#include "tests/system/client/program/cases.h"
#include "tests/system/client/program/cuda.h"

namespace farlane::cases {
namespace {

// Several pieces of what travels at a time, and a part of one.
constexpr size_t kWords = (3 << 18) + 100;
constexpr size_t kBytes = kWords * sizeof(uint32_t);

// One word of so many differs from all others: memory of one value would not be sent at all.
constexpr size_t kOddEvery = 16 << 10;

uint32_t WordAt(size_t index, uint32_t value) {
  return index % kOddEvery == 5 ? ~value : value;
}

// How many words are something else than they would be for a value.
long OtherWords(const uint32_t* words, uint32_t value) {
  long others = 0;
  for (size_t i = 0; i < kWords; ++i) {
    others += words[i] == WordAt(i, value) ? 0 : 1;
  }
  return others;
}

void SetOnDevice(CUdeviceptr device, uint32_t value, CUstream stream) {
  EXPECT_OK(Cuda().cuMemsetD32Async(device, value, kWords, stream));
  EXPECT_OK(Cuda().cuMemsetD2D32Async(device + 5 * sizeof(uint32_t), kOddEvery * sizeof(uint32_t),
                                      ~value, 1, (kWords - 6) / kOddEvery + 1, stream));
}

// Words of pinned memory. Thread: caller's; streams write it as well.
class PinnedWords {
 public:
  explicit PinnedWords(uint32_t value) {
    void* memory = nullptr;
    EXPECT_OK(Cuda().cuMemAllocHost_v2(&memory, kBytes));
    words_ = static_cast<uint32_t*>(memory);
    Set(value);
  }

  PinnedWords(const PinnedWords&) = delete;
  PinnedWords& operator=(const PinnedWords&) = delete;

  ~PinnedWords() { EXPECT_OK(Cuda().cuMemFreeHost(words_)); }

  uint32_t* get() const { return words_; }

  void Set(uint32_t value) {
    for (size_t i = 0; i < kWords; ++i) {
      words_[i] = WordAt(i, value);
    }
  }

  long Others(uint32_t value) const { return OtherWords(words_, value); }

 private:
  uint32_t* words_ = nullptr;
};

// Everything a case needs: a stream that is held up until somebody lets it go.
// Thread: caller's.
class Stage {
 public:
  Stage() : kernels_(LoadKernels()) {
    EXPECT_OK(Cuda().cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    EXPECT_OK(Cuda().cuStreamCreate(&side, CU_STREAM_NON_BLOCKING));
    EXPECT_OK(Cuda().cuMemAlloc_v2(&device, kBytes));
    EXPECT_OK(Cuda().cuMemAlloc_v2(&other, kBytes));
    EXPECT_OK(Cuda().cuMemAlloc_v2(&flag_, 4096));
    Close();
  }

  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;

  ~Stage() {
    for (const CUdeviceptr memory : {device, other, flag_}) {
      EXPECT_OK(Cuda().cuMemFree_v2(memory));
    }
    EXPECT_OK(Cuda().cuStreamDestroy_v2(stream));
    EXPECT_OK(Cuda().cuStreamDestroy_v2(side));
  }

  // By a kernel, of which nobody can know that it waits.
  void HoldByKernel(CUstream held) {
    void* parameters[] = {&flag_};
    EXPECT_OK(Cuda().cuLaunchKernel(kernels_.spin, 1, 1, 1, 1, 1, 1, 0, held, parameters, nullptr));
  }

  void HoldByValue(CUstream held) {
    EXPECT_OK(Cuda().cuStreamWaitValue32_v2(held, flag_, 1, CU_STREAM_WAIT_VALUE_GEQ));
  }

  void LetGo() { EXPECT_OK(Cuda().cuStreamWriteValue32_v2(side, flag_, 1, 0)); }

  // Waits for all, and holds up again what comes next.
  void Close() {
    EXPECT_OK(Cuda().cuCtxSynchronize());
    EXPECT_OK(Cuda().cuMemsetD32_v2(flag_, 0, 1));
    EXPECT_OK(Cuda().cuCtxSynchronize());
  }

  long Others(CUdeviceptr there, uint32_t value) {
    std::vector<uint32_t> words(kWords, value + 1);
    EXPECT_OK(Cuda().cuMemcpyDtoH_v2(words.data(), there, kBytes));
    return OtherWords(words.data(), value);
  }

  CUstream stream = nullptr;
  CUstream side = nullptr;
  CUdeviceptr device = 0;
  CUdeviceptr other = 0;

 private:
  const Kernels kernels_;
  CUdeviceptr flag_ = 0;
};

// What a function of the program does. Thread: the program's, then the function's.
struct Filling {
  PinnedWords* words = nullptr;
  uint32_t value = 0;
};

void FillWords(void* data) {
  const Filling& filling = *static_cast<Filling*>(data);
  filling.words->Set(filling.value);
}

void FillWordsLate(void* data) {
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  FillWords(data);
}

CUresult CopyLinear(CUdeviceptr to, const void* from, CUstream stream) {
  return Cuda().cuMemcpyHtoDAsync_v2(to, from, kBytes, stream);
}

CUresult CopyRows(CUdeviceptr to, const void* from, CUstream stream) {
  constexpr size_t kWidth = 1024;
  CUDA_MEMCPY2D copy{};
  copy.srcMemoryType = CU_MEMORYTYPE_HOST;
  copy.srcHost = from;
  copy.srcPitch = kWidth;
  copy.dstMemoryType = CU_MEMORYTYPE_DEVICE;
  copy.dstDevice = to;
  copy.dstPitch = kWidth;
  copy.WidthInBytes = kWidth;
  copy.Height = kBytes / kWidth;
  const CUresult result = Cuda().cuMemcpy2DAsync_v2(&copy, stream);
  const size_t done = copy.Height * kWidth;  // the rest is less than a row
  return result != CUDA_SUCCESS
             ? result
             : Cuda().cuMemcpyHtoDAsync_v2(to + done, static_cast<const char*>(from) + done,
                                           kBytes - done, stream);
}

// Looks at the data from within the order of the stream.
struct Look {
  const PinnedWords* words = nullptr;
  uint32_t value = 0;
  long others = -1;
};

void LookAtWords(void* data) {
  Look& look = *static_cast<Look*>(data);
  look.others = look.words->Others(look.value);
}

void LookAtWordsToo(CUstream /*stream*/, CUresult result, void* data) {
  EXPECT_OK(result);
  LookAtWords(data);
}

CUresult AskUntilDone(CUstream stream, CUevent event) {
  CUresult result = CUDA_ERROR_NOT_READY;
  while (result == CUDA_ERROR_NOT_READY) {
    result = event != nullptr ? Cuda().cuEventQuery(event) : Cuda().cuStreamQuery(stream);
  }
  return result;
}

// One way in which a program learns that its stream is done.
void LearnThatDone(int way, Stage& stage, CUevent event) {
  switch (way) {
    case 0:
      EXPECT_OK(Cuda().cuStreamSynchronize(stage.stream));
      break;
    case 1:
      EXPECT_OK(Cuda().cuEventSynchronize(event));
      break;
    case 2:
      EXPECT_OK(AskUntilDone(stage.stream, nullptr));
      break;
    case 3:
      EXPECT_OK(AskUntilDone(nullptr, event));
      break;
    case 4:
      EXPECT_OK(Cuda().cuCtxSynchronize());
      break;
    default:
      EXPECT_OK(Cuda().cuStreamWaitEvent(stage.side, event, 0));
      EXPECT_OK(Cuda().cuStreamSynchronize(stage.side));
      break;
  }
}

}  // namespace

// A pinned buffer that a function of the program fills just before it is copied.
void FilledByAFunction() {
  Begin();
  Stage stage;
  PinnedWords words(0);
  uint32_t value = 100;
  for (const auto copy : {CopyLinear, CopyRows, CopyLinear}) {
    Filling filling{.words = &words, .value = ++value};
    stage.HoldByKernel(stage.stream);
    EXPECT_OK(Cuda().cuLaunchHostFunc(stage.stream, FillWords, &filling));
    EXPECT_OK(copy(stage.device, words.get(), stage.stream));
    stage.LetGo();
    stage.Close();
    EXPECT(stage.Others(stage.device, value), 0);
  }
  // A copy that waits by itself comes behind the function as well.
  Filling filling{.words = &words, .value = ++value};
  EXPECT_OK(Cuda().cuLaunchHostFunc(nullptr, FillWordsLate, &filling));
  EXPECT_OK(Cuda().cuMemcpyHtoD_v2(stage.device, words.get(), kBytes));
  EXPECT(stage.Others(stage.device, value), 0);
}

// Out of the device and into it again through the same memory, while nothing of it can move yet.
void CopiedOutThenIn() {
  Begin();
  Stage stage;
  PinnedWords words(0);
  uint32_t value = 200;
  for (const auto copy : {CopyLinear, CopyRows, CopyLinear}) {
    words.Set(0);
    stage.HoldByKernel(stage.stream);
    SetOnDevice(stage.device, ++value, stage.stream);
    EXPECT_OK(Cuda().cuMemcpyDtoHAsync_v2(words.get(), stage.device, kBytes, stage.stream));
    EXPECT_OK(copy(stage.other, words.get(), stage.stream));
    stage.LetGo();
    stage.Close();
    EXPECT(stage.Others(stage.other, value), 0);
    EXPECT(words.Others(value), 0);
  }
}

// A stream that waits for a value reads memory when it goes on: the program may fill it until then.
void FilledBeforeAValue() {
  Begin();
  Stage stage;
  PinnedWords words(0);
  uint32_t value = 300;
  for (const auto copy : {CopyLinear, CopyRows}) {
    stage.HoldByValue(stage.stream);
    EXPECT_OK(copy(stage.device, words.get(), stage.stream));
    words.Set(++value);
    stage.LetGo();
    stage.Close();
    EXPECT(stage.Others(stage.device, value), 0);
  }
  // Another stream that comes behind the one that waits.
  CUevent event = nullptr;
  CUstream behind = nullptr;
  EXPECT_OK(Cuda().cuEventCreate(&event, CU_EVENT_DISABLE_TIMING));
  EXPECT_OK(Cuda().cuStreamCreate(&behind, CU_STREAM_NON_BLOCKING));
  stage.HoldByValue(stage.stream);
  EXPECT_OK(Cuda().cuEventRecord(event, stage.stream));
  EXPECT_OK(Cuda().cuStreamWaitEvent(behind, event, 0));
  EXPECT_OK(CopyLinear(stage.device, words.get(), behind));
  words.Set(++value);
  stage.LetGo();
  stage.Close();
  EXPECT(stage.Others(stage.device, value), 0);
  EXPECT_OK(Cuda().cuStreamDestroy_v2(behind));
  EXPECT_OK(Cuda().cuEventDestroy_v2(event));
  // The same when a graph waits.
  CUgraph graph = nullptr;
  CUgraphExec exec = nullptr;
  EXPECT_OK(Cuda().cuStreamBeginCapture_v2(stage.stream, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL));
  stage.HoldByValue(stage.stream);
  EXPECT_OK(Cuda().cuStreamEndCapture(stage.stream, &graph));
  EXPECT_OK(Cuda().cuGraphInstantiateWithFlags(&exec, graph, 0));
  EXPECT_OK(Cuda().cuGraphLaunch(exec, stage.stream));
  EXPECT_OK(CopyLinear(stage.device, words.get(), stage.stream));
  words.Set(++value);
  stage.LetGo();
  stage.Close();
  EXPECT(stage.Others(stage.device, value), 0);
  EXPECT_OK(Cuda().cuGraphExecDestroy(exec));
  EXPECT_OK(Cuda().cuGraphDestroy(graph));
}

// In whatever way a program learns that a copy is done, its data is there at that moment.
void DataBeforeNews() {
  Begin();
  Stage stage;
  PinnedWords words(0);
  CUevent event = nullptr;
  EXPECT_OK(Cuda().cuEventCreate(&event, CU_EVENT_DISABLE_TIMING));
  for (uint32_t round = 0; round < 24; ++round) {
    const uint32_t value = 400 + round;
    SetOnDevice(stage.device, value, stage.stream);
    EXPECT_OK(Cuda().cuMemcpyDtoHAsync_v2(words.get(), stage.device, kBytes, stage.stream));
    EXPECT_OK(Cuda().cuEventRecord(event, stage.stream));
    LearnThatDone(static_cast<int>(round % 6), stage, event);
    EXPECT(words.Others(value), 0);
  }
  for (uint32_t round = 0; round < 8; ++round) {
    Look look{.words = &words, .value = 500 + round};
    SetOnDevice(stage.device, look.value, stage.stream);
    EXPECT_OK(Cuda().cuMemcpyDtoHAsync_v2(words.get(), stage.device, kBytes, stage.stream));
    if (round % 2 == 0) {
      EXPECT_OK(Cuda().cuLaunchHostFunc(stage.stream, LookAtWords, &look));
    } else {
      EXPECT_OK(Cuda().cuStreamAddCallback(stage.stream, LookAtWordsToo, &look, 0));
    }
    EXPECT_OK(Cuda().cuStreamSynchronize(stage.stream));
    EXPECT(look.others, 0);
  }
  EXPECT_OK(Cuda().cuEventDestroy_v2(event));
}

// The device's memory changes as soon as it has been copied; what arrives is what it was.
void OverwrittenAfterItsEvent() {
  constexpr uint32_t kCopies = 8;
  Begin();
  Stage stage;
  CUevent event = nullptr;
  EXPECT_OK(Cuda().cuEventCreate(&event, CU_EVENT_DISABLE_TIMING));
  std::vector<std::unique_ptr<PinnedWords>> arrived;
  for (uint32_t i = 0; i < kCopies; ++i) {
    arrived.push_back(std::make_unique<PinnedWords>(0));
  }
  for (uint32_t round = 0; round < 6; ++round) {
    const uint32_t first = 600 + round * kCopies;
    SetOnDevice(stage.device, first, stage.stream);
    for (uint32_t i = 0; i < kCopies; ++i) {
      EXPECT_OK(Cuda().cuMemcpyDtoHAsync_v2(arrived[i]->get(), stage.device, kBytes, stage.stream));
      EXPECT_OK(Cuda().cuEventRecord(event, stage.stream));
      EXPECT_OK(Cuda().cuStreamWaitEvent(stage.side, event, 0));
      SetOnDevice(stage.device, first + i + 1, stage.side);
      EXPECT_OK(Cuda().cuEventRecord(event, stage.side));
      EXPECT_OK(Cuda().cuStreamWaitEvent(stage.stream, event, 0));
    }
    EXPECT_OK(Cuda().cuStreamSynchronize(stage.stream));
    for (uint32_t i = 0; i < kCopies; ++i) {
      EXPECT(arrived[i]->Others(first + i), 0);
    }
  }
  EXPECT_OK(Cuda().cuEventDestroy_v2(event));
}

// An event inside a graph says nothing about what the graph does behind it.
void EventInsideAGraph() {
  Begin();
  Stage stage;
  CUevent event = nullptr;
  CUgraph graph = nullptr;
  CUgraphExec exec = nullptr;
  EXPECT_OK(Cuda().cuEventCreate(&event, CU_EVENT_DISABLE_TIMING));
  EXPECT_OK(Cuda().cuStreamBeginCapture_v2(stage.stream, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL));
  EXPECT_OK(Cuda().cuEventRecordWithFlags(event, stage.stream, CU_EVENT_RECORD_EXTERNAL));
  stage.HoldByValue(stage.stream);
  EXPECT_OK(Cuda().cuStreamEndCapture(stage.stream, &graph));
  EXPECT_OK(Cuda().cuGraphInstantiateWithFlags(&exec, graph, 0));
  for (const bool asks : {false, true}) {
    EXPECT_OK(Cuda().cuGraphLaunch(exec, stage.stream));
    EXPECT_OK(asks ? AskUntilDone(nullptr, event) : Cuda().cuEventSynchronize(event));
    EXPECT(Cuda().cuStreamQuery(stage.stream), CUDA_ERROR_NOT_READY);
    stage.LetGo();
    EXPECT_OK(Cuda().cuStreamSynchronize(stage.stream));
    stage.Close();
  }
  EXPECT_OK(Cuda().cuGraphExecDestroy(exec));
  EXPECT_OK(Cuda().cuGraphDestroy(graph));
  EXPECT_OK(Cuda().cuEventDestroy_v2(event));
}

// The driver refuses to record an event, behind the program's back: it is passed at once, and says
// nothing about its stream.
void EventThatIsNotRecorded() {
  Begin();
  Stage stage;
  CUevent event = nullptr;
  EXPECT_OK(Cuda().cuEventCreate(&event, CU_EVENT_DISABLE_TIMING));
  stage.HoldByValue(stage.stream);
  EXPECT_OK(Cuda().cuEventRecordWithFlags(event, stage.stream, 0));
  CUresult result = Cuda().cuEventSynchronize(event);
  if (result == CUDA_SUCCESS) {
    result = Cuda().cuEventQuery(event);
  }
  EXPECT(result, CUDA_ERROR_NOT_SUPPORTED);
  EXPECT_OK(Cuda().cuEventSynchronize(event));
  EXPECT(Cuda().cuStreamQuery(stage.stream), CUDA_ERROR_NOT_READY);
  stage.LetGo();
  EXPECT_OK(Cuda().cuStreamSynchronize(stage.stream));
  EXPECT_OK(Cuda().cuEventDestroy_v2(event));
}

}  // namespace farlane::cases

// SPDX-License-Identifier: Apache-2.0
#include "tools/farlane/bench_rows.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <thread>

#include <sys/socket.h>

#include "protocol/base/bytes.h"
#include "protocol/base/clock.h"
#include "tools/farlane/bench_mixed.h"
#include "tools/farlane/bench_noise.h"
#include "tools/farlane/progress.h"
#include "tools/farlane/raw_connection.h"

namespace farlane::cli {
namespace {

// Odd, so that there is one in the middle.
constexpr int kRounds = 7;
constexpr size_t kBulkBytes = 64_MiB;
constexpr size_t kSmallBytes = 4_KiB;
// Counting needs fewer repetitions than timing.
constexpr int kCountedMax = 100;

// A failure inside a round ends the measurement with this result.
using Round = std::function<CUresult()>;

// Each round is `count` repetitions, `bytes` of data in each; time per repetition, or data per
// time.
Result<BenchRow> Measure(const std::string& name, int count, size_t bytes, const Round& once) {
  std::vector<double> values;
  for (int round = 0; round <= kRounds; ++round) {
    const uint64_t start = NowNs();
    for (int i = 0; i < count; ++i) {
      const CUresult result = once();
      if (result != CUDA_SUCCESS) {
        return Status(StatusCode::kUnavailable,
                      name + ": error " + std::to_string(static_cast<int>(result)));
      }
    }
    const double each_ns = static_cast<double>(NowNs() - start) / count;
    if (round > 0) {  // the first one warms up
      values.push_back(bytes == 0 ? each_ns * 1e-3 : static_cast<double>(bytes) / each_ns);
    }
  }
  std::sort(values.begin(), values.end());
  BenchRow row{.name = name, .unit = bytes == 0 ? "us" : "GB/s"};
  row.median = values[values.size() / 2];
  row.best = bytes == 0 ? values.front() : values.back();
  row.worst = bytes == 0 ? values.back() : values.front();
  return row;
}

// Collects rows until one fails. Thread: caller's.
class Rows {
 public:
  explicit Rows(BenchCounters& counters) : counters_(counters) {}

  void Add(const std::string& name, int count, size_t bytes, const Round& once) {
    if (!status_.ok()) {
      return;
    }
    progress_.Say(name);
    Result<BenchRow> row = Measure(name, count, bytes, once);
    if (row.ok()) {
      rows_.push_back(std::move(row).value());
      // What failed has shown above.
      rows_.back().counts =
          counters_.Count(std::min(count, kCountedMax), [&once] { static_cast<void>(once()); });
    } else {
      status_ = row.error();
    }
  }

  Result<std::vector<BenchRow>> Take() {
    return status_.ok() ? Result<std::vector<BenchRow>>(std::move(rows_)) : status_;
  }

 private:
  BenchCounters& counters_;
  Progress progress_{"bench"};
  std::vector<BenchRow> rows_;
  Status status_ = Status::Ok();
};

// A row of so many repetitions at once becomes one of a single one.
void Divide(BenchRow* row, int by) {
  row->median /= by;
  row->best /= by;
  row->worst /= by;
  for (std::optional<double>* count :
       {&row->counts.round_trips, &row->counts.system_calls, &row->counts.instructions}) {
    if (count->has_value()) {
      **count /= by;
    }
  }
}

CUresult LaunchNothing(const BenchDriver& driver) {
  return driver.calls().cuLaunchKernel(driver.kernel(), 1, 1, 1, 1, 1, 1, 0, nullptr, nullptr,
                                       nullptr);
}

Result<std::vector<BenchRow>> MeasureRoundTrips(const BenchDriver& driver,
                                                BenchCounters& counters) {
  const BenchCalls& calls = driver.calls();
  Rows rows(counters);
  rows.Add("question to the driver (cuMemGetInfo)", 500, 0, [&] {
    size_t free_bytes = 0;
    size_t total_bytes = 0;
    return calls.cuMemGetInfo_v2(&free_bytes, &total_bytes);
  });
  rows.Add("launch and wait for it", 300, 0, [&] {
    const CUresult result = LaunchNothing(driver);
    return result == CUDA_SUCCESS ? calls.cuCtxSynchronize() : result;
  });
  rows.Add("wait with nothing to wait for", 2000, 0, [&] { return calls.cuCtxSynchronize(); });
  return rows.Take();
}

Result<std::vector<BenchRow>> MeasureLaunches(const BenchDriver& driver, BenchCounters& counters) {
  const BenchCalls& calls = driver.calls();
  CUevent event = nullptr;
  if (const CUresult made = calls.cuEventCreate(&event, 0); made != CUDA_SUCCESS) {
    return Status(StatusCode::kUnavailable,
                  "cuEventCreate gives error " + std::to_string(static_cast<int>(made)));
  }
  Rows rows(counters);
  constexpr int kBurst = 1000;
  const auto burst = [&] {
    CUresult result = CUDA_SUCCESS;
    for (int i = 0; result == CUDA_SUCCESS && i < kBurst; ++i) {
      result = LaunchNothing(driver);
    }
    return result;
  };
  rows.Add("launch, of a burst of 1000", 1, 0, burst);
  rows.Add("the same until all have run", 1, 0, [&] {
    const CUresult result = burst();
    return result == CUDA_SUCCESS ? calls.cuCtxSynchronize() : result;
  });
  rows.Add("event record", 1000, 0, [&] { return calls.cuEventRecord(event, nullptr); });
  static_cast<void>(calls.cuCtxSynchronize());
  rows.Add("event query", 1000, 0, [&] { return calls.cuEventQuery(event); });
  rows.Add("allocate and free 1 KiB", 1000, 0, [&] {
    CUdeviceptr memory = 0;
    const CUresult result = calls.cuMemAlloc_v2(&memory, 1024);
    return result == CUDA_SUCCESS ? calls.cuMemFree_v2(memory) : result;
  });
  static_cast<void>(calls.cuEventDestroy_v2(event));
  Result<std::vector<BenchRow>> taken = rows.Take();
  if (taken.ok()) {
    for (size_t i = 0; i < 2; ++i) {
      Divide(&taken.value()[i], kBurst);
    }
  }
  return taken;
}

Round ToDevice(const BenchCalls& calls, CUdeviceptr device, const void* host) {
  return [=] {
    const CUresult result = calls.cuMemcpyHtoD_v2(device, host, kBulkBytes);
    return result == CUDA_SUCCESS ? calls.cuCtxSynchronize() : result;
  };
}

Result<std::vector<BenchRow>> MeasureBulk(const BenchDriver& driver, BenchCounters& counters) {
  const BenchCalls calls = driver.calls();
  CUdeviceptr device = 0;
  void* pinned = nullptr;
  if (calls.cuMemAlloc_v2(&device, kBulkBytes) != CUDA_SUCCESS) {
    return Status(StatusCode::kUnavailable, "no memory for copies of 64 MiB");
  }
  std::vector<char> pageable(kBulkBytes);
  char* const data = pageable.data();
  FillWithNoise(data, kBulkBytes);
  Rows rows(counters);
  rows.Add("host to device, 4 KiB", 200, 0,
           [=] { return calls.cuMemcpyHtoD_v2(device, data, kSmallBytes); });
  rows.Add("device to host, 4 KiB", 200, 0,
           [=] { return calls.cuMemcpyDtoH_v2(data, device, kSmallBytes); });
  rows.Add("host to device, 64 MiB pageable", 1, kBulkBytes, ToDevice(calls, device, data));
  rows.Add("device to host, 64 MiB pageable", 1, kBulkBytes,
           [=] { return calls.cuMemcpyDtoH_v2(data, device, kBulkBytes); });
  std::vector<char> zeros(kBulkBytes);
  char* const cleared = zeros.data();
  rows.Add("host to device, 64 MiB of zeros", 1, kBulkBytes, ToDevice(calls, device, cleared));
  rows.Add("device to host, 64 MiB of zeros", 1, kBulkBytes,
           [=] { return calls.cuMemcpyDtoH_v2(cleared, device, kBulkBytes); });
  // Not every libcuda that is compared has pinned memory on every device.
  if (calls.cuMemAllocHost_v2(&pinned, kBulkBytes) == CUDA_SUCCESS) {
    memcpy(pinned, data, kBulkBytes);
    rows.Add("host to device, 64 MiB pinned", 1, kBulkBytes, ToDevice(calls, device, pinned));
    rows.Add("device to host, 64 MiB pinned", 1, kBulkBytes,
             [=] { return calls.cuMemcpyDtoH_v2(pinned, device, kBulkBytes); });
    static_cast<void>(calls.cuMemFreeHost(pinned));
  }
  static_cast<void>(calls.cuMemFree_v2(device));
  return rows.Take();
}

// A kernel that could have changed all of it, and a fill that changes a part: what a program pays
// that waits for its kernels and then looks at memory which both sides use.
Result<std::vector<BenchRow>> MeasureManaged(const BenchDriver& driver, BenchCounters& counters) {
  const BenchCalls& calls = driver.calls();
  CUdeviceptr memory = 0;
  if (calls.cuMemAllocManaged(&memory, kBulkBytes, CU_MEM_ATTACH_GLOBAL) != CUDA_SUCCESS) {
    return Status(StatusCode::kUnavailable, "no managed memory of 64 MiB");
  }
  unsigned value = 0;
  const auto wait_after = [&](size_t changed_bytes, bool writes_first) {
    ++value;
    auto* const words = reinterpret_cast<volatile unsigned*>(memory);
    if (writes_first) {
      words[kBulkBytes / 8] = value;
    }
    CUresult result = LaunchNothing(driver);
    if (result == CUDA_SUCCESS && changed_bytes != 0) {
      result = calls.cuMemsetD32Async(memory, value, changed_bytes / 4, nullptr);
    }
    result = result == CUDA_SUCCESS ? calls.cuCtxSynchronize() : result;
    const bool seen = changed_bytes == 0 || words[changed_bytes / 4 - 1] == value;
    return result != CUDA_SUCCESS || seen ? result : CUDA_ERROR_UNKNOWN;
  };
  Rows rows(counters);
  rows.Add("64 MiB managed: launch and wait", 5, 0, [&] { return wait_after(0, false); });
  rows.Add("the same after a write of the host", 5, 0, [&] { return wait_after(0, true); });
  rows.Add("the same, 4 KiB changed", 5, 0, [&] { return wait_after(kSmallBytes, false); });
  rows.Add("the same, all of it changed", 2, 0, [&] { return wait_after(kBulkBytes, false); });
  static_cast<void>(calls.cuMemFree_v2(memory));
  return rows.Take();
}

Result<std::vector<BenchRow>> MeasureFloor(BenchCounters& counters) {
  Rows rows(counters);
  for (const size_t bytes : {size_t{64}, kBulkBytes}) {
    auto [near, far] = raw::Connect();
    if (!near.valid() || !far.valid()) {
      return Status(StatusCode::kUnavailable, "no TCP connection over loopback");
    }
    std::thread answering(raw::Answer, far.get(), bytes);
    std::vector<char> data(bytes, 3);
    const Round once = [&, fd = near.get()] {
      char byte = 0;
      return raw::Send(fd, data.data(), bytes) && raw::Receive(fd, &byte, 1) ? CUDA_SUCCESS
                                                                             : CUDA_ERROR_UNKNOWN;
    };
    if (bytes == kBulkBytes) {
      rows.Add("loopback TCP, 64 MiB", 1, bytes, once);
    } else {
      rows.Add("loopback TCP, there and back, sleeping", 500, 0, once);
    }
    static_cast<void>(shutdown(near.get(), SHUT_RDWR));
    answering.join();
  }
  std::vector<char> from(kBulkBytes, 4);
  std::vector<char> to(kBulkBytes);
  rows.Add("copy in memory, 64 MiB", 1, kBulkBytes, [&] {
    memcpy(to.data(), from.data(), kBulkBytes);
    return to[kBulkBytes / 2] == 4 ? CUDA_SUCCESS : CUDA_ERROR_UNKNOWN;
  });
  return rows.Take();
}

}  // namespace

Result<std::vector<BenchRow>> MeasureGroup(const std::string& group,
                                           const BenchDriver& driver,
                                           BenchCounters& counters) {
  if (group == "rtt") {
    return MeasureRoundTrips(driver, counters);
  }
  if (group == "launch") {
    return MeasureLaunches(driver, counters);
  }
  if (group == "mixed") {
    return MeasureMixed(driver);
  }
  if (group == "managed") {
    return MeasureManaged(driver, counters);
  }
  return group == "bulk" ? MeasureBulk(driver, counters) : MeasureFloor(counters);
}

}  // namespace farlane::cli

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
#include "tools/farlane/raw_connection.h"

namespace farlane::cli {
namespace {

// Odd, so that there is one in the middle.
constexpr int kRounds = 7;
constexpr size_t kBulkBytes = 64_MiB;
constexpr size_t kSmallBytes = 4_KiB;

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
  void Add(const std::string& name, int count, size_t bytes, const Round& once) {
    if (!status_.ok()) {
      return;
    }
    Result<BenchRow> row = Measure(name, count, bytes, once);
    if (row.ok()) {
      rows_.push_back(std::move(row).value());
    } else {
      status_ = row.error();
    }
  }

  Result<std::vector<BenchRow>> Take() {
    return status_.ok() ? Result<std::vector<BenchRow>>(std::move(rows_)) : status_;
  }

 private:
  std::vector<BenchRow> rows_;
  Status status_ = Status::Ok();
};

CUresult LaunchNothing(const BenchDriver& driver) {
  return driver.calls().cuLaunchKernel(driver.kernel(), 1, 1, 1, 1, 1, 1, 0, nullptr, nullptr,
                                       nullptr);
}

Result<std::vector<BenchRow>> MeasureRoundTrips(const BenchDriver& driver) {
  const BenchCalls& calls = driver.calls();
  Rows rows;
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

Result<std::vector<BenchRow>> MeasureLaunches(const BenchDriver& driver) {
  const BenchCalls& calls = driver.calls();
  CUevent event = nullptr;
  if (const CUresult made = calls.cuEventCreate(&event, 0); made != CUDA_SUCCESS) {
    return Status(StatusCode::kUnavailable,
                  "cuEventCreate gives error " + std::to_string(static_cast<int>(made)));
  }
  Rows rows;
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
      BenchRow& row = taken.value()[i];
      row.median /= kBurst;
      row.best /= kBurst;
      row.worst /= kBurst;
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

Result<std::vector<BenchRow>> MeasureBulk(const BenchDriver& driver) {
  const BenchCalls calls = driver.calls();
  CUdeviceptr device = 0;
  void* pinned = nullptr;
  if (calls.cuMemAlloc_v2(&device, kBulkBytes) != CUDA_SUCCESS) {
    return Status(StatusCode::kUnavailable, "no memory for copies of 64 MiB");
  }
  std::vector<char> pageable(kBulkBytes);
  char* const data = pageable.data();
  FillWithNoise(data, kBulkBytes);
  Rows rows;
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

Result<std::vector<BenchRow>> MeasureFloor() {
  Rows rows;
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

Result<std::vector<BenchRow>> MeasureGroup(const std::string& group, const BenchDriver& driver) {
  if (group == "rtt") {
    return MeasureRoundTrips(driver);
  }
  if (group == "launch") {
    return MeasureLaunches(driver);
  }
  if (group == "mixed") {
    return MeasureMixed(driver);
  }
  return group == "bulk" ? MeasureBulk(driver) : MeasureFloor();
}

}  // namespace farlane::cli

// SPDX-License-Identifier: Apache-2.0
// What copies between host and device cost through the client library, beside a bare socket that
// moves the same bytes and copies them once, and how long a call takes meanwhile. The driver
// library is found by its name, so the program runs as any other does:
//
//   farlane run --server URL -- copy_bench [rounds]
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "protocol/base/bytes.h"
#include "protocol/base/check.h"
#include "protocol/base/clock.h"
#include "protocol/base/fd.h"
#include "protocol/transport/address.h"

namespace farlane {
namespace {

constexpr size_t kBytes = 64_MiB;
constexpr size_t kPieceBytes = 256_KiB;
constexpr int kAsks = 600;

// The driver's functions that this needs, by their C names.
struct Cuda {
  int (*init)(unsigned);
  int (*retain)(void**, int);
  int (*set_current)(void*);
  int (*allocate)(unsigned long long*, size_t);
  int (*host_allocate)(void**, size_t, unsigned);
  int (*to_device)(unsigned long long, const void*, size_t);
  int (*to_host)(void*, unsigned long long, size_t);
  int (*synchronize)();
  int (*memory_info)(size_t*, size_t*);
};

template <typename F>
void Load(void* library, const char* name, F* function) {
  *function = reinterpret_cast<F>(dlsym(library, name));
  if (*function == nullptr) {
    fprintf(stderr, "libcuda.so.1 has no %s\n", name);
    exit(1);
  }
}

Cuda LoadCuda() {
  void* library = dlopen("libcuda.so.1", RTLD_NOW);
  if (library == nullptr) {
    fprintf(stderr, "%s\n", dlerror());
    exit(1);
  }
  Cuda cuda{};
  Load(library, "cuInit", &cuda.init);
  Load(library, "cuDevicePrimaryCtxRetain", &cuda.retain);
  Load(library, "cuCtxSetCurrent", &cuda.set_current);
  Load(library, "cuMemAlloc_v2", &cuda.allocate);
  Load(library, "cuMemHostAlloc", &cuda.host_allocate);
  Load(library, "cuMemcpyHtoD_v2", &cuda.to_device);
  Load(library, "cuMemcpyDtoH_v2", &cuda.to_host);
  Load(library, "cuCtxSynchronize", &cuda.synchronize);
  Load(library, "cuMemGetInfo_v2", &cuda.memory_info);
  return cuda;
}

double Seconds(uint64_t start_ns) {
  return static_cast<double>(NowNs() - start_ns) * 1e-9;
}

double Median(std::vector<double> values, double part = 0.5) {
  std::sort(values.begin(), values.end());
  return values[static_cast<size_t>(part * static_cast<double>(values.size() - 1))];
}

// ---- the bare socket

bool MoveAll(int socket, std::byte* bytes, size_t size, bool out) {
  while (size > 0) {
    const size_t piece = std::min(size, kPieceBytes);
    const ssize_t moved =
        out ? send(socket, bytes, piece, MSG_NOSIGNAL) : recv(socket, bytes, piece, 0);
    if (moved <= 0) {
      return false;
    }
    bytes += moved;
    size -= static_cast<size_t>(moved);
  }
  return true;
}

// The other end takes each piece into one buffer, copies it to where it belongs, and answers at the
// end. Thread: caller's, with the other end behind it.
class RawSink {
 public:
  RawSink() {
    transport::Address bound;
    const Fd listener =
        transport::Listen(transport::Address::Parse("127.0.0.1:0").value(), &bound).value();
    near_ = transport::Connect(bound, 1'000'000'000).value();
    fcntl(near_.get(), F_SETFL, fcntl(near_.get(), F_GETFL, 0) & ~O_NONBLOCK);
    far_ = Fd(accept(listener.get(), nullptr, nullptr));
    thread_ = std::thread([this] { Take(); });
  }

  ~RawSink() {
    shutdown(near_.get(), SHUT_RDWR);
    thread_.join();
  }

  void Send(std::vector<std::byte>& bytes) {
    std::byte answer{};
    FARLANE_CHECK(MoveAll(near_.get(), bytes.data(), bytes.size(), true));
    FARLANE_CHECK(recv(near_.get(), &answer, 1, 0) == 1);
  }

 private:
  void Take() {
    std::vector<std::byte> piece(kPieceBytes);
    std::vector<std::byte> whole(kBytes);
    while (true) {
      for (size_t at = 0; at < kBytes; at += kPieceBytes) {
        if (!MoveAll(far_.get(), piece.data(), kPieceBytes, false)) {
          return;
        }
        memcpy(whole.data() + at, piece.data(), kPieceBytes);
      }
      static_cast<void>(send(far_.get(), piece.data(), 1, MSG_NOSIGNAL));
    }
  }

  Fd near_;
  Fd far_;
  std::thread thread_;
};

// ---- calls while data moves

// The times of calls that ask for something, in microseconds, with pauses between them: who asks
// all the time leaves the others no turn.
std::vector<double> AskFor(const Cuda& cuda, int count) {
  std::vector<double> times;
  size_t free = 0;
  size_t total = 0;
  for (int i = 0; i < count; ++i) {
    const uint64_t start = NowNs();
    FARLANE_CHECK(cuda.memory_info(&free, &total) == 0);
    times.push_back(Seconds(start) * 1e6);
    std::this_thread::sleep_for(std::chrono::microseconds(1500));
  }
  return times;
}

struct Mixed {
  std::vector<double> times;
  double rate = 0;  // of the copies meanwhile, in GB/s
};

template <typename Copy>
Mixed AskDuring(const Cuda& cuda, void* context, Copy&& copy) {
  std::atomic<bool> stop{false};
  std::atomic<int> copies{0};
  std::thread mover([&] {
    FARLANE_CHECK(cuda.set_current(context) == 0);
    while (!stop) {
      copy();
      ++copies;
    }
  });
  while (copies == 0) {
    std::this_thread::yield();
  }
  const uint64_t start = NowNs();
  const int before = copies;
  Mixed mixed{.times = AskFor(cuda, kAsks)};
  mixed.rate = (copies - before) * static_cast<double>(kBytes) / Seconds(start) * 1e-9;
  stop = true;
  mover.join();
  return mixed;
}

void PrintTimes(const char* what, const std::vector<double>& times) {
  printf("%-34s %8.1f us   p90 %8.1f us   p99 %8.1f us\n", what, Median(times), Median(times, 0.9),
         Median(times, 0.99));
}

void PrintMixed(const char* what, const Mixed& mixed) {
  PrintTimes(what, mixed.times);
  printf("%-34s %5.2f GB/s\n", "  the data meanwhile", mixed.rate);
}

int Run(int rounds) {
  const Cuda cuda = LoadCuda();
  void* context = nullptr;
  void* host = nullptr;
  unsigned long long device = 0;
  FARLANE_CHECK(cuda.init(0) == 0 && cuda.retain(&context, 0) == 0);
  FARLANE_CHECK(cuda.set_current(context) == 0 && cuda.allocate(&device, kBytes) == 0);
  FARLANE_CHECK(cuda.host_allocate(&host, kBytes, 0) == 0);
  std::vector<std::byte> bytes(kBytes);  // noise: what repeats would not be sent
  std::generate(bytes.begin(), bytes.end(),
                [noise = std::minstd_rand()]() mutable { return std::byte(noise() >> 8); });
  memcpy(host, bytes.data(), kBytes);
  RawSink raw;
  raw.Send(bytes);
  FARLANE_CHECK(cuda.to_device(device, host, kBytes) == 0 && cuda.synchronize() == 0);
  std::vector<double> raw_rate;
  std::vector<double> in_rate;
  std::vector<double> out_rate;
  for (int round = 0; round < rounds; ++round) {
    uint64_t start = NowNs();
    raw.Send(bytes);
    raw_rate.push_back(kBytes / Seconds(start) * 1e-9);
    start = NowNs();
    FARLANE_CHECK(cuda.to_device(device, host, kBytes) == 0 && cuda.synchronize() == 0);
    in_rate.push_back(kBytes / Seconds(start) * 1e-9);
    start = NowNs();
    FARLANE_CHECK(cuda.to_host(host, device, kBytes) == 0);
    out_rate.push_back(kBytes / Seconds(start) * 1e-9);
  }
  const double floor = Median(raw_rate);
  printf("%d rounds of %zu MiB; medians, best in brackets, GB/s\n", rounds, kBytes >> 20);
  printf("%-34s %5.2f  (%.2f)\n", "bare socket, and one memcpy", floor, Median(raw_rate, 1));
  printf("%-34s %5.2f  (%.2f)   ratio %.2f\n", "host to device", Median(in_rate),
         Median(in_rate, 1), Median(in_rate) / floor);
  printf("%-34s %5.2f  (%.2f)   ratio %.2f\n", "device to host", Median(out_rate),
         Median(out_rate, 1), Median(out_rate) / floor);
  PrintTimes("a call, nothing else moves", AskFor(cuda, kAsks));
  PrintMixed("a call while data goes in", AskDuring(cuda, context, [&] {
               FARLANE_CHECK(cuda.to_device(device, host, kBytes) == 0);
             }));
  PrintMixed("a call while data comes out", AskDuring(cuda, context, [&] {
               FARLANE_CHECK(cuda.to_host(host, device, kBytes) == 0);
             }));
  return 0;
}

}  // namespace
}  // namespace farlane

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? atoi(argv[1]) : 10;
  if (rounds < 1) {
    fprintf(stderr, "usage: copy_bench [rounds]\n");
    return 2;
  }
  return farlane::Run(rounds);
}

// SPDX-License-Identifier: Apache-2.0
// Several devices in one program: each works on its own data at the same time as the others, events
// of one order streams of another, and data goes round from device to device, by copies and, where
// a device can read its neighbour's memory, by kernels. Needs at least two.
#include "tests/apps/device_buffer.h"
#include "tests/apps/seeded_random.h"
#include "tests/apps/verdict.h"

constexpr unsigned kThreads = 128;

__device__ unsigned salt;

__global__ void Mix(const unsigned* in, unsigned* out, unsigned count) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < count) {
    out[i] = (in[(i + 1) % count] ^ salt) * 2654435761u + in[i] + (apps::kMutate ? 1 : 0);
  }
}

namespace {

using Values = std::vector<unsigned>;

// What one device has of its own.
struct Station {
  int device;
  unsigned salt;
  cudaStream_t stream;
  cudaEvent_t mixed;
  unsigned* in;
  unsigned* out;
};

Values MixOnHost(const Values& in, unsigned salt_of_device) {
  Values out(in.size());
  for (size_t i = 0; i < in.size(); ++i) {
    out[i] = (in[(i + 1) % in.size()] ^ salt_of_device) * 2654435761u + in[i];
  }
  return out;
}

Station MakeStation(int device, unsigned own_salt, const Values& values) {
  Station station = {device, own_salt, nullptr, nullptr, nullptr, nullptr};
  CUDA_CALL(cudaSetDevice(device));
  CUDA_CALL(cudaStreamCreateWithFlags(&station.stream, cudaStreamNonBlocking));
  CUDA_CALL(cudaEventCreateWithFlags(&station.mixed, cudaEventDisableTiming));
  station.in = apps::DeviceCopy(values);
  station.out = apps::DeviceArray<unsigned>(values.size());
  // Each device has a variable of its own behind the one name.
  CUDA_CALL(cudaMemcpyToSymbol(salt, &own_salt, sizeof own_salt));
  CUDA_CALL(cudaDeviceSynchronize());
  return station;
}

void FreeStation(const Station& station) {
  CUDA_CALL(cudaSetDevice(station.device));
  CUDA_CALL(cudaStreamDestroy(station.stream));
  CUDA_CALL(cudaEventDestroy(station.mixed));
  CUDA_CALL(cudaFree(station.in));
  CUDA_CALL(cudaFree(station.out));
}

void LaunchMix(const Station& station, const unsigned* in, size_t count) {
  CUDA_CALL(cudaSetDevice(station.device));
  unsigned blocks = static_cast<unsigned>((count + kThreads - 1) / kThreads);
  Mix<<<blocks, kThreads, 0, station.stream>>>(in, station.out, static_cast<unsigned>(count));
  CUDA_CALL(cudaGetLastError());
  CUDA_CALL(cudaEventRecord(station.mixed, station.stream));
}

Values ReadOut(const Station& station, size_t count) {
  CUDA_CALL(cudaSetDevice(station.device));
  CUDA_CALL(cudaStreamSynchronize(station.stream));
  return apps::HostCopy(station.out, count);
}

// All at once; afterwards one after another.
void CheckSideBySide(apps::Verdict& verdict,
                     const std::vector<Station>& stations,
                     const std::vector<Values>& values) {
  for (size_t i = 0; i < stations.size(); ++i) {
    LaunchMix(stations[i], stations[i].in, values[i].size());
  }
  for (size_t i = 0; i < stations.size(); ++i) {
    verdict.ExpectEqual(ReadOut(stations[i], values[i].size()),
                        MixOnHost(values[i], stations[i].salt), "a device's own work");
  }
}

// The first device's data visits all others, which wait for each other by events only.
void CheckRound(apps::Verdict& verdict,
                const std::vector<Station>& stations,
                const Values& values) {
  size_t count = values.size();
  size_t bytes = count * sizeof(unsigned);
  Values wanted = MixOnHost(values, stations[0].salt);
  LaunchMix(stations[0], stations[0].in, count);
  for (size_t i = 1; i < 2 * stations.size(); ++i) {
    const Station& from = stations[(i - 1) % stations.size()];
    const Station& to = stations[i % stations.size()];
    CUDA_CALL(cudaSetDevice(to.device));
    CUDA_CALL(cudaStreamWaitEvent(to.stream, from.mixed, 0));
    if (i % 2 == 0) {
      CUDA_CALL(cudaMemcpyPeerAsync(to.in, to.device, from.out, from.device, bytes, to.stream));
    } else {
      CUDA_CALL(cudaMemcpyAsync(to.in, from.out, bytes, cudaMemcpyDefault, to.stream));
    }
    LaunchMix(to, to.in, count);
    wanted = MixOnHost(wanted, to.salt);
  }
  verdict.ExpectEqual(ReadOut(stations[(2 * stations.size() - 1) % stations.size()], count), wanted,
                      "data that went round twice");
}

// Kernels read the neighbour's memory, or a copy of it if they cannot.
void CheckNeighbours(apps::Verdict& verdict,
                     const std::vector<Station>& stations,
                     const Values& values) {
  size_t count = values.size();
  for (size_t i = 0; i < stations.size(); ++i) {
    const Station& own = stations[i];
    const Station& other = stations[(i + 1) % stations.size()];
    CUDA_CALL(cudaSetDevice(other.device));
    CUDA_CALL(
        cudaMemcpy(other.in, values.data(), count * sizeof(unsigned), cudaMemcpyHostToDevice));
    CUDA_CALL(cudaSetDevice(own.device));
    int reachable = 0;
    CUDA_CALL(cudaDeviceCanAccessPeer(&reachable, own.device, other.device));
    if (reachable != 0) {
      CUDA_CALL(cudaDeviceEnablePeerAccess(other.device, 0));
      LaunchMix(own, other.in, count);
    } else {
      CUDA_CALL(
          cudaMemcpyPeer(own.in, own.device, other.in, other.device, count * sizeof(unsigned)));
      LaunchMix(own, own.in, count);
    }
    verdict.ExpectEqual(ReadOut(own, count), MixOnHost(values, own.salt), "a neighbour's data");
    if (reachable != 0) {
      CUDA_CALL(cudaDeviceDisablePeerAccess(other.device));
    }
  }
}

void CheckDevices(apps::Verdict& verdict, int devices) {
  for (int device = 0; device < devices; ++device) {
    CUDA_CALL(cudaSetDevice(device));
    int current = -1;
    CUDA_CALL(cudaGetDevice(&current));
    verdict.Expect(current == device, "the device is the one that was set");
    int reachable = -1;
    CUDA_CALL(cudaDeviceCanAccessPeer(&reachable, device, device));
    verdict.Expect(reachable == 0, "a device is no peer of itself");
    for (int other = 0; other < device; ++other) {
      cudaDeviceProp one;
      cudaDeviceProp two;
      CUDA_CALL(cudaGetDeviceProperties(&one, device));
      CUDA_CALL(cudaGetDeviceProperties(&two, other));
      verdict.Expect(std::memcmp(&one.uuid, &two.uuid, sizeof one.uuid) != 0,
                     "devices have different names");
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  apps::Verdict verdict("several_devices", argc, argv);
  apps::SeededRandom random(verdict.seed());
  int devices = 0;
  CUDA_CALL(cudaGetDeviceCount(&devices));
  if (devices < 2) {
    std::printf("SKIPPED: this program needs two devices, and there is %d\n", devices);
    return 77;
  }
  CheckDevices(verdict, devices);
  std::vector<Values> values;
  std::vector<Station> stations;
  size_t count = random.Between(3000, 9000);
  for (int device = 0; device < devices; ++device) {
    values.push_back(random.Integers<unsigned>(count));
    unsigned own_salt = static_cast<unsigned>(random.Next());
    stations.push_back(MakeStation(device, own_salt, values.back()));
  }
  CheckSideBySide(verdict, stations, values);
  CheckRound(verdict, stations, values[0]);
  CheckNeighbours(verdict, stations, values.back());
  for (const Station& station : stations) {
    FreeStation(station);
  }
  return verdict.Finish();
}

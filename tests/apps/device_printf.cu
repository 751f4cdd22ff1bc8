// SPDX-License-Identifier: Apache-2.0
// What kernels print must come out of the program's own standard output, letter by letter as the C
// library would have it, before the synchronising call returns; and a failed assertion is an error.
#include <algorithm>
#include <cassert>
#include <string>

#include <unistd.h>

#include "tests/apps/device_buffer.h"
#include "tests/apps/seeded_random.h"
#include "tests/apps/verdict.h"

struct Sample {
  int small;
  unsigned bits;
  long long wide;
  double real;
  char letter;
};

#define SAMPLE_FORMAT "%5d|%-6d|%+d|%08x|%o|%#x|%lld|%llu|%c|%%|%s|%-7s|"
#define REAL_FORMAT "%f|%.3e|%10.2f|%g|%5.1f|\n"

__global__ void PrintSample(Sample sample, int* counts) {
  int small = apps::kMutate ? sample.small + 1 : sample.small;
  counts[0] = printf(SAMPLE_FORMAT, sample.small, small, sample.small, sample.bits, sample.bits,
                     sample.bits, sample.wide, static_cast<unsigned long long>(sample.wide),
                     sample.letter, "text", "");
  counts[1] = printf(REAL_FORMAT, sample.real, sample.real, sample.real, sample.real, sample.real);
  counts[2] = printf("no argument\n");
}

__global__ void PrintLines(const unsigned* values) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (values[i] % 3 != 0) {
    printf("block %u thread %u has %u\n", blockIdx.x, threadIdx.x, values[i]);
  }
}

__global__ void CheckBelow(const unsigned* values, unsigned limit) {
  assert(values[threadIdx.x] < limit);
}

namespace {

// What `work` leaves on the descriptor of the standard output.
template <typename Work>
std::string Captured(Work work) {
  std::FILE* file = std::tmpfile();
  std::fflush(stdout);
  int saved = dup(STDOUT_FILENO);
  if (file == nullptr || saved < 0 || dup2(fileno(file), STDOUT_FILENO) < 0) {
    std::perror("device_printf");
    std::exit(1);
  }
  work();
  CUDA_CALL(cudaDeviceSynchronize());
  std::fflush(stdout);
  dup2(saved, STDOUT_FILENO);
  close(saved);
  std::string text(static_cast<size_t>(lseek(fileno(file), 0, SEEK_END)), '\0');
  std::rewind(file);
  text.resize(std::fread(text.data(), 1, text.size(), file));
  std::fclose(file);
  return text;
}

template <typename... Arguments>
std::string Formatted(const char* format, Arguments... arguments) {
  char text[512];
  int length = std::snprintf(text, sizeof text, format, arguments...);
  return std::string(text, static_cast<size_t>(length));
}

void ExpectText(apps::Verdict& verdict,
                const std::string& given,
                const std::string& wanted,
                const char* what) {
  verdict.ExpectEqual(std::vector<char>(given.begin(), given.end()),
                      std::vector<char>(wanted.begin(), wanted.end()), what);
}

void CheckSamples(apps::Verdict& verdict, apps::SeededRandom& random) {
  apps::DeviceBuffer<int> counts(3);
  for (int round = 0; round < 8; ++round) {
    Sample sample = {static_cast<int>(random.Between(0, 20000)) - 10000,
                     static_cast<unsigned>(random.Next()), static_cast<long long>(random.Next()),
                     random.Real() * 4096.0, static_cast<char>(random.Between('a', 'z'))};
    std::string given = Captured([&] { PrintSample<<<1, 1>>>(sample, counts.get()); });
    std::string wanted =
        Formatted(SAMPLE_FORMAT, sample.small, sample.small, sample.small, sample.bits, sample.bits,
                  sample.bits, sample.wide, static_cast<unsigned long long>(sample.wide),
                  sample.letter, "text", "") +
        Formatted(REAL_FORMAT, sample.real, sample.real, sample.real, sample.real, sample.real) +
        "no argument\n";
    ExpectText(verdict, given, wanted, "one thread's text");
    verdict.ExpectEqual(counts.Read(), std::vector<int>{11, 5, 0}, "the numbers of arguments");
  }
}

// In which order threads print is open, but every line is whole.
void CheckLines(apps::Verdict& verdict, apps::SeededRandom& random) {
  constexpr unsigned kBlocks = 5;
  constexpr unsigned kThreads = 70;
  std::vector<unsigned> values = random.Integers<unsigned>(kBlocks * kThreads);
  apps::DeviceBuffer<unsigned> device(values);
  std::string given = Captured([&] { PrintLines<<<kBlocks, kThreads>>>(device.get()); });
  std::vector<std::string> lines;
  for (size_t at = 0; at < given.size();) {
    size_t end = std::min(given.find('\n', at), given.size() - 1);
    lines.push_back(given.substr(at, end + 1 - at));
    at = end + 1;
  }
  std::vector<std::string> wanted;
  for (unsigned i = 0; i < values.size(); ++i) {
    if (values[i] % 3 != 0) {
      wanted.push_back(
          Formatted("block %u thread %u has %u\n", i / kThreads, i % kThreads, values[i]));
    }
  }
  std::sort(lines.begin(), lines.end());
  std::sort(wanted.begin(), wanted.end());
  std::string given_sorted;
  std::string wanted_sorted;
  for (const std::string& line : lines) {
    given_sorted += line;
  }
  for (const std::string& line : wanted) {
    wanted_sorted += line;
  }
  ExpectText(verdict, given_sorted, wanted_sorted, "the lines of many threads");
}

// No context survives the second one.
void CheckAssertions(apps::Verdict& verdict, apps::SeededRandom& random) {
  std::vector<unsigned> values(32);
  for (unsigned& value : values) {
    value = static_cast<unsigned>(random.Between(0, 99));
  }
  values[random.Between(0, 31)] = 99;
  unsigned* device = apps::DeviceCopy(values);
  CheckBelow<<<1, 32>>>(device, 100);
  verdict.ExpectCode(cudaDeviceSynchronize(), cudaSuccess, "an assertion that holds");
  CheckBelow<<<1, 32>>>(device, 99);
  verdict.ExpectCode(cudaDeviceSynchronize(), cudaErrorAssert, "an assertion that does not hold");
  verdict.ExpectCode(cudaFree(device), cudaErrorAssert, "a call after the assertion");
}

}  // namespace

int main(int argc, char** argv) {
  apps::Verdict verdict("device_printf", argc, argv);
  apps::SeededRandom random(verdict.seed());
  CheckSamples(verdict, random);
  CheckLines(verdict, random);
  CheckAssertions(verdict, random);
  return verdict.Finish();
}

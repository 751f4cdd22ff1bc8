// SPDX-License-Identifier: Apache-2.0
// Reads what a real CUDA compiler writes. Skipped where there is none.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "protocol/abi/fatbin.h"
#include "protocol/abi/module_index.h"
#include "protocol/abi/module_package.h"

namespace farlane::abi {
namespace {

constexpr std::string_view kSource = R"(
__device__ int table[4] = {1, 2, 3, 4};
__constant__ double weights[3];
__managed__ long counter;
struct Odd { char a[7]; double b; };
struct Big { char bytes[5000]; };
extern "C" __global__ void mixed(int a, char b, Odd c, float* d, short e) {
  table[0] = a + b + c.a[0] + static_cast<int>(d[0]) + e + static_cast<int>(weights[1] + counter);
}
extern "C" __global__ void nothing() {}
extern "C" __global__ void large(Big big, int i) { table[1] = big.bytes[i]; }
template <typename T> __global__ void shaped(T x, int2 y) { table[2] = static_cast<int>(x) + y.y; }
template __global__ void shaped<double>(double, int2);
)";

namespace fs = std::filesystem;

// A folder of its own that goes away with the test.
// Thread: caller's.
class ScratchFolder {
 public:
  ScratchFolder() {
    std::string pattern = (fs::temp_directory_path() / "farlane-images-XXXXXX").string();
    if (mkdtemp(pattern.data()) != nullptr) {
      path_ = pattern;
    }
  }

  ~ScratchFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }

  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

std::string FindCompiler() {
  for (const char* candidate : {"nvcc", "/usr/local/cuda/bin/nvcc"}) {
    if (std::system((std::string(candidate) + " --version >/dev/null 2>&1").c_str()) == 0) {
      return candidate;
    }
  }
  return "";
}

// Empty if the compiler fails.
std::vector<std::byte> Compile(const std::string& compiler, const std::string& options) {
  const ScratchFolder folder;
  const fs::path source = folder.path() / "kernels.cu";
  const fs::path output = folder.path() / "kernels.out";
  std::ofstream(source) << kSource;
  const std::string command =
      compiler + " " + options + " -o " + output.string() + " " + source.string();
  if (std::system(command.c_str()) != 0) {
    return {};
  }
  std::ifstream file(output, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

void ExpectTheKernelsOfTheSource(const ModuleIndex& index) {
  std::map<std::string, KernelLayout> kernels;
  for (const KernelLayout& kernel : index.kernels) {
    kernels[kernel.name] = kernel;
  }
  ASSERT_EQ(kernels.size(), 4u);
  using Parameters = std::vector<KernelParameter>;
  EXPECT_EQ(kernels["mixed"].parameters, (Parameters{{0, 4}, {4, 1}, {8, 16}, {24, 8}, {32, 2}}));
  EXPECT_EQ(kernels["mixed"].parameter_bytes, 34u);
  EXPECT_EQ(kernels["nothing"].parameters, Parameters());
  EXPECT_EQ(kernels["large"].parameters, (Parameters{{0, 5000}, {5000, 4}}));
  EXPECT_EQ(kernels["_Z6shapedIdEvT_4int2"].parameters, (Parameters{{0, 8}, {8, 8}}));

  std::map<std::string, ModuleVariable> variables;
  for (const ModuleVariable& variable : index.variables) {
    variables[variable.name] = variable;
  }
  EXPECT_EQ(variables["table"].bytes, 16u);
  EXPECT_EQ(variables["weights"].bytes, 24u);
  EXPECT_EQ(variables["weights"].space, VariableSpace::kConstant);
  EXPECT_EQ(variables["counter"].bytes, 8u);
  EXPECT_TRUE(variables["counter"].managed);
  EXPECT_FALSE(variables["table"].managed);
}

TEST(CompiledImage, IsReadAlikeAsMachineCodeAndAsPtx) {
  const std::string compiler = FindCompiler();
  if (compiler.empty()) {
    GTEST_SKIP() << "no nvcc here: what a real compiler writes is not read";
  }
  const auto fatbin =
      Compile(compiler,
              "-fatbin -gencode arch=compute_80,code=sm_80 -gencode arch=compute_90a,code=sm_90a "
              "-gencode arch=compute_100f,code=sm_100f -gencode "
              "arch=compute_120,code=[sm_120,compute_120]");
  ASSERT_FALSE(fatbin.empty());
  const auto view = ViewImage(static_cast<const void*>(fatbin.data()));
  ASSERT_TRUE(view.ok()) << view.error().message();
  EXPECT_EQ(view->bytes.size(), fatbin.size());

  for (const int capability : {80, 86, 90, 100, 103, 120, 121}) {
    const auto index = IndexImage(view.value(), capability, true);
    ASSERT_TRUE(index.ok()) << capability << ": " << index.error().message();
    ExpectTheKernelsOfTheSource(index.value());
    EXPECT_LE(index->architecture, static_cast<uint32_t>(capability));
    EXPECT_EQ(index->architecture / 10, static_cast<uint32_t>(capability) / 10);
  }
  const auto ptx = IndexImage(view.value(), 121, false);
  ASSERT_TRUE(ptx.ok()) << ptx.error().message();
  ExpectTheKernelsOfTheSource(ptx.value());
  EXPECT_EQ(IndexImage(view.value(), 75, true).error().code(), StatusCode::kNotFound);

  const int devices[] = {90};
  const auto package = PackModule(view.value(), devices);
  ASSERT_TRUE(package.ok());
  EXPECT_LT(package->size(), fatbin.size() / 2);
  const auto opened = ModulePackage::Open(package.value());
  ASSERT_TRUE(opened.ok()) << opened.error().message();
  ExpectTheKernelsOfTheSource(IndexImage(opened->view(), 90, true).value());
}

TEST(CompiledImage, IsReadHoweverItIsPacked) {
  const std::string compiler = FindCompiler();
  if (compiler.empty()) {
    GTEST_SKIP() << "no nvcc here: what a real compiler writes is not read";
  }
  for (const char* mode : {"speed", "size", "none"}) {
    const auto fatbin =
        Compile(compiler, std::string("-fatbin -gencode arch=compute_80,code=[sm_80,compute_80] "
                                      "--compress-mode=") +
                              mode);
    if (fatbin.empty()) {
      GTEST_SKIP() << "this nvcc does not know --compress-mode=" << mode;
    }
    const auto view = ViewImage(ConstBytes(fatbin));
    ASSERT_TRUE(view.ok()) << view.error().message();
    for (const bool machine_code : {true, false}) {
      const auto index = IndexImage(view.value(), 80, machine_code);
      ASSERT_TRUE(index.ok()) << mode << ": " << index.error().message();
      ExpectTheKernelsOfTheSource(index.value());
    }
  }
}

}  // namespace
}  // namespace farlane::abi

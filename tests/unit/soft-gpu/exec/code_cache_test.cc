// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/exec/code_cache.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include "soft-gpu/exec/runtime.h"
#include "soft-gpu/jit/jit_engine.h"
#include "soft-gpu/ptx/parser.h"
#include "tests/unit/soft-gpu/exec/test_device.h"

namespace farlane::soft {
namespace {

namespace fs = std::filesystem;

class CodeCaches : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "farlane_code_cache_XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }

  void TearDown() override { fs::remove_all(folder_); }

  std::unique_ptr<CodeCache> Open(uint64_t bytes_max = 1_MiB) {
    Result<std::unique_ptr<CodeCache>> cache = CodeCache::Open(folder_ + "/kernels", bytes_max);
    EXPECT_TRUE(cache.ok()) << cache.error().message();
    return cache.ok() ? std::move(cache).value() : nullptr;
  }

  std::vector<fs::path> Files() const {
    std::vector<fs::path> files;
    for (const fs::directory_entry& entry : fs::directory_iterator(folder_ + "/kernels")) {
      files.push_back(entry.path());
    }
    return files;
  }

  std::string folder_;
};

Sha256Digest Key(uint8_t number) {
  Sha256Digest key{};
  key[0] = number;
  return key;
}

std::vector<std::byte> Code(size_t bytes, uint8_t value) {
  return std::vector<std::byte>(bytes, std::byte{value});
}

void Overwrite(const fs::path& file, std::streamoff at, char value) {
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  stream.seekp(at);
  stream.put(value);
}

TEST_F(CodeCaches, OneProcessFindsWhatAnotherHasKept) {
  Open()->Keep(Key(1), Code(100, 42));

  EXPECT_EQ(Open()->Find(Key(1)), Code(100, 42));
  EXPECT_EQ(Open()->Find(Key(2)), std::nullopt);
}

TEST_F(CodeCaches, AByteThatChangedIsNoCodeAndIsReplaced) {
  const auto cache = Open();
  cache->Keep(Key(1), Code(100, 42));
  ASSERT_EQ(Files().size(), 1u);

  Overwrite(Files()[0], 100, 'x');
  EXPECT_EQ(cache->Find(Key(1)), std::nullopt);
  cache->Keep(Key(1), Code(100, 43));

  EXPECT_EQ(cache->Find(Key(1)), Code(100, 43));
}

TEST_F(CodeCaches, AFileThatWasCutShortOrGrewIsNoCode) {
  const auto cache = Open();
  cache->Keep(Key(1), Code(100, 42));

  for (const uintmax_t bytes : {0, 10, 47, 100, 147, 149}) {
    fs::resize_file(Files()[0], bytes);
    EXPECT_EQ(cache->Find(Key(1)), std::nullopt) << bytes;
  }
}

TEST_F(CodeCaches, WhatWasNotUsedForLongestGoesFirst) {
  const auto cache = Open(1000);
  cache->Keep(Key(1), Code(300, 1));
  cache->Keep(Key(2), Code(300, 2));
  for (const fs::path& file : Files()) {
    fs::last_write_time(file, fs::file_time_type::clock::now() - std::chrono::hours(1));
  }
  EXPECT_NE(cache->Find(Key(1)), std::nullopt);  // the use counts, not the making

  cache->Keep(Key(3), Code(300, 3));

  EXPECT_NE(cache->Find(Key(1)), std::nullopt);
  EXPECT_EQ(cache->Find(Key(2)), std::nullopt);
  EXPECT_NE(cache->Find(Key(3)), std::nullopt);
}

TEST_F(CodeCaches, TheFolderNeverHoldsMoreThanItMay) {
  const auto cache = Open(2000);
  for (uint8_t i = 0; i < 50; ++i) {
    cache->Keep(Key(i), Code(100 + i * 3u, i));
    uintmax_t bytes = 0;
    for (const fs::path& file : Files()) {
      bytes += fs::file_size(file);
    }
    ASSERT_LE(bytes, 2000u);
  }
  EXPECT_NE(cache->Find(Key(49)), std::nullopt);
  cache->Keep(Key(60), Code(5000, 1));
  EXPECT_EQ(cache->Find(Key(60)), std::nullopt);
}

TEST_F(CodeCaches, AFolderThatOthersMayWriteToIsNotUsed) {
  ASSERT_NE(Open(), nullptr);
  chmod((folder_ + "/kernels").c_str(), 0777);

  EXPECT_FALSE(CodeCache::Open(folder_ + "/kernels", 1_MiB).ok());
}

TEST_F(CodeCaches, AFolderBehindALinkIsNotUsed) {
  fs::create_directory(folder_ + "/elsewhere");
  fs::create_symlink(folder_ + "/elsewhere", folder_ + "/kernels");

  EXPECT_FALSE(CodeCache::Open(folder_ + "/kernels", 1_MiB).ok());
}

TEST_F(CodeCaches, AFileThatIsALinkOrThatOthersMayWriteIsNoCode) {
  const auto cache = Open();
  cache->Keep(Key(1), Code(100, 42));
  const fs::path file = Files()[0];

  chmod(file.c_str(), 0666);
  EXPECT_EQ(cache->Find(Key(1)), std::nullopt);
  chmod(file.c_str(), 0600);
  EXPECT_NE(cache->Find(Key(1)), std::nullopt);
  fs::rename(file, folder_ + "/elsewhere");
  fs::create_symlink(folder_ + "/elsewhere", file);
  EXPECT_EQ(cache->Find(Key(1)), std::nullopt);
}

TEST_F(CodeCaches, ManyThreadsMayKeepTheSame) {
  const auto cache = Open();
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (uint8_t k = 0; k < 20; ++k) {
        cache->Keep(Key(k), Code(1000, k));
        const auto found = cache->Find(Key(k));
        EXPECT_TRUE(found == std::nullopt || *found == Code(1000, k));
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(Files().size(), 20u);  // and nothing half-way
}

// ------------------------------------------------------------------------------- with an engine

const char* const kText = R"(.version 9.0
.target sm_80
.address_size 64
.visible .entry k(.param .u64 out, .param .f32 x)
{
  .reg .b64 %rd<3>;
  .reg .f32 %f<4>;
  ld.param.u64 %rd1, [out];
  ld.param.f32 %f1, [x];
  ex2.approx.f32 %f2, %f1;
  st.global.f32 [%rd1], %f2;
  ret;
}
)";

struct Compiled {
  std::unique_ptr<jit::JitEngine> engine;
  jit::Routine routine;
};

// As a process of its own would do it: an engine that knows nothing yet.
Compiled CompileWith(CodeCache* cache, const std::string& text, bool check = false) {
  static std::vector<std::unique_ptr<ptx::Module>> modules;
  modules.push_back(std::make_unique<ptx::Module>(ptx::ParseModule(text).value()));
  Compiled compiled;
  compiled.engine = jit::JitEngine::Create(RuntimeFunctions(), {cache, check}).value();
  const ptx::Module& module = *modules.back();
  const ptx::KernelLayouts layouts(module, ptx::SurveyModule(module).value(), {});
  const jit::KernelSource source = jit::CollectKernel(module, layouts, 0).value();
  compiled.routine = compiled.engine->Compile(source).value();
  return compiled;
}

TEST_F(CodeCaches, ASecondRunCompilesNothing) {
  const auto cache = Open();

  EXPECT_FALSE(CompileWith(cache.get(), kText).routine.was_kept);
  const Compiled again = CompileWith(cache.get(), kText);

  EXPECT_TRUE(again.routine.was_kept);
  TestDevice::Instance().Reset();
  auto* const out = TestDevice::Instance().New<float>(1);
  const auto parameters = Parameters().Add(out).Add(3.0f);
  jit::BlockFrame frame;
  frame.parameters = parameters.bytes().data();
  frame.window_base = TestDevice::Instance().base();
  frame.window_bytes = TestDevice::kWindowBytes;
  again.routine.run_block(&frame);
  EXPECT_EQ(*out, 8.0f);
}

TEST_F(CodeCaches, OtherCodeIsCompiledAnew) {
  const auto cache = Open();
  EXPECT_FALSE(CompileWith(cache.get(), kText).routine.was_kept);
  std::string other = kText;
  other.replace(other.find("ex2"), 3, "lg2");

  EXPECT_FALSE(CompileWith(cache.get(), other).routine.was_kept);
  EXPECT_FALSE(CompileWith(cache.get(), kText, true).routine.was_kept);
  // Where the kernel stands in a module, and what it is called, do not matter.
  std::string same = kText;
  same.replace(same.find(" k("), 3, " renamed(");
  same.insert(same.find(".visible"), "\n\n.global .f32 other;\n");
  EXPECT_TRUE(CompileWith(cache.get(), same).routine.was_kept);
}

TEST_F(CodeCaches, KeptCodeThatCannotBeLoadedIsCompiledAnew) {
  const auto cache = Open();
  EXPECT_FALSE(CompileWith(cache.get(), kText).routine.was_kept);
  const std::string name = Files()[0].filename().string();
  Sha256Digest key{};
  for (size_t i = 0; i < key.size(); ++i) {
    key[i] = static_cast<uint8_t>(std::stoul(name.substr(2 * i, 2), nullptr, 16));
  }
  cache->Keep(key, Code(500, 7));

  EXPECT_FALSE(CompileWith(cache.get(), kText).routine.was_kept);
  EXPECT_TRUE(CompileWith(cache.get(), kText).routine.was_kept);
}

}  // namespace
}  // namespace farlane::soft

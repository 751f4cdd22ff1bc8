// SPDX-License-Identifier: Apache-2.0
#include "protocol/abi/coredump_settings.h"

#include <string>

#include <gtest/gtest.h>

namespace farlane::abi {
namespace {

template <typename T>
T Ask(const CoredumpSettings& settings, CUcoredumpSettings id) {
  T value{};
  size_t size = sizeof value;
  EXPECT_EQ(settings.Tell(id, &value, &size), CUDA_SUCCESS);
  return value;
}

std::string AskText(const CoredumpSettings& settings, CUcoredumpSettings id) {
  char value[CoredumpSettings::kTextBytes] = "";
  size_t size = sizeof value;
  EXPECT_EQ(settings.Tell(id, value, &size), CUDA_SUCCESS);
  return value;
}

template <typename T>
CUresult Set(CoredumpSettings& settings, CUcoredumpSettings id, T value) {
  size_t size = sizeof value;
  return settings.Set(id, &value, &size);
}

CUresult SetText(CoredumpSettings& settings, CUcoredumpSettings id, const std::string& value) {
  size_t size = value.size() + 1;
  return settings.Set(id, value.c_str(), &size);
}

TEST(CoredumpSettings, NobodyIsPromisedADump) {
  CoredumpSettings settings;
  EXPECT_FALSE(Ask<bool>(settings, CU_COREDUMP_ENABLE_ON_EXCEPTION));
  EXPECT_EQ(Set(settings, CU_COREDUMP_ENABLE_ON_EXCEPTION, true), CUDA_ERROR_NOT_SUPPORTED);
  EXPECT_FALSE(Ask<bool>(settings, CU_COREDUMP_ENABLE_ON_EXCEPTION));
  EXPECT_EQ(Set(settings, CU_COREDUMP_ENABLE_ON_EXCEPTION, false), CUDA_SUCCESS);
  EXPECT_EQ(Set(CoredumpSettings::OfProgram(), CU_COREDUMP_ENABLE_USER_TRIGGER, true),
            CUDA_ERROR_NOT_SUPPORTED);
}

TEST(CoredumpSettings, TheOlderSwitchesArePartsOfTheFlags) {
  CoredumpSettings settings;
  EXPECT_TRUE(Ask<bool>(settings, CU_COREDUMP_TRIGGER_HOST));
  EXPECT_FALSE(Ask<bool>(settings, CU_COREDUMP_LIGHTWEIGHT));
  EXPECT_EQ(Set(settings, CU_COREDUMP_TRIGGER_HOST, false), CUDA_SUCCESS);
  EXPECT_EQ(Ask<int>(settings, CU_COREDUMP_GENERATION_FLAGS), CU_COREDUMP_SKIP_ABORT);
  EXPECT_EQ(Set(settings, CU_COREDUMP_GENERATION_FLAGS, int{CU_COREDUMP_LIGHTWEIGHT_FLAGS}),
            CUDA_SUCCESS);
  EXPECT_TRUE(Ask<bool>(settings, CU_COREDUMP_TRIGGER_HOST));
  EXPECT_TRUE(Ask<bool>(settings, CU_COREDUMP_LIGHTWEIGHT));
  EXPECT_EQ(Set(settings, CU_COREDUMP_LIGHTWEIGHT, false), CUDA_SUCCESS);
  EXPECT_EQ(Ask<int>(settings, CU_COREDUMP_GENERATION_FLAGS), 0);
  EXPECT_EQ(Set(settings, CU_COREDUMP_GENERATION_FLAGS, 0x1000), CUDA_ERROR_INVALID_VALUE);
}

TEST(CoredumpSettings, AContextSaysForItselfWhatTheProgramSaysForAll) {
  CoredumpSettings& program = CoredumpSettings::OfProgram();
  CoredumpSettings one;
  CoredumpSettings other;
  EXPECT_EQ(AskText(one, CU_COREDUMP_FILE).find("core.cuda."), 0u);
  EXPECT_EQ(AskText(one, CU_COREDUMP_PIPE).find("corepipe.cuda."), 0u);
  EXPECT_EQ(SetText(program, CU_COREDUMP_FILE, "all"), CUDA_SUCCESS);
  EXPECT_EQ(SetText(program, CU_COREDUMP_PIPE, "pipe"), CUDA_SUCCESS);
  EXPECT_EQ(SetText(one, CU_COREDUMP_FILE, "mine"), CUDA_SUCCESS);
  EXPECT_EQ(AskText(one, CU_COREDUMP_FILE), "mine");
  EXPECT_EQ(AskText(other, CU_COREDUMP_FILE), "all");
  EXPECT_EQ(AskText(other, CU_COREDUMP_PIPE), "pipe");
  EXPECT_EQ(SetText(one, CU_COREDUMP_PIPE, "no"), CUDA_ERROR_NOT_PERMITTED);
  EXPECT_EQ(Set(one, CU_COREDUMP_ENABLE_USER_TRIGGER, false), CUDA_ERROR_NOT_PERMITTED);
}

TEST(CoredumpSettings, NothingIsReadOrWrittenBeyondWhatIsThere) {
  CoredumpSettings settings;
  size_t size = 0;
  EXPECT_EQ(settings.Tell(CU_COREDUMP_FILE, nullptr, &size), CUDA_SUCCESS);
  EXPECT_EQ(size, CoredumpSettings::kTextBytes);
  EXPECT_EQ(settings.Set(CU_COREDUMP_LIGHTWEIGHT, nullptr, &size), CUDA_SUCCESS);
  EXPECT_EQ(size, sizeof(bool));
  ASSERT_EQ(SetText(settings, CU_COREDUMP_FILE, "four"), CUDA_SUCCESS);
  char little[4] = {'~', '~', '~', '~'};
  size = sizeof little;
  EXPECT_EQ(settings.Tell(CU_COREDUMP_FILE, little, &size), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(little[0], '~');
  size = 3;
  EXPECT_EQ(settings.Tell(CU_COREDUMP_GENERATION_FLAGS, little, &size), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(settings.Set(CU_COREDUMP_GENERATION_FLAGS, little, &size), CUDA_ERROR_INVALID_VALUE);
  // Without a zero at its end a text is as long as its memory.
  size = 2;
  EXPECT_EQ(settings.Set(CU_COREDUMP_FILE, "four", &size), CUDA_SUCCESS);
  EXPECT_EQ(AskText(settings, CU_COREDUMP_FILE), "fo");
  EXPECT_EQ(SetText(settings, CU_COREDUMP_FILE, std::string(1024, 'x')), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(SetText(settings, CU_COREDUMP_FILE, std::string(1023, 'x')), CUDA_SUCCESS);
  EXPECT_EQ(AskText(settings, CU_COREDUMP_FILE).size(), 1023u);
  EXPECT_EQ(settings.Tell(static_cast<CUcoredumpSettings>(99), little, &size),
            CUDA_ERROR_INVALID_VALUE);
}

}  // namespace
}  // namespace farlane::abi

// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/arbiter/policy_library.h"

#include <filesystem>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

namespace farlane::server {
namespace {

std::string Complaint(const std::string& option) {
  const Result<PolicySeat> loaded = LoadPolicy(option, PROGRAM_FOLDER);
  return loaded.has_value() ? "" : loaded.error().message();
}

TEST(PolicyLibrary, FindsPoliciesByNameAndByPath) {
  EXPECT_TRUE(LoadPolicy("", PROGRAM_FOLDER).value().is_built_in());
  EXPECT_TRUE(LoadPolicy("built-in", PROGRAM_FOLDER).value().is_built_in());
  EXPECT_STREQ(LoadPolicy("strict", PROGRAM_FOLDER).value().name(), "strict");
  const std::string path = std::string(PROGRAM_FOLDER) + kPolicyFolder + "strict.so";
  EXPECT_STREQ(LoadPolicy(path, "").value().name(), "strict");
}

TEST(PolicyLibrary, SaysWhatIsWrongWithALibrary) {
  EXPECT_NE(Complaint("../strict").find("is no policy"), std::string::npos);
  EXPECT_NE(Complaint("no-such").find("no policy at "), std::string::npos);
  EXPECT_NE(Complaint("/etc/passwd").find("cannot load a policy"), std::string::npos);
  EXPECT_NE(Complaint(WRONG_POLICIES "/symbol.so").find("exports no farlane_policy_v1"),
            std::string::npos);
  EXPECT_NE(Complaint(WRONG_POLICIES "/table.so").find("has a table of 8 bytes"),
            std::string::npos);
  EXPECT_NE(Complaint(WRONG_POLICIES "/version.so").find("needs version 1.1 of the policy"),
            std::string::npos);
  EXPECT_NE(Complaint(WRONG_POLICIES "/nameless.so").find("has no name"), std::string::npos);
}

TEST(PolicyLibrary, RefusesAFileThatAnybodyMayWrite) {
  const std::string path = testing::TempDir() + "writable_" + std::to_string(getpid()) + ".so";
  std::filesystem::copy_file(WRONG_POLICIES "/silent.so", path);
  chmod(path.c_str(), 0777);
  EXPECT_NE(Complaint(path).find("can be written by anybody"), std::string::npos);
  chmod(path.c_str(), 0755);
  EXPECT_EQ(Complaint(path), "");
  std::filesystem::remove(path);
}

// The last test of this process that counts threads: the one that it starts does not end.
TEST(PolicyLibraryDeathTest, RefusesOneThatStartsThreads) {
  EXPECT_EXIT(
      {
        const std::string complaint = Complaint(WRONG_POLICIES "/thread.so");
        _exit(complaint.find("starts threads") != std::string::npos ? 7 : 1);
      },
      testing::ExitedWithCode(7), "");
}

}  // namespace
}  // namespace farlane::server

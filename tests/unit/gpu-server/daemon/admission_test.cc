// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/daemon/admission.h"

#include <cstring>
#include <fstream>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/scripted_client.h"

namespace farlane::server {
namespace {

using wire::Verdict;

Secret SecretOf(const std::string& text) {
  const std::string path = testing::TempDir() + "secret." + std::to_string(getpid());
  std::ofstream(path) << text << "\n";
  const auto secret = Secret::ReadFirstLine(path, 319);
  unlink(path.c_str());
  EXPECT_TRUE(secret.has_value());
  return *secret;
}

TEST(Admission, LetsAGoodHelloIn) {
  EXPECT_EQ(Admission(Secret()).Decide(GoodHello()).verdict, Verdict::kWelcome);
}

TEST(Admission, RefusesWhatIsNotOurs) {
  wire::ClientHello hello = GoodHello();
  hello.magic[3] = 'x';
  EXPECT_EQ(Admission(Secret()).Decide(hello).verdict, Verdict::kBadHello);

  hello = GoodHello();
  hello.version = 99;
  EXPECT_EQ(Admission(Secret()).Decide(hello).verdict, Verdict::kWrongVersion);
  EXPECT_NE(Admission(Secret()).Decide(hello).reason.find("99"), std::string::npos);

  hello = GoodHello();
  hello.wire_hash ^= 1;
  EXPECT_EQ(Admission(Secret()).Decide(hello).verdict, Verdict::kWrongVersion);

  hello = GoodHello();
  hello.purpose = static_cast<wire::Purpose>(77);
  EXPECT_EQ(Admission(Secret()).Decide(hello).verdict, Verdict::kBadHello);
}

TEST(Admission, AsksForExactlyItsToken) {
  const Admission admission(SecretOf("secret"));
  wire::ClientHello hello = GoodHello();

  EXPECT_EQ(admission.Decide(hello).verdict, Verdict::kRefused);
  for (const char* wrong : {"secre", "secrets", "Secret", "secret "}) {
    memset(hello.token, 0, sizeof hello.token);
    strcpy(hello.token, wrong);
    EXPECT_EQ(admission.Decide(hello).verdict, Verdict::kRefused) << wrong;
  }
  memset(hello.token, 0, sizeof hello.token);
  strcpy(hello.token, "secret");
  EXPECT_EQ(admission.Decide(hello).verdict, Verdict::kWelcome);
  // What stands behind the end of the text counts as well: nothing may hide there.
  hello.token[100] = 'x';
  EXPECT_EQ(admission.Decide(hello).verdict, Verdict::kRefused);
}

TEST(Admission, IsForgottenByAForkedChild) {
  const Secret secret = SecretOf("secret");
  EXPECT_EQ(secret.text(), "secret");
  const char* const kept = secret.text().data();
  const pid_t child = fork();
  if (child == 0) {
    _exit(memcmp(kept, "\0\0\0\0\0\0", 6) == 0 ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(Admission, KnowsByTheFirstByteWhatCannotBeAHello) {
  EXPECT_TRUE(Admission::CanBeHello("F", 1));
  EXPECT_TRUE(Admission::CanBeHello("FARLANE\nabc", 11));
  EXPECT_FALSE(Admission::CanBeHello("G", 1));
  EXPECT_FALSE(Admission::CanBeHello("FARLANE ", 8));
}

TEST(Admission, APeersTextIsFitForALog) {
  const char hostile[] = {'a', '\n', '\x1b', '[', '\xff', 'z'};
  EXPECT_EQ(Printable(hostile, sizeof hostile), "a??[?z");
}

TEST(Admission, AReasonThatIsTooLongIsCutNotSpilled) {
  const uint8_t boot[16] = {};
  const wire::ServerHello answer =
      MakeServerHello({Verdict::kRefused, std::string(1000, 'x')}, boot);

  EXPECT_EQ(strlen(answer.reason), sizeof answer.reason - 1);
}

}  // namespace
}  // namespace farlane::server

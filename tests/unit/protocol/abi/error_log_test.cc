// SPDX-License-Identifier: Apache-2.0
#include "protocol/abi/error_log.h"

#include <cstdio>
#include <fstream>
#include <sstream>
#include <thread>

#include <gtest/gtest.h>

namespace farlane::abi {
namespace {

void Fail(ErrorLog& log, const std::string& text, const char* call = "cuThing") {
  log.Note(call, CUDA_ERROR_INVALID_VALUE, "CUDA_ERROR_INVALID_VALUE", text.c_str());
}

// What a test before has explained is forgotten.
class ErrorLogs : public testing::Test {
 protected:
  void SetUp() override { ErrorLog::Explain(CUDA_SUCCESS, ""); }
};

// What a dump into a buffer of so many bytes gives; "refused" for none.
std::string Dump(const ErrorLog& log, CUlogIterator* iterator, size_t room) {
  std::vector<char> buffer(room + 1, '~');
  size_t size = room;
  if (log.DumpToMemory(iterator, buffer.data(), &size) != CUDA_SUCCESS) {
    EXPECT_EQ(size, 0u);
    return "refused";
  }
  EXPECT_EQ(buffer[size], '\0');
  EXPECT_EQ(buffer[room], '~');
  return std::string(buffer.data(), size);
}

size_t CountOf(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
    ++count;
  }
  return count;
}

TEST_F(ErrorLogs, NamesCallErrorAndReasonOfEachFailure) {
  ErrorLog log;
  Fail(log, "invalid argument");
  ErrorLog::Explain(CUDA_ERROR_INVALID_VALUE, "nobody is at home");
  Fail(log, "invalid argument", "cuOther");
  Fail(log, "invalid argument", "cuThird");
  const std::string all = Dump(log, nullptr, 4096);
  EXPECT_NE(all.find("[CUDA][E][cuThing] CUDA_ERROR_INVALID_VALUE (1): invalid argument\n"),
            std::string::npos);
  EXPECT_NE(all.find("[cuOther] CUDA_ERROR_INVALID_VALUE (1): nobody is at home\n"),
            std::string::npos);
  EXPECT_NE(all.find("[cuThird] CUDA_ERROR_INVALID_VALUE (1): invalid argument\n"),
            std::string::npos);
}

TEST_F(ErrorLogs, AnIteratorReadsEachLineOnce) {
  ErrorLog log;
  Fail(log, "first");
  CUlogIterator here = 0;
  ASSERT_EQ(log.Current(&here), CUDA_SUCCESS);
  EXPECT_EQ(Dump(log, &here, 4096), "");
  Fail(log, "second");
  EXPECT_EQ(CountOf(Dump(log, &here, 4096), "\n"), 1u);
  EXPECT_EQ(Dump(log, &here, 4096), "");
  EXPECT_EQ(CountOf(Dump(log, nullptr, 4096), "\n"), 2u);
  CUlogIterator nowhere = here + 1;
  EXPECT_EQ(Dump(log, &nowhere, 4096), "refused");
}

TEST_F(ErrorLogs, KeepsTheLatestAndSaysHowManyAreGone) {
  ErrorLog log;
  CUlogIterator start = 0;
  ASSERT_EQ(log.Current(&start), CUDA_SUCCESS);
  for (uint32_t i = 0; i < ErrorLog::kLinesMax + 7; ++i) {
    Fail(log, "number " + std::to_string(i) + ".");
  }
  const std::string all = Dump(log, &start, 1 << 20);
  EXPECT_EQ(all.find("[CUDA][W] 7 earlier messages are left out\n"), 0u);
  EXPECT_EQ(CountOf(all, "[E]"), ErrorLog::kLinesMax);
  EXPECT_EQ(all.find("number 6."), std::string::npos);
  EXPECT_NE(all.find("number 7."), std::string::npos);
}

TEST_F(ErrorLogs, ASmallBufferGetsTheLatestThatFit) {
  ErrorLog log;
  for (int i = 0; i < 5; ++i) {
    Fail(log, "number " + std::to_string(i) + ".");
  }
  const std::string all = Dump(log, nullptr, 4096);
  EXPECT_EQ(Dump(log, nullptr, all.size() + 1), all);
  const std::string most = Dump(log, nullptr, all.size());
  EXPECT_EQ(most.find("[CUDA][W] "), 0u);
  EXPECT_NE(most.find("number 4."), std::string::npos);
  EXPECT_EQ(most.find("number 0."), std::string::npos);
  CUlogIterator start = 0;
  EXPECT_EQ(Dump(log, &start, 20), "refused");
  EXPECT_EQ(start, 0u);
  EXPECT_EQ(Dump(log, &start, 0), "refused");
}

TEST_F(ErrorLogs, ALongMessageIsCutOff) {
  ErrorLog log;
  Fail(log, std::string(10'000, 'x'));
  EXPECT_EQ(Dump(log, nullptr, 4096).size(), ErrorLog::kLineBytesMax);
}

TEST_F(ErrorLogs, WritesAFileOrSaysThatItCannot) {
  ErrorLog log;
  Fail(log, "in a file");
  const std::string path = testing::TempDir() + "error_log_test.txt";
  ASSERT_EQ(log.DumpToFile(nullptr, path.c_str()), CUDA_SUCCESS);
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  EXPECT_EQ(text.str(), Dump(log, nullptr, 4096));
  EXPECT_EQ(std::remove(path.c_str()), 0);
  EXPECT_EQ(log.DumpToFile(nullptr, "/nowhere/at/all"), CUDA_ERROR_INVALID_VALUE);
}

// What a registered function is told. Thread: that of the failing call.
struct Heard {
  ErrorLog* log = nullptr;
  CUlogsCallbackHandle handle = nullptr;
  int times = 0;
  std::string last;
};

void Listen(void* data, CUlogLevel level, char* message, size_t length) {
  Heard& heard = *static_cast<Heard*>(data);
  ++heard.times;
  EXPECT_EQ(level, CU_LOG_LEVEL_ERROR);
  heard.last.assign(message, length);
  message[0] = '!';            // it is the function's own copy
  Fail(*heard.log, "inside");  // and calls that it makes are not told
}

void ListenOnce(void* data, CUlogLevel, char*, size_t) {
  Heard& heard = *static_cast<Heard*>(data);
  ++heard.times;
  EXPECT_EQ(heard.log->Unregister(heard.handle), CUDA_SUCCESS);
}

TEST_F(ErrorLogs, TellsEachRegisteredFunctionUntilItIsUnregistered) {
  ErrorLog log;
  Heard first{.log = &log, .last = {}};
  Heard second{.log = &log, .last = {}};
  ASSERT_EQ(log.Register(&Listen, &first, &first.handle), CUDA_SUCCESS);
  ASSERT_EQ(log.Register(&Listen, &second, nullptr), CUDA_SUCCESS);
  Fail(log, "heard");
  EXPECT_EQ(first.times, 1);
  EXPECT_EQ(second.times, 1);
  EXPECT_EQ(first.last + "\n", Dump(log, nullptr, 4096));
  EXPECT_EQ(second.last, first.last);

  EXPECT_EQ(log.Unregister(first.handle), CUDA_SUCCESS);
  EXPECT_EQ(log.Unregister(first.handle), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(log.Unregister(nullptr), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(log.Register(nullptr, nullptr, nullptr), CUDA_ERROR_INVALID_VALUE);
  Fail(log, "not heard by the first");
  EXPECT_EQ(first.times, 1);
  EXPECT_EQ(second.times, 2);
}

TEST_F(ErrorLogs, AFunctionMayUnregisterItself) {
  ErrorLog log;
  Heard heard{.log = &log, .last = {}};
  ASSERT_EQ(log.Register(&ListenOnce, &heard, &heard.handle), CUDA_SUCCESS);
  Fail(log, "once");
  Fail(log, "twice");
  EXPECT_EQ(heard.times, 1);
}

TEST_F(ErrorLogs, AnExplanationIsForTheNextFailureOfItsThreadIfItIsTheSame) {
  ErrorLog log;
  ErrorLog::Explain(CUDA_ERROR_INVALID_VALUE, "mine");
  std::thread([&log] { Fail(log, "theirs"); }).join();
  log.Note("cuOther", CUDA_ERROR_NOT_FOUND, "CUDA_ERROR_NOT_FOUND", "not explained");
  Fail(log, "used up");
  const std::string all = Dump(log, nullptr, 4096);
  EXPECT_NE(all.find(": theirs\n"), std::string::npos);
  EXPECT_NE(all.find(": not explained\n"), std::string::npos);
  EXPECT_NE(all.find(": used up\n"), std::string::npos);
  EXPECT_EQ(all.find(": mine\n"), std::string::npos);
}

}  // namespace
}  // namespace farlane::abi

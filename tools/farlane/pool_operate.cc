// SPDX-License-Identifier: Apache-2.0
#include "tools/farlane/pool_operate.h"

#include <cerrno>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "protocol/base/clock.h"
#include "protocol/base/fd.h"
#include "protocol/base/log.h"
#include "tools/farlane/child_process.h"
#include "tools/farlane/pool_client.h"
#include "tools/farlane/progress.h"
#include "tools/farlane/verb.h"

namespace farlane::cli {
namespace {

using nlohmann::json;

Status WriteWhole(const std::string& path, const std::string& bytes) {
  const std::string part = path + ".part";
  unlink(part.c_str());
  const Fd file(open(part.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR));
  size_t written = 0;
  while (file.valid() && written < bytes.size()) {
    const ssize_t now = write(file.get(), bytes.data() + written, bytes.size() - written);
    if (now < 0 && errno != EINTR) {
      break;
    }
    written += now > 0 ? static_cast<size_t>(now) : 0;
  }
  const bool done = file.valid() && written == bytes.size() && fsync(file.get()) == 0 &&
                    rename(part.c_str(), path.c_str()) == 0;
  const int error = errno;
  if (!done) {
    unlink(part.c_str());
  }
  return done ? Status::Ok()
              : Status::FromErrno(StatusCode::kUnavailable, "cannot write " + path, error);
}

// "": nobody leads now.
std::string EpochOf(const PoolReply& reply) {
  const json said = json::parse(reply.output, nullptr, false);
  return said.is_object() && said.contains("epoch") && said["epoch"].is_string()
             ? said["epoch"].get<std::string>()
             : "";
}

}  // namespace

int BackUpPool(const Installation& installation, const std::string& pool, const std::string& file) {
  const Result<PoolReply> reply = AskPool(installation, pool, "GET", "/v1/pool:backup");
  if (!reply.ok() || reply.value().code != 0) {
    return reply.ok() ? reply.value().code : Fail(reply.error());
  }
  // A page of another program's would be no backup.
  if (!reply.value().output.starts_with(std::string("SQLite format 3", 16))) {
    return Fail(Status(StatusCode::kCorrupt, "what the pool has sent is no backup"));
  }
  if (const Status status = WriteWhole(file, reply.value().output); !status.ok()) {
    return Fail(status);
  }
  printf("%s has what the pool has stored, %zu bytes\n", file.c_str(), reply.value().output.size());
  return 0;
}

int RestorePool(const Installation& installation,
                const std::string& state_dir,
                const std::string& file) {
  ChildPlan plan;
  plan.arguments = {installation.ManagerProgram(), "--restore", file};
  if (!state_dir.empty()) {
    plan.arguments.insert(plan.arguments.end(), {"--state-dir", state_dir});
  }
  const Result<Started> started = StartChild(plan);
  if (!started.ok()) {
    return Fail(started.error());
  }
  if (started.value().pid < 0) {
    return Fail(Status::FromErrno(StatusCode::kNotFound, "cannot execute " + plan.arguments[0],
                                  started.value().exec_error));
  }
  int status = 0;
  while (waitpid(started.value().pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int StepDownPool(const Installation& installation, const std::string& pool) {
  constexpr uint64_t kPatienceNs = 20'000'000'000;
  const Result<PoolReply> reply = AskPool(installation, pool, "POST", "/v1/pool:stepDown");
  if (!reply.ok() || reply.value().code != 0) {
    return reply.ok() ? reply.value().code : Fail(reply.error());
  }
  const std::string former = EpochOf(reply.value());
  const uint64_t until_ns = NowNs() + kPatienceNs;
  Progress progress("step-down");
  while (NowNs() < until_ns) {
    progress.Say("nobody leads yet");
    usleep(100'000);
    const Result<PoolReply> now = AskPoolQuietly(installation, pool, "GET", "/v1/status");
    if (now.ok() && now.value().code == 0 && EpochOf(now.value()) != former) {
      printf("the manager of epoch %s leads no more; that of epoch %s does\n", former.c_str(),
             EpochOf(now.value()).c_str());
      return 0;
    }
  }
  return Fail(Status(StatusCode::kTimeout,
                     "the manager of epoch " + former + " leads no more, and nobody has followed"));
}

}  // namespace farlane::cli

// SPDX-License-Identifier: Apache-2.0
#include "tools/farlane/pool_question.h"

#include <cstdio>

#include "protocol/base/log.h"
#include "tools/farlane/pool_client.h"
#include "tools/farlane/verb.h"

namespace farlane::cli {
namespace {

int Fail(const Status& status) {
  LogError("%s", status.message().c_str());
  return kExitFarlane;
}

}  // namespace

int AskAndPrint(const PoolQuestion& question) {
  const std::string pool = PoolNamed(question.pool);
  if (pool.empty()) {
    return Fail(Status(StatusCode::kInvalidArgument,
                       "which pool? say --pool HOST:PORT or set FARLANE_POOL"));
  }
  const Result<Installation> installation = Installation::Find();
  if (!installation.ok()) {
    return Fail(installation.error());
  }
  const Result<PoolReply> reply =
      AskPool(installation.value(), pool, question.method, question.path, question.body);
  if (!reply.ok()) {
    return Fail(reply.error());
  }
  if (reply.value().code != 0) {
    return reply.value().code;
  }
  const Result<std::string> text =
      question.format == "json" ? reply.value().output : question.text(reply.value().output);
  if (!text.ok()) {
    return Fail(text.error());
  }
  fputs(text.value().c_str(), stdout);
  return 0;
}

}  // namespace farlane::cli

// SPDX-License-Identifier: Apache-2.0
#include "tools/farlane/pool_question.h"

#include <cstdio>

#include "tools/farlane/pool_client.h"
#include "tools/farlane/verb.h"

namespace farlane::cli {

int AskOnly(const PoolQuestion& question, std::string* json) {
  const Result<std::string> pool = PoolRequired(question.pool);
  if (!pool.ok()) {
    return Fail(pool.error());
  }
  const Result<Installation> installation = Installation::Find();
  if (!installation.ok()) {
    return Fail(installation.error());
  }
  const Result<PoolReply> reply =
      AskPool(installation.value(), pool.value(), question.method, question.path, question.body);
  if (!reply.ok()) {
    return Fail(reply.error());
  }
  *json = reply.value().output;
  return reply.value().code;
}

int AskAndPrint(const PoolQuestion& question) {
  std::string json;
  if (const int code = AskOnly(question, &json); code != 0) {
    return code;
  }
  const Result<std::string> text = question.format == "json" ? json : question.text(json);
  if (!text.ok()) {
    return Fail(text.error());
  }
  fputs(text.value().c_str(), stdout);
  return 0;
}

}  // namespace farlane::cli

// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/api/answers.h"

#include <google/protobuf/util/json_util.h>

namespace farlane::pool {

HttpAnswer Json(const google::protobuf::Message& message, unsigned status) {
  google::protobuf::util::JsonPrintOptions options;
  options.always_print_primitive_fields = true;
  HttpAnswer answer{.status = status, .body = {}};
  const bool printed =
      google::protobuf::util::MessageToJsonString(message, &answer.body, options).ok();
  answer.body += '\n';
  return printed ? answer : HttpAnswer{.status = 500, .body = "{}\n"};
}

HttpAnswer Problem(unsigned status,
                   const std::string& reason,
                   const std::string& detail,
                   const std::vector<std::string>& explain) {
  v1::Problem problem;
  problem.set_type("about:blank");
  problem.set_title(reason);
  problem.set_status(status);
  problem.set_reason(reason);
  problem.set_detail(detail);
  for (const std::string& line : explain) {
    problem.add_explain(line);
  }
  const bool passes = status == 503;
  problem.set_retry_after_seconds(passes ? 1 : 0);
  HttpAnswer answer = Json(problem, status);
  answer.type = "application/problem+json";
  answer.retry_after_seconds = passes ? 1 : 0;
  answer.detail = detail;
  return answer;
}

HttpAnswer Problem(const Objection& objection) {
  switch (objection.kind) {
    case Objection::Kind::kInvalid:
      return Problem(400, objection.reason, objection.detail, objection.explain);
    case Objection::Kind::kNotFound:
      return Problem(404, objection.reason, objection.detail, objection.explain);
    case Objection::Kind::kConflict:
      return Problem(409, objection.reason, objection.detail, objection.explain);
    case Objection::Kind::kOtherRequest:
      return Problem(422, objection.reason, objection.detail, objection.explain);
    default:
      return Problem(503, objection.reason, objection.detail, objection.explain);
  }
}

HttpAnswer Problem(const Status& status) {
  switch (status.code()) {
    case StatusCode::kInvalidArgument:
      return Problem(400, "Invalid", status.message());
    case StatusCode::kNotFound:
      return Problem(404, "NotFound", status.message());
    case StatusCode::kRefused:
      return Problem(403, "Forbidden", status.message());
    case StatusCode::kExhausted:
      return Problem(409, "TooMany", status.message());
    case StatusCode::kUnsupported:
      return Problem(409, "Unsupported", status.message());
    default:
      return Problem(503, "Unavailable", status.message());
  }
}

HttpAnswer NotFound(const std::string& what) {
  return Problem(404, "NotFound", "there is no " + what);
}

bool ReadJson(const std::string& body, google::protobuf::Message* message, HttpAnswer* problem) {
  const auto read = google::protobuf::util::JsonStringToMessage(body, message);
  if (!read.ok()) {
    *problem =
        Problem(400, "Invalid",
                "the body is not a " + message->GetDescriptor()->name() + ": " + read.ToString());
  }
  return read.ok();
}

}  // namespace farlane::pool

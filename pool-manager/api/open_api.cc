// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/api/open_api.h"

#include <algorithm>

#include "pool-manager/api/message_schema.h"
#include "pool-manager/api/route.h"
#include "protocol/base/check.h"

namespace farlane::pool {
namespace {

constexpr char kAbout[] =
    "The manager of a pool of GPU servers. What goes wrong is told as RFC 9457 says, with a reason "
    "for programs. Fields that a program does not know are to be passed over: there will be more.";

const google::protobuf::Descriptor& MessageOf(const std::string& name) {
  const google::protobuf::Descriptor* const message = FindMessage(name);
  FARLANE_CHECK(message != nullptr);  // a test looks through the table
  return *message;
}

// Of the body of a request or an answer.
OrderedJson ContentOf(const std::string& message, const char* type, const std::string& example) {
  const google::protobuf::Descriptor& found = MessageOf(message);
  OrderedJson content;
  content[type]["schema"] = RefTo(found);
  content[type]["example"] = example.empty() ? ExampleOf(found) : OrderedJson::parse(example);
  return content;
}

// The names that stand in a path between braces.
OrderedJson PathParameters(const std::string& path) {
  OrderedJson parameters = OrderedJson::array();
  for (size_t open = path.find('{'); open != std::string::npos; open = path.find('{', open + 1)) {
    const std::string name = path.substr(open + 1, path.find('}', open) - open - 1);
    parameters.push_back({{"name", name},
                          {"in", "path"},
                          {"required", true},
                          {"schema", {{"type", "string"}, {"pattern", "^[^/:]+$"}}},
                          {"example", name == "id" ? "3f2a9c0e" : "gpu1"}});
  }
  return parameters;
}

OrderedJson ParametersOf(const Route& route) {
  OrderedJson parameters = PathParameters(route.path);
  for (const QueryParameter& one : route.notes.query) {
    const bool is_number = std::string(one.type) == "integer";
    parameters.push_back(
        {{"name", one.name},
         {"in", "query"},
         {"description", one.what},
         {"schema", {{"type", one.type}}},
         {"example", is_number ? OrderedJson::parse(one.example) : OrderedJson(one.example)}});
  }
  return parameters;
}

OrderedJson AnswersOf(const Route& route) {
  OrderedJson answers;
  OrderedJson& good = answers[std::to_string(route.notes.status)];
  good["description"] = route.summary;
  if (*route.gives != '\0') {
    good["content"] = ContentOf(route.gives, "application/json", "");
  } else if (std::string(route.notes.type) == "application/json") {
    good["content"][route.notes.type] = {{"schema", {{"type", "object"}}},
                                         {"example", OrderedJson::object()}};
  } else {
    good["content"][route.notes.type] = OrderedJson::object();  // no JSON
  }
  if (*route.notes.streams != '\0') {
    good["content"].update(ContentOf(route.notes.streams, "application/jsonl", ""));
  }
  for (const OtherAnswer& other : route.notes.others) {
    OrderedJson& answer = answers[std::to_string(other.status)];
    OrderedJson content = ContentOf(other.gives, "application/json", "");
    if (answer.empty()) {
      answer = {{"description", other.what}, {"content", std::move(content)}};
      continue;
    }
    OrderedJson& former = answer["content"]["application/json"]["schema"];
    former = {{"anyOf", {former, content["application/json"]["schema"]}}};
    answer["description"] = answer["description"].get<std::string>() + "; " + other.what;
  }
  const OrderedJson problem = {{"$ref", "#/components/responses/Problem"}};
  const std::string path = route.path;
  if (*route.takes != '\0' || !route.notes.query.empty()) {
    answers["400"] = problem;
  }
  answers["401"] = problem;
  if (path.find('{') != std::string::npos) {
    answers["404"] = problem;
  }
  answers["503"] = problem;
  answers["default"] = problem;
  return answers;
}

OrderedJson OperationOf(const Route& route) {
  const std::string verb = route.verb;
  OrderedJson operation = {{"operationId", verb},
                           {"tags", {verb.substr(0, verb.find('.'))}},
                           {"summary", route.summary}};
  if (OrderedJson parameters = ParametersOf(route); !parameters.empty()) {
    operation["parameters"] = std::move(parameters);
  }
  if (*route.takes != '\0') {
    operation["requestBody"] = {
        {"required", true},
        {"content", ContentOf(route.takes, "application/json", route.notes.body)}};
  }
  operation["responses"] = AnswersOf(route);
  return operation;
}

// All messages that the routes name, and those in them.
OrderedJson SchemasOf(const std::vector<Route>& routes) {
  std::set<std::string> needed = {"Problem"};
  for (const Route& route : routes) {
    for (const char* const name : {route.takes, route.gives, route.notes.streams}) {
      if (*name != '\0') {
        needed.insert(name);
      }
    }
    for (const OtherAnswer& other : route.notes.others) {
      needed.insert(other.gives);
    }
  }
  OrderedJson schemas;
  for (bool grew = true; grew;) {
    const size_t before = needed.size();
    for (const std::string& name : std::set<std::string>(needed)) {
      schemas[name] = SchemaOf(MessageOf(name), &needed);
    }
    grew = needed.size() != before;
  }
  return schemas;
}

std::string Document() {
  const std::vector<Route>& routes = AllRoutes();
  OrderedJson document = {{"openapi", "3.1.0"},
                          {"jsonSchemaDialect", "https://json-schema.org/draft/2020-12/schema"},
                          {"info",
                           {{"title", "Farlane pool"},
                            {"version", FARLANE_VERSION},
                            {"description", kAbout},
                            {"license", {{"name", "Apache-2.0"}, {"identifier", "Apache-2.0"}}}}}};
  for (const Route& route : routes) {
    std::string method = route.method;
    std::transform(method.begin(), method.end(), method.begin(), ::tolower);
    document["paths"][route.path][method] = OperationOf(route);
  }
  OrderedJson& components = document["components"];
  components["schemas"] = SchemasOf(routes);
  components["responses"]["Problem"] = {
      {"description", "what is wrong"},
      {"content", ContentOf("Problem", "application/problem+json", "")}};
  components["securitySchemes"]["token"] = {
      {"type", "http"}, {"scheme", "bearer"}, {"description", "FARLANE_POOL_TOKEN"}};
  // A pool without a token asks nobody for one.
  document["security"] =
      OrderedJson::array({OrderedJson{{"token", OrderedJson::array()}}, OrderedJson::object()});
  return document.dump(1) + "\n";
}

}  // namespace

const std::string& OpenApiText() {
  static const std::string text = Document();
  return text;
}

HttpAnswer OpenApiAnswer() {
  return {.status = 200, .body = OpenApiText()};
}

}  // namespace farlane::pool

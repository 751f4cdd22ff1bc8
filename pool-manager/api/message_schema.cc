// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/api/message_schema.h"

#include <map>

#include <google/protobuf/descriptor.pb.h>

#include "protocol/base/check.h"

namespace farlane::pool {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::DescriptorPool;
using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;

constexpr uint8_t kProtos[] = {
#include "pool-manager/api/api_protos.inc"
};

constexpr char kPackage[] = "farlane.pool.v1.";

// The linked descriptors have no comments; these do.
const DescriptorPool& Described() {
  static const DescriptorPool* const pool = [] {
    google::protobuf::FileDescriptorSet set;
    FARLANE_CHECK(set.ParseFromArray(kProtos, sizeof kProtos));
    auto* const made = new DescriptorPool;  // lives as long as the process
    for (const google::protobuf::FileDescriptorProto& file : set.file()) {
      FARLANE_CHECK(made->BuildFile(file) != nullptr);
    }
    return made;
  }();
  return *pool;
}

// "FromServer.Done" of "farlane.pool.v1.FromServer.Done".
std::string NameOf(const Descriptor& message) {
  const std::string& whole = message.full_name();
  return whole.starts_with(kPackage) ? whole.substr(sizeof kPackage - 1) : whole;
}

// A comment's lines as one.
std::string OneLine(const std::string& comment) {
  std::string text;
  for (const char letter : comment) {
    const bool blank = letter == '\n' || letter == ' ';
    if (!blank) {
      text += letter;
    } else if (!text.empty() && text.back() != ' ') {
      text += ' ';
    }
  }
  while (!text.empty() && text.back() == ' ') {
    text.pop_back();
  }
  return text;
}

template <typename Described>
std::string CommentOf(const Described& what) {
  google::protobuf::SourceLocation place;
  if (!what.GetSourceLocation(&place)) {
    return "";
  }
  return OneLine(place.leading_comments + " " + place.trailing_comments);
}

OrderedJson SchemaOfEnum(const EnumDescriptor& values) {
  OrderedJson schema = {{"type", "string"}};
  for (int i = 0; i < values.value_count(); ++i) {
    schema["enum"].push_back(values.value(i)->name());
  }
  return schema;
}

OrderedJson SchemaOfOne(const FieldDescriptor& field, std::set<std::string>* needed) {
  switch (field.type()) {
    case FieldDescriptor::TYPE_BOOL:
      return {{"type", "boolean"}};
    case FieldDescriptor::TYPE_STRING:
      return {{"type", "string"}};
    case FieldDescriptor::TYPE_BYTES:
      return {{"type", "string"}, {"contentEncoding", "base64"}};
    case FieldDescriptor::TYPE_DOUBLE:
    case FieldDescriptor::TYPE_FLOAT:
      return {{"type", "number"}};
    case FieldDescriptor::TYPE_ENUM:
      return SchemaOfEnum(*field.enum_type());
    case FieldDescriptor::TYPE_MESSAGE:
      needed->insert(NameOf(*field.message_type()));
      return RefTo(*field.message_type());
    case FieldDescriptor::TYPE_UINT32:
    case FieldDescriptor::TYPE_FIXED32:
      return {{"type", "integer"}, {"minimum", 0}, {"maximum", 4294967295}};
    case FieldDescriptor::TYPE_INT32:
      return {{"type", "integer"}, {"minimum", -2147483648LL}, {"maximum", 2147483647}};
    case FieldDescriptor::TYPE_UINT64:
    case FieldDescriptor::TYPE_FIXED64:
      // JavaScript's numbers would not hold them.
      return {{"type", "string"}, {"format", "uint64"}, {"pattern", "^[0-9]+$"}};
    default:
      return {{"type", "string"}, {"format", "int64"}, {"pattern", "^-?[0-9]+$"}};
  }
}

OrderedJson SchemaOfField(const FieldDescriptor& field, std::set<std::string>* needed) {
  OrderedJson schema;
  if (field.is_map()) {
    schema = {{"type", "object"},
              {"additionalProperties", SchemaOfOne(*field.message_type()->map_value(), needed)}};
  } else if (field.is_repeated()) {
    schema = {{"type", "array"}, {"items", SchemaOfOne(field, needed)}};
  } else {
    schema = SchemaOfOne(field, needed);
  }
  if (const std::string comment = CommentOf(field); !comment.empty()) {
    schema["description"] = comment;
  }
  return schema;
}

// What people would expect there; a field that is not named has what its type has.
const std::map<std::string, OrderedJson>& TypicalValues() {
  static const std::map<std::string, OrderedJson> values = {
      {"WatchEvent.type", "MODIFIED"},
      {"resource_version", "3-18"},
      {"Inventory.name", "gpu1"},
      {"Taint.key", "owner"},
      {"Taint.value", "lab3"},
      {"effect", "NoPlace"},
      {"uuid", "GPU-5f0c6e6e-9a41-4c3f-8f7a-0d5a3f0f2c11"},
      {"model", "NVIDIA H100 80GB HBM3"},
      {"memory_bytes", "67108864"},
      {"server_id", "0c4f3a7de1b24c0f9a6b5d8e7f102938"},
      {"addresses", "tcp://10.0.0.7:7450"},
      {"server", "gpu1"},
      {"id", "3f2a9c0e8f6b4d71a5c2e9d804b7f613"},
      {"session_id", "3f2a9c0e8f6b4d71a5c2e9d804b7f613"},
      {"key_digest", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"},
      {"created_ms", "1763884800000"},
      {"started_ms", "1763884801000"},
      {"share", 0.25},
      {"priority", "standard"},
      {"isolation", "shared"},
      {"status", 404},
      {"type", "about:blank"},
      {"title", "NotFound"},
      {"reason", "NotFound"},
      {"detail", "there is no server \"gpu9\""},
      {"phase", "ACTIVE"},
      {"state", "READY"},
      {"pool", "default"},
      {"store", "sqlite"},
      {"host", "lab3"},
      {"program", "train"},
  };
  return values;
}

OrderedJson ExampleOfOne(const FieldDescriptor& field) {
  if (field.type() == FieldDescriptor::TYPE_MESSAGE) {
    return ExampleOf(*field.message_type());
  }
  // The field of this message, else of any.
  auto typical = TypicalValues().find(field.containing_type()->name() + "." + field.name());
  typical = typical == TypicalValues().end() ? TypicalValues().find(field.name()) : typical;
  std::set<std::string> unused;
  const OrderedJson schema = SchemaOfOne(field, &unused);
  if (typical != TypicalValues().end() && schema["type"] == typical->second.type_name()) {
    return typical->second;
  }
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return false;
    case FieldDescriptor::CPPTYPE_ENUM:
      return typical != TypicalValues().end() ? typical->second : schema["enum"].back();
    case FieldDescriptor::CPPTYPE_STRING:
      return "";
    case FieldDescriptor::CPPTYPE_DOUBLE:
    case FieldDescriptor::CPPTYPE_FLOAT:
      return 0.5;
    case FieldDescriptor::CPPTYPE_UINT32:
    case FieldDescriptor::CPPTYPE_INT32:
      return typical != TypicalValues().end() && typical->second.is_number() ? typical->second
                                                                             : OrderedJson(1);
    default:
      return "1";
  }
}

}  // namespace

const Descriptor* FindMessage(const std::string& name) {
  return Described().FindMessageTypeByName(kPackage + name);
}

OrderedJson RefTo(const Descriptor& message) {
  return {{"$ref", "#/components/schemas/" + NameOf(message)}};
}

OrderedJson SchemaOf(const Descriptor& message, std::set<std::string>* needed) {
  OrderedJson schema = {{"type", "object"}};
  if (const std::string comment = CommentOf(message); !comment.empty()) {
    schema["description"] = comment;
  }
  schema["properties"] = OrderedJson::object();
  for (int i = 0; i < message.field_count(); ++i) {
    const FieldDescriptor& field = *message.field(i);
    schema["properties"][field.json_name()] = SchemaOfField(field, needed);
  }
  return schema;
}

OrderedJson ExampleOf(const Descriptor& message) {
  OrderedJson example = OrderedJson::object();
  for (int i = 0; i < message.field_count(); ++i) {
    const FieldDescriptor& field = *message.field(i);
    // Of several that exclude each other, the first.
    const auto* const choice = field.real_containing_oneof();
    if (choice != nullptr && choice->field(0) != &field) {
      continue;
    }
    OrderedJson& value = example[field.json_name()];
    if (field.is_map()) {
      value = {{"zone", ExampleOfOne(*field.message_type()->map_value())}};
    } else if (field.is_repeated()) {
      value = OrderedJson::array({ExampleOfOne(field)});
    } else {
      value = ExampleOfOne(field);
    }
  }
  return example;
}

}  // namespace farlane::pool

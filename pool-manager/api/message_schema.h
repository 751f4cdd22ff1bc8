// SPDX-License-Identifier: Apache-2.0
// What a message looks like as JSON, in the words of JSON Schema 2020-12, and an example of it.
// What it says of fields are the comments that stand beside them in the .proto file.
#pragma once

#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include <google/protobuf/descriptor.h>

namespace farlane::pool {

using OrderedJson = nlohmann::ordered_json;

// A message of the pool's by its name, with its comments; null: there is none.
const google::protobuf::Descriptor* FindMessage(const std::string& name);

// {"$ref": …} to where the document keeps this message.
OrderedJson RefTo(const google::protobuf::Descriptor& message);

// Of the message itself; those that it refers to are added to `needed`, by their names.
OrderedJson SchemaOf(const google::protobuf::Descriptor& message, std::set<std::string>* needed);

OrderedJson ExampleOf(const google::protobuf::Descriptor& message);

}  // namespace farlane::pool

// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/ptx/printer.h"

#include "soft-gpu/ptx/body_printer.h"
#include "soft-gpu/ptx/declaration_printer.h"
#include "soft-gpu/ptx/parser.h"

namespace farlane::soft::ptx {

namespace {

void PrintHead(const Module& module, std::string* out) {
  *out += ".version " + std::to_string(module.version_major) + "." +
          std::to_string(module.version_minor) + "\n.target " + std::string(module.target);
  for (const std::string_view option : module.target_options) {
    *out += ", " + std::string(option);
  }
  *out += "\n.address_size " + std::to_string(module.address_size) + "\n";
  for (const std::string_view pragma : module.pragmas) {
    *out += ".pragma \"" + std::string(pragma) + "\";\n";
  }
  for (const SourceFile& file : module.files) {
    *out += ".file " + std::to_string(file.index) + " \"" + std::string(file.name) + "\"\n";
  }
}

// A body with its head; only the head of an entry that has none.
Status PrintFunction(const Module& module, const Function& function, std::string* out) {
  if (!function.has_body && !function.is_entry) {
    return Status::Ok();
  }
  PrintFunctionHead(function, out);
  if (!function.has_body) {
    *out += ";\n";
    return Status::Ok();
  }
  FARLANE_ASSIGN(const Body body, ParseBody(module, function));
  *out += "\n{\n";
  FARLANE_TRY(BodyPrinter(module, function, body).Print(out));
  *out += "}\n";
  return Status::Ok();
}

}  // namespace

Result<std::string> PrintModule(const Module& module) {
  std::string out;
  PrintHead(module, &out);
  // Heads first: an initial value or an alias may name a function that stands further down.
  for (const Function& function : module.functions) {
    if (!function.is_entry) {
      PrintFunctionHead(function, &out);
      out += ";\n";
    }
  }
  for (const Variable& variable : module.variables) {
    FARLANE_TRY(PrintVariable(module, variable, variable.name, &out));
    out += ";\n";
  }
  // Functions before entries: their heads already stand in this order.
  for (const bool entries : {false, true}) {
    for (const Function& function : module.functions) {
      if (function.is_entry == entries) {
        FARLANE_TRY(PrintFunction(module, function, &out));
      }
    }
  }
  for (const Function& function : module.functions) {
    if (function.alias_of != kNoIndex) {
      out += ".alias " + std::string(function.name) + ", " +
             std::string(module.functions[function.alias_of].name) + ";\n";
    }
  }
  for (const Section& section : module.sections) {
    out += ".section ." + std::string(section.name) + "\n{" + std::string(section.contents) + "}\n";
  }
  return out;
}

std::string PrintInstruction(const Module& module,
                             const Function& function,
                             const Body& body,
                             const Instruction& instruction) {
  std::string out;
  BodyPrinter(module, function, body).PrintInstruction(instruction, &out);
  return out;
}

}  // namespace farlane::soft::ptx

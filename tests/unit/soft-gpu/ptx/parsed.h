// SPDX-License-Identifier: Apache-2.0
// Parsed is a module of one kernel made from the text of its body: what most tests of the parser
// need.
#pragma once

#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "soft-gpu/ptx/parser.h"

namespace farlane::soft::ptx {

inline std::string ModuleText(const std::string& declarations) {
  return ".version 8.0\n.target sm_80\n.address_size 64\n" + declarations;
}

inline std::string KernelText(const std::string& body) {
  return ModuleText(
      ".global .align 4 .u32 table[4];\n.func (.param .b32 r) callee(.param .b32 a);\n"
      ".entry k(.param .u64 p) {\n" +
      body + "\n}\n");
}

// Thread: caller's.
struct Parsed {
  Module module;
  Body body;

  const Instruction& at(size_t i) const { return body.instructions.at(i); }

  const Operand& operand(size_t i, size_t k) const { return at(i).operands[k]; }
};

inline Parsed ParseKernel(const std::string& body) {
  Result<Module> module = ParseModule(KernelText(body));
  EXPECT_TRUE(module.ok()) << module.error().message();
  Result<Body> parsed = ParseBody(module.value(), *module->FindFunctionOrNull("k"));
  EXPECT_TRUE(parsed.ok()) << parsed.error().message() << "\nin " << body;
  return {std::move(module).value(), parsed.ok() ? std::move(parsed).value() : Body{}};
}

// The complaint about a kernel's body; empty if there is none.
inline std::string ComplaintAbout(const std::string& body) {
  Result<Module> module = ParseModule(KernelText(body));
  if (!module.ok()) {
    return module.error().message();
  }
  const Result<Body> parsed = ParseBody(module.value(), *module->FindFunctionOrNull("k"));
  return parsed.ok() ? "" : parsed.error().message();
}

inline std::string ComplaintAboutModule(const std::string& declarations) {
  const Result<Module> module = ParseModule(ModuleText(declarations));
  return module.ok() ? "" : module.error().message();
}

}  // namespace farlane::soft::ptx

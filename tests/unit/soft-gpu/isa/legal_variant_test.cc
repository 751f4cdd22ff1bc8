// SPDX-License-Identifier: Apache-2.0
// Whether the combinations that are tested exist at all: an assembler for real GPUs says so, where
// one is installed.
#include "tests/unit/soft-gpu/isa/oracle/legal_variant.h"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "tests/unit/soft-gpu/isa/oracle/subjects.h"

namespace farlane::soft::isa {
namespace {

// Every subject in one kernel. The f32 sums of halves and the small formats need the newest target.
std::string AllSubjects() {
  std::string text =
      ".version 9.0\n.target sm_120a\n.address_size 64\n"
      ".visible .entry k(.param .u64 in, .param .u64 out)\n{\n  .reg .pred %p<10>;\n"
      "  .reg .b8 %b<10>;\n  .reg .b16 %h<10>;\n  .reg .b32 %r<10>;\n  .reg .b64 %d<10>;\n";
  for (const ptx::Opcode opcode : OpcodesWithSemantics()) {
    for (const Subject& subject : SubjectsOf(opcode).known) {
      text += InstructionText(subject);
    }
  }
  return text + "  ret;\n}\n";
}

TEST(LegalVariant, IsWhatAnAssemblerTakes) {
  const std::string assembler = FARLANE_PTXAS;
  if (assembler.empty()) {
    GTEST_SKIP() << "there is no ptxas";
  }
  char folder[] = "/tmp/farlane-isa-XXXXXX";
  ASSERT_NE(mkdtemp(folder), nullptr);
  const std::string path = std::string(folder) + "/all.ptx";
  std::ofstream(path) << AllSubjects();

  const std::string command =
      assembler + " -arch=sm_120a -o /dev/null " + path + " 2>&1 | grep -m 20 error";
  FILE* const pipe = popen(command.c_str(), "r");
  ASSERT_NE(pipe, nullptr);
  std::string complaints;
  char line[512];
  while (std::fgets(line, sizeof line, pipe) != nullptr) {
    complaints += line;
  }
  pclose(pipe);
  std::remove(path.c_str());
  std::remove(folder);

  EXPECT_EQ(complaints, "");
}

}  // namespace
}  // namespace farlane::soft::isa

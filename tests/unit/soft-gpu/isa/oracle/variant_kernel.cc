// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/soft-gpu/isa/oracle/variant_kernel.h"

namespace farlane::soft::isa {

using ptx::OperandRole;
using ptx::Type;

namespace {

// Bytes live in wider registers, whose upper bits an instruction must ignore or fill; a pair of
// 4-bit floats is the one value that has a register of its size.
char RegisterClass(Type type) {
  if (type == Type::kPred) {
    return 'p';
  }
  if (type == Type::kE2m1x2) {
    return 'b';
  }
  switch (ptx::BitsOf(type)) {
    case 16:
      return 'h';
    case 64:
      return 'd';
    default:
      return 'r';
  }
}

std::string Register(Type type, unsigned index) {
  return std::string("%") + RegisterClass(type) + std::to_string(index);
}

constexpr unsigned kFirstResult = 6;  // registers below hold inputs

std::string StoreText(Type type, unsigned index, unsigned offset) {
  const std::string to = "[%out+" + std::to_string(offset) + "]";
  switch (RegisterClass(type)) {
    case 'p':
      return "  selp.b32 %r9, 1, 0, " + Register(type, index) + ";\n  st.global.b32 " + to +
             ", %r9;\n";
    case 'b':
      return "  st.global.b8 " + to + ", " + Register(type, index) + ";\n";
    case 'h':
      return "  st.global.b16 " + to + ", " + Register(type, index) + ";\n";
    case 'd':
      return "  st.global.b64 " + to + ", " + Register(type, index) + ";\n";
    default:
      return "  st.global.b32 " + to + ", " + Register(type, index) + ";\n";
  }
}

std::string LoadText(char register_class, unsigned index) {
  const std::string n = std::to_string(index);
  const std::string from = "[%in+" + std::to_string(index * kPlaceBytes) + "];\n";
  switch (register_class) {
    case 'p':
      return "  ld.global.b32 %r9, " + from + "  and.b32 %r9, %r9, 1;\n  setp.ne.u32 %p" + n +
             ", %r9, 0;\n";
    case 'b':
      return "  ld.global.b8 %b" + n + ", " + from;
    case 'h':
      return "  ld.global.b16 %h" + n + ", " + from;
    case 'd':
      return "  ld.global.b64 %d" + n + ", " + from;
    default:
      return "  ld.global.b32 %r" + n + ", " + from;
  }
}

std::string ResultRegister(const Subject& subject, unsigned index) {
  return Register(TypeOfLetter(subject.variant, subject.row->results[index]), kFirstResult + index);
}

std::string DestinationText(const Subject& subject) {
  const std::string first = ResultRegister(subject, 0);
  return subject.variant.is_pair ? first + "|" + ResultRegister(subject, 1) : first;
}

std::string OperandsText(const Subject& subject) {
  const Variant& v = subject.variant;
  std::string text;
  unsigned input = 0;
  for (const OperandRole role : v.operands) {
    text += text.empty() ? " " : ", ";
    if (role == OperandRole::kDestination || role == OperandRole::kDestinationPair ||
        role == OperandRole::kPredicatePair) {
      text += DestinationText(subject);
    } else if (role == OperandRole::kImmediate) {
      text += std::to_string(v.immediate);
    } else {
      const Type type = TypeOfLetter(v, subject.row->inputs[input]);
      text += (type == Type::kPred && v.negates ? "!" : "") + Register(type, input);
      ++input;
    }
  }
  return text;
}

// A carry or a borrow that says what the input says, right before the instruction.
std::string CarryInText(const Variant& variant) {
  return variant.opcode == ptx::Opcode::kSubc ? "  sub.cc.u32 %r9, 0, %r5;\n"
                                              : "  add.cc.u32 %r9, %r5, 0xffffffff;\n";
}

// The flag after the instruction: 1 for a carry, all ones for a borrow.
std::string CarryOutText(const Variant& variant) {
  const bool borrows = variant.opcode == ptx::Opcode::kSub || variant.opcode == ptx::Opcode::kSubc;
  return std::string(borrows ? "  subc" : "  addc") + ".u32 %r8, 0, 0;\n";
}

}  // namespace

std::string Subject::inputs() const {
  std::string text;
  for (const char letter : row->inputs) {
    text += std::string(ptx::NameOf(ptx::ToModifier(TypeOfLetter(variant, letter)))) + " ";
  }
  return text + (TakesCarry(variant) ? "carry" : "");
}

unsigned Subject::places() const {
  return (variant.is_pair ? 2 : 1) + (GivesCarry(variant) ? 1 : 0);
}

std::string ModuleHead() {
  return ".version 9.0\n.target sm_120\n.address_size 64\n";
}

std::string InstructionText(const Subject& subject) {
  const Variant& v = subject.variant;
  return (TakesCarry(v) ? CarryInText(v) : "") + "  " + v.name() + OperandsText(subject) + ";\n" +
         (GivesCarry(v) ? CarryOutText(v) : "");
}

std::string KernelText(const std::string& name, std::span<const Subject> subjects) {
  unsigned places = 0;
  for (const Subject& subject : subjects) {
    places += subject.places();
  }
  std::string text =
      ".visible .entry " + name +
      "(.param .u64 in, .param .u64 out)\n{\n  .reg .pred %p<10>;\n  .reg .b8 %b<10>;\n"
      "  .reg .b16 %h<10>;\n  .reg .b32 %r<10>;\n  .reg .b64 %d<10>;\n  .reg .b64 %in, %out;\n"
      "  mov.u32 %r0, %ctaid.x;\n  mov.u32 %r1, %ntid.x;\n  mov.u32 %r2, %tid.x;\n"
      "  mad.lo.u32 %r0, %r0, %r1, %r2;\n  ld.param.u64 %in, [in];\n  ld.param.u64 %out, [out];\n"
      "  mad.wide.u32 %in, %r0, " +
      std::to_string(kCaseBytes) + ", %in;\n  mad.wide.u32 %out, %r0, " +
      std::to_string(places * kPlaceBytes) + ", %out;\n";
  const Subject& first = subjects.front();
  for (unsigned i = 0; i < first.row->inputs.size(); ++i) {
    text += LoadText(RegisterClass(TypeOfLetter(first.variant, first.row->inputs[i])), i);
  }
  if (TakesCarry(first.variant)) {
    text += "  ld.global.b32 %r5, [%in+" + std::to_string((kInputsMax - 1) * kPlaceBytes) +
            "];\n  and.b32 %r5, %r5, 1;\n";
  }
  unsigned offset = 0;
  for (const Subject& subject : subjects) {
    text += InstructionText(subject);
    const unsigned results = subject.variant.is_pair ? 2 : 1;
    for (unsigned i = 0; i < results; ++i, offset += kPlaceBytes) {
      text += StoreText(TypeOfLetter(subject.variant, subject.row->results[i]), kFirstResult + i,
                        offset);
    }
    if (GivesCarry(subject.variant)) {
      text += StoreText(Type::kB32, 8, offset);
      offset += kPlaceBytes;
    }
  }
  return text + "  ret;\n}\n";
}

}  // namespace farlane::soft::isa

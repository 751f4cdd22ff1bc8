// SPDX-License-Identifier: Apache-2.0
// The optable says what instructions PTX has: for each opcode its forms, that is which modifiers in
// which groups and which operands. It drives validation, the coverage report and generated tests.
// The rows are in optable_rows.cc; an instruction that no form fits never reaches code generation.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "protocol/base/status.h"
#include "soft-gpu/ptx/ast.h"

namespace farlane::soft::ptx {

// Which step of the software GPU runs an instruction; a later stage includes the earlier ones.
enum class Stage : uint8_t {
  kS0,    // scalar integers and floats, memory, branches
  kS1,    // blocks: barriers, atomics, fences, calls
  kS2,    // warps: shuffles, votes, 16-bit floats, cooperative launches
  kS3,    // textures and surfaces
  kS4,    // asynchronous copies, mbarrier
  kS5,    // matrix instructions of warps
  kS6,    // clusters, policies and the rest that has a meaning on any device
  kNever  // made for one family of chips (wgmma, tcgen05, tensor maps): refused
};

std::string_view NameOf(Stage stage);  // "S0" … "S6", "never"

enum class OperandRole : uint8_t {
  kDestination,        // dst: a register, or `_`
  kDestinationVector,  // dst.v: the same or a vector of them
  kDestinationPair,    // dst|pred: a register, maybe with a predicate
  kPredicatePair,      // pred|pred: one or two predicates to write
  kPredicate,          // pred: a predicate to read, maybe negated
  kSource,             // src: register, special register, constant or address of a symbol
  kSourceVector,       // src.v: the same or a vector of them
  kAddress,            // [addr]
  kImmediate,          // imm: a constant
  kLabel,              // label
  kTable,              // table: a .branchtargets list
  kAny,                // any
};

struct ModifierGroup {
  bool is_optional = false;
  std::vector<Modifier> choices;
};

struct OperandSlot {
  OperandRole role = OperandRole::kAny;
  bool is_optional = false;
};

// One way to write an opcode. Modifiers are matched to groups in order, but an optional one may
// stand where it is not expected, since real compilers are as free (vote.sync.ballot,
// vote.ballot.sync). Thread: immutable.
struct Form {
  Opcode opcode = Opcode::kUnknown;
  Stage stage = Stage::kS0;
  std::string_view syntax;  // the row as it is written in the table
  std::vector<ModifierGroup> groups;
  std::vector<OperandSlot> operands;
  bool is_open = false;  // further modifiers are not checked (`*`)
};

// All forms, in the order of the opcodes.
std::span<const Form> AllForms();
std::span<const Form> FormsOf(Opcode opcode);

// The first form whose modifiers and operands fit; null if none does.
const Form* FindFormOrNull(const Instruction& instruction);

// The version of PTX that the table describes; a text of a later one is refused.
constexpr uint16_t kTableVersionMajor = 9;
constexpr uint16_t kTableVersionMinor = 0;

// Why an instruction cannot be compiled, beginning with "line L, column C:"; Ok if a form fits it.
// kInvalidArgument: it is not PTX. kUnsupported: it may be, but this table does not know it.
Status CheckInstruction(const Module& module, const Body& body, const Instruction& instruction);

// Calls `visit` with every combination of modifiers that a form allows, e.g. for generated tests.
// An open form is visited without its unchecked modifiers.
void ForEachVariant(const Form& form, const std::function<void(std::span<const Modifier>)>& visit);

}  // namespace farlane::soft::ptx

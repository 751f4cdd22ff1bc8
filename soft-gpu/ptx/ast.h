// SPDX-License-Identifier: Apache-2.0
// What a PTX module says, as plain data: Module (declarations) and Body (one function's
// instructions). Nothing is copied: every string_view points into the module's own text, so a Body
// must not outlive its Module. Names are resolved by the parser; a Body holds dense ids for
// registers and labels.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <memory>
#include <memory_resource>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "soft-gpu/ptx/modifier.h"
#include "soft-gpu/ptx/name_hash.h"
#include "soft-gpu/ptx/opcode.h"
#include "soft-gpu/ptx/special_register.h"
#include "soft-gpu/ptx/type.h"

namespace farlane::soft::ptx {

constexpr uint32_t kNoIndex = std::numeric_limits<uint32_t>::max();

// ---------------------------------------------------------------------------------- declarations

// Where a declaration is visible. kNone: this module only.
enum class Linkage : uint8_t { kNone, kVisible, kExtern, kWeak, kCommon };

// One variable: global, shared, parameter, local … (registers are RegisterInfo).
// Thread: caller's.
struct Variable {
  std::string_view name;  // empty for an unnamed parameter of a prototype
  Linkage linkage = Linkage::kNone;
  Space space = Space::kNone;
  uint8_t const_bank = 0;  // .const[n] of old PTX
  Type type = Type::kNone;
  uint8_t vector = 1;       // .v2 .v4 .v8
  bool is_managed = false;  // .attribute(.managed)
  bool is_unified = false;  // .attribute(.unified(…))
  bool is_pointer = false;  // .ptr of a kernel parameter
  Space pointer_space = Space::kNone;
  uint32_t pointer_align = 0;
  uint32_t align = 0;  // what .align says; 0: natural, see AlignOf
  bool is_unsized =
      false;  // `[]` that no initialiser completes: dynamic shared memory, flexible arrays
  std::vector<uint64_t> dimensions;  // empty: a scalar (or one vector)
  std::string_view initializer;      // text after '='; read it with ParseInitializer. Empty: zero
  uint32_t position = 0;             // offset in the module's text

  // Number of elements (vectors, if vector > 1) of all dimensions; 0 if unsized.
  uint64_t ElementCount() const;
  // Bytes in memory; 0 if unsized. Checked against kVariableBytesMax by the parser.
  uint64_t SizeOf() const;
  // .align, or the natural alignment of one element (whole vector).
  uint32_t AlignOf() const;
};

// Up to three numbers of a performance directive; {0, 0, 0} if it is absent, missing ones are 1.
using Extent = std::array<uint32_t, 3>;

struct FunctionDirectives {
  Extent maxntid{};
  Extent reqntid{};
  Extent reqnctapercluster{};
  uint32_t maxnreg = 0;
  uint32_t minnctapersm = 0;
  uint32_t maxnctapersm = 0;
  uint32_t maxclusterrank = 0;
  bool explicitcluster = false;
  bool blocksareclusters = false;
  bool noreturn = false;
  bool unified = false;  // .attribute(.unified(…))
  uint32_t abi_preserve = 0;
  uint32_t abi_preserve_control = 0;
  std::vector<std::string_view> pragmas;  // string contents, quotes removed
};

// One .entry or .func. A prototype and its definition are one Function.
// Thread: caller's.
struct Function {
  std::string_view name;
  Linkage linkage = Linkage::kNone;
  bool is_entry = false;
  bool has_body = false;
  std::vector<Variable> parameters;  // space kParam, or kRegister for `.reg` parameters
  std::vector<Variable> return_parameters;
  FunctionDirectives directives;
  std::string_view body;  // between the braces, without them
  uint32_t position = 0;
  uint32_t alias_of = kNoIndex;  // index of the function that `.alias` names
};

// A `.callprototype`, or the type of a function.
struct Prototype {
  std::vector<Variable> return_parameters;
  std::vector<Variable> parameters;
  bool noreturn = false;
};

struct SourceFile {
  uint32_t index = 0;  // the number that .loc uses
  std::string_view name;
};

struct Section {
  std::string_view name;  // with its dot: .debug_info
  std::string_view contents;
};

enum class SymbolKind : uint8_t { kVariable, kFunction };

struct Symbol {
  SymbolKind kind = SymbolKind::kVariable;
  uint32_t index = 0;  // into Module::variables or Module::functions
};

struct Position {
  uint32_t line = 1;
  uint32_t column = 1;
};

// A parsed module: all declarations, the bodies still as text. Movable; its text stays where it is.
// Thread: immutable once parsed; ParseBody may run on several threads at a time.
struct Module {
  std::unique_ptr<const std::string> text;
  uint16_t version_major = 0;
  uint16_t version_minor = 0;
  std::string_view target;                       // sm_80, sm_90a …
  std::vector<std::string_view> target_options;  // debug, texmode_independent …
  uint32_t target_arch = 0;                      // 80 for sm_80, sm_80a
  uint32_t address_size = 32;                    // PTX's own default
  std::vector<Variable> variables;
  std::vector<Function> functions;
  std::vector<SourceFile> files;
  std::vector<Section> sections;
  std::vector<std::string_view> pragmas;
  std::unordered_map<std::string_view, Symbol, NameHash> symbols;

  std::optional<Symbol> Find(std::string_view name) const;
  const Function* FindFunctionOrNull(std::string_view name) const;
  const Variable* FindVariableOrNull(std::string_view name) const;
  // The function that runs when this one is called: itself, or the one it is an alias of.
  uint32_t DefinitionOf(uint32_t function) const;
  Position PositionAt(uint32_t offset) const;
  // Offset of a view that points into this module's text.
  uint32_t OffsetOf(std::string_view inside) const;
};

// --------------------------------------------------------------------------------------- operands

enum class OperandKind : uint8_t {
  kSink,         // `_`, and an absent part of a call
  kRegister,     // ref kRegister; selector for %v.x, and for video ops' .b0 .h1
  kSpecial,      // id is a SpecialRegister, selector its component
  kImmediate,    // immediate + bits
  kSymbol,       // ref + id + offset: the address of a variable or function (mov, call, texture)
  kAddress,      // [base + offset]: ref is kNone (absolute), kRegister or a symbol; more = rest
  kVector,       // {a, b, …}: children
  kPair,         // a|b: children[0], children[1]
  kTuple,        // (a, b, …) of a call: children
  kLabel,        // id is a label
  kBranchTable,  // id into Body::branch_tables (brx.idx)
  kCallTable,    // id into Body::call_tables: a .calltargets list
  kPrototype,    // id into Body::prototypes: a .callprototype
};

// What `id` of an operand counts.
enum class Ref : uint8_t {
  kNone,
  kRegister,         // Body::registers
  kGlobalVariable,   // Module::variables
  kFunction,         // Module::functions
  kParameter,        // Function::parameters
  kReturnParameter,  // Function::return_parameters
  kLocalVariable,    // Body::variables
};

enum class Selector : uint8_t {
  kNone,
  kX,
  kY,
  kZ,
  kW,
  kB0,
  kB1,
  kB2,
  kB3,
  kH0,
  kH1,    // video instructions: a byte or half of the register
  kMask,  // video SIMD: .b3210 and the like; spelled in Operand::bits
};

enum class ImmediateKind : uint8_t {
  kSigned,    // bits is an int64_t
  kUnsigned,  // a literal with U, or too big for int64_t
  kFloat32,   // 0f…: bits holds 32 bits of an f32
  kFloat64,   // 0d… or a decimal point: bits of an f64; the instruction's type narrows it
};

using RegisterId = uint32_t;
using LabelId = uint32_t;

// Thread: caller's.
struct Operand {
  OperandKind kind = OperandKind::kSink;
  Ref ref = Ref::kNone;
  Selector selector = Selector::kNone;
  ImmediateKind immediate = ImmediateKind::kSigned;
  bool negated = false;  // !%p; the minus of a video operand, -a.h0
  uint32_t id = kNoIndex;

  union {
    int64_t offset = 0;  // kAddress, kSymbol: added to the base, in bytes
    uint64_t bits;       // kImmediate, Selector::kMask
  };

  // kVector, kPair, kTuple: the parts. kAddress: what follows the base inside the brackets
  // ([tex, {x, y}], [tex, sampler, {x}], [map, {c0, c1}]). kSymbol, kRegister: empty.
  std::span<const Operand> children;
};

// `.loc`: where the source of the following instructions is.
struct SourceLocation {
  uint32_t file = 0;  // SourceFile::index
  uint32_t line = 0;
  uint32_t column = 0;
  std::string_view rest;  // `function_name …, inlined_at …` as written
};

// One instruction. Operands are in written order, except that a call always has four:
// [0] kTuple of results (maybe empty), [1] target (kSymbol of a function, or kRegister),
// [2] kTuple of arguments, [3] kPrototype, kCallTable or kSink.
// Thread: caller's.
struct Instruction {
  Opcode opcode = Opcode::kUnknown;
  bool predicate_negated = false;
  RegisterId predicate = kNoIndex;  // kNoIndex: unconditional
  uint32_t location = kNoIndex;     // into Body::locations
  uint8_t type_count = 0;           // types among the modifiers, in order; the first four:
  std::array<Type, 4> types{};
  std::string_view text;                // "ld.global.u32" as written
  std::span<const Modifier> modifiers;  // all of them, types included, in written order
  std::span<const Operand> operands;

  bool Has(Modifier modifier) const {
    for (const Modifier m : modifiers) {
      if (m == modifier) {
        return true;
      }
    }
    return false;
  }

  // The instruction's main type: its last for most, see the optable for cvt, mma and others.
  Type type() const { return types[0]; }
};

// ------------------------------------------------------------------------------------------ bodies

struct RegisterInfo {
  std::string_view name;      // %rd of %rd7, or the whole name if `index` is kNoIndex
  uint32_t index = kNoIndex;  // 7 of %rd7 declared by %rd<10>
  Type type = Type::kNone;
  uint8_t vector = 1;
};

struct Label {
  std::string_view name;
  uint32_t instruction = 0;  // index of the instruction it stands before; == size() at the end
};

struct BranchTable {
  std::string_view name;
  std::vector<LabelId> targets;
};

struct CallTable {
  std::string_view name;
  std::vector<uint32_t> functions;  // into Module::functions
};

struct NamedPrototype {
  std::string_view name;
  Prototype prototype;
};

struct BodyPragma {
  std::string_view text;
  uint32_t instruction = 0;  // stands before it
};

// The instructions of one function, flat: nested {} are gone, names made distinct by their ids.
// Only registers that instructions use are in `registers`. Movable, not copyable.
// Thread: immutable once parsed.
struct Body {
  std::vector<Instruction> instructions;
  std::vector<RegisterInfo> registers;
  // Registers of `.reg` parameters, one per parameter; kNoIndex for a `.param` one.
  std::vector<RegisterId> parameter_registers;
  std::vector<RegisterId> return_registers;
  std::vector<Label> labels;        // in textual order
  std::vector<Variable> variables;  // .local .param .shared … declared in the body
  std::vector<BranchTable> branch_tables;
  std::vector<CallTable> call_tables;
  std::vector<NamedPrototype> prototypes;
  std::vector<SourceLocation> locations;
  std::vector<BodyPragma> pragmas;
  std::vector<std::string_view> extra_modifiers;               // spelled words that no list knows
  std::unique_ptr<std::pmr::monotonic_buffer_resource> arena;  // operands and modifiers live here

  std::string_view NameOf(Modifier modifier) const;
  std::string NameOfRegister(RegisterId id) const;
};

}  // namespace farlane::soft::ptx

// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/ptx/declaration_printer.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdio>

#include "soft-gpu/ptx/parser.h"
#include "soft-gpu/ptx/small_float.h"

namespace farlane::soft::ptx {

namespace {

std::string Hex(uint64_t bits, int digits) {
  std::array<char, 20> text{};
  std::snprintf(text.data(), text.size(), "%0*llX", digits, static_cast<unsigned long long>(bits));
  return text.data();
}

void PrintLinkage(Linkage linkage, std::string* out) {
  constexpr std::array<std::string_view, 5> kWords{"", ".visible ", ".extern ", ".weak ",
                                                   ".common "};
  *out += kWords[static_cast<size_t>(linkage)];
}

// Space, type and all that stands before the name.
void PrintSpecifier(const Variable& variable, std::string* out) {
  *out += "." + std::string(NameOf(variable.space));
  if (variable.const_bank != 0) {
    *out += "[" + std::to_string(variable.const_bank) + "]";
  }
  if (variable.is_managed) {
    *out += " .attribute(.managed)";
  }
  if (variable.is_unified) {
    *out += " .attribute(.unified)";
  }
  if (variable.align != 0) {
    *out += " .align " + std::to_string(variable.align);
  }
  if (variable.vector > 1) {
    *out += " .v" + std::to_string(variable.vector);
  }
  *out += " ." + std::string(InfoOf(variable.type).name);
  if (variable.is_pointer) {
    *out += " .ptr";
    *out += variable.pointer_space != Space::kNone
                ? " ." + std::string(NameOf(variable.pointer_space))
                : "";
    *out += variable.pointer_align != 0 ? " .align " + std::to_string(variable.pointer_align) : "";
  }
}

void PrintDimensions(const Variable& variable, std::string* out) {
  for (size_t i = 0; i < variable.dimensions.size(); ++i) {
    const bool open = i == 0 && variable.is_unsized;
    *out += "[" + (open ? "" : std::to_string(variable.dimensions[i])) + "]";
  }
}

// One scalar of an initial value. 16-bit floats are printed as wider ones, which hold them exactly.
void PrintScalar(Type type, const uint8_t* bytes, std::string* out) {
  uint64_t bits = 0;
  for (size_t i = 0; i < std::min(BytesOf(type), 8u); ++i) {
    bits |= uint64_t{bytes[i]} << (8 * i);
  }
  if (type == Type::kF64) {
    *out += "0d" + Hex(bits, 16);
  } else if (type == Type::kF32 || type == Type::kTf32) {
    *out += "0f" + Hex(bits, 8);
  } else if (type == Type::kBf16) {
    *out += "0f" + Hex(bits << 16, 8);
  } else if (type == Type::kF16) {
    const double number = HalfToDouble(static_cast<uint16_t>(bits));
    *out += "0d" + Hex(std::bit_cast<uint64_t>(number), 16);
  } else if (BytesOf(type) > 8 && bytes[8] != 0) {
    *out += std::to_string(static_cast<int64_t>(bits));  // its upper half is the sign of the lower
  } else {
    *out += std::to_string(bits) + "U";
  }
}

void PrintRelocation(const Module& module, const Relocation& relocation, std::string* out) {
  const std::string_view name = relocation.symbol.kind == SymbolKind::kFunction
                                    ? module.functions[relocation.symbol.index].name
                                    : module.variables[relocation.symbol.index].name;
  std::string text =
      relocation.is_generic ? "generic(" + std::string(name) + ")" : std::string(name);
  if (relocation.addend != 0) {
    text += "+" + std::to_string(relocation.addend);
  }
  *out += relocation.has_mask ? "0x" + Hex(relocation.mask, 1) + "(" + text + ")" : text;
}

// Prints the scalars of an initial value in nested braces.
// Thread: caller's.
class ValuePrinter {
 public:
  ValuePrinter(const Module& module, const Variable& variable, const InitialValue& value)
      : module_(module), type_(variable.type), value_(value), lengths_(variable.dimensions) {
    if (variable.vector > 1) {
      lengths_.push_back(variable.vector);
    }
  }

  void Print(size_t level, std::string* out) {
    if (level == lengths_.size()) {
      PrintNext(out);
      return;
    }
    *out += "{";
    for (uint64_t i = 0; i < lengths_[level]; ++i) {
      *out += i == 0 ? "" : ", ";
      Print(level + 1, out);
    }
    *out += "}";
  }

 private:
  void PrintNext(std::string* out) {
    const size_t width = std::max(BytesOf(type_), 1u);
    const bool relocated = next_relocation_ < value_.relocations.size() &&
                           value_.relocations[next_relocation_].offset == next_byte_;
    if (relocated) {
      PrintRelocation(module_, value_.relocations[next_relocation_], out);
      ++next_relocation_;
    } else {
      PrintScalar(type_, value_.bytes.data() + next_byte_, out);
    }
    next_byte_ += width;
  }

  const Module& module_;
  Type type_;
  const InitialValue& value_;
  std::vector<uint64_t> lengths_;
  size_t next_byte_ = 0;
  size_t next_relocation_ = 0;
};

void PrintExtent(const char* word, const Extent& extent, std::string* out) {
  if (extent != Extent{}) {
    *out += std::string(" .") + word + " " + std::to_string(extent[0]) + ", " +
            std::to_string(extent[1]) + ", " + std::to_string(extent[2]);
  }
}

void PrintCount(const char* word, uint32_t count, std::string* out) {
  if (count != 0) {
    *out += std::string(" .") + word + " " + std::to_string(count);
  }
}

void PrintDirectives(const FunctionDirectives& directives, std::string* out) {
  PrintExtent("maxntid", directives.maxntid, out);
  PrintExtent("reqntid", directives.reqntid, out);
  PrintExtent("reqnctapercluster", directives.reqnctapercluster, out);
  PrintCount("maxnreg", directives.maxnreg, out);
  PrintCount("minnctapersm", directives.minnctapersm, out);
  PrintCount("maxnctapersm", directives.maxnctapersm, out);
  PrintCount("maxclusterrank", directives.maxclusterrank, out);
  PrintCount("abi_preserve", directives.abi_preserve, out);
  PrintCount("abi_preserve_control", directives.abi_preserve_control, out);
  *out += directives.explicitcluster ? " .explicitcluster" : "";
  *out += directives.blocksareclusters ? " .blocksareclusters" : "";
  *out += directives.noreturn ? " .noreturn" : "";
  *out += directives.unified ? " .attribute(.unified)" : "";
  for (const std::string_view pragma : directives.pragmas) {
    *out += " .pragma \"" + std::string(pragma) + "\";";
  }
}

}  // namespace

Status PrintVariable(const Module& module,
                     const Variable& variable,
                     std::string_view name,
                     std::string* out) {
  PrintLinkage(variable.linkage, out);
  PrintSpecifier(variable, out);
  *out += " " + std::string(name);
  PrintDimensions(variable, out);
  if (variable.initializer.empty()) {
    return Status::Ok();
  }
  FARLANE_ASSIGN(const InitialValue value, ParseInitializer(module, variable));
  if (InfoOf(variable.type).type_class == TypeClass::kOpaque) {
    *out += " = {";
    for (size_t i = 0; i < value.fields.size(); ++i) {
      *out += std::string(i == 0 ? "" : ", ") + std::string(value.fields[i].name) + " = " +
              std::string(value.fields[i].value);
    }
    *out += "}";
    return Status::Ok();
  }
  if (value.bytes.empty()) {  // x[2][0]: no list has room for an element
    *out += " = {}";
    return Status::Ok();
  }
  *out += " = ";
  ValuePrinter(module, variable, value).Print(0, out);
  return Status::Ok();
}

void PrintParameters(const std::vector<Variable>& parameters, std::string* out) {
  *out += "(";
  for (size_t i = 0; i < parameters.size(); ++i) {
    *out += i == 0 ? "" : ", ";
    PrintSpecifier(parameters[i], out);
    *out += " " + (parameters[i].name.empty() ? "_" : std::string(parameters[i].name));
    PrintDimensions(parameters[i], out);
  }
  *out += ")";
}

void PrintFunctionHead(const Function& function, std::string* out) {
  PrintLinkage(function.linkage, out);
  *out += function.is_entry ? ".entry " : ".func ";
  if (!function.return_parameters.empty()) {
    PrintParameters(function.return_parameters, out);
    *out += " ";
  }
  *out += function.name;
  PrintParameters(function.parameters, out);
  PrintDirectives(function.directives, out);
}

}  // namespace farlane::soft::ptx

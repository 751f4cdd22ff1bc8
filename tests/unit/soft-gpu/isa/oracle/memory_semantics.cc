// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/soft-gpu/isa/oracle/memory_semantics.h"

#include <algorithm>
#include <set>

namespace farlane::soft::isa {

using ptx::Modifier;
using ptx::ModifierGroup;
using ptx::Opcode;
using ptx::Space;
using ptx::Type;

namespace {

constexpr unsigned kUsualBytesMax = 16;

bool Offers(const ModifierGroup& group, std::initializer_list<Modifier> any) {
  return std::any_of(group.choices.begin(), group.choices.end(), [&](Modifier choice) {
    return std::find(any.begin(), any.end(), choice) != any.end();
  });
}

Space SpaceOfModifier(Modifier modifier) {
  switch (modifier) {
    case Modifier::kGlobal:
      return Space::kGlobal;
    case Modifier::kShared:
    case Modifier::kSharedCta:
    case Modifier::kSharedCluster:
      return Space::kShared;
    case Modifier::kLocal:
      return Space::kLocal;
    case Modifier::kConst:
      return Space::kConst;
    case Modifier::kParam:
    case Modifier::kParamEntry:
    case Modifier::kParamFunc:
      return Space::kParam;
    default:
      return Space::kNone;
  }
}

unsigned CountOf(Modifier vector) {
  return vector == Modifier::kV2   ? 2
         : vector == Modifier::kV4 ? 4
         : vector == Modifier::kV8 ? 8
                                   : 1;
}

// Chooses among the modifiers of one form: all of what changes the meaning, and of what is only a
// hint one at a time.
// Thread: caller's.
class Chooser {
 public:
  Chooser(const ptx::Form& form, std::vector<MemoryVariant>* variants)
      : form_(form), variants_(*variants) {}

  void Run() { Choose(0); }

 private:
  static bool IsHint(const ModifierGroup& group) {
    return ptx::TypeOf(group.choices.front()) == Type::kNone &&
           !Offers(group, {Modifier::kWeak, Modifier::kRelaxed, Modifier::kCta, Modifier::kGlobal,
                           Modifier::kV2});
  }

  void Choose(size_t number) {
    if (number == form_.groups.size()) {
      Finish();
      return;
    }
    const ModifierGroup& group = form_.groups[number];
    if (group.is_optional) {
      Choose(number + 1);
    }
    const bool is_hint = IsHint(group);
    if (is_hint && has_hint_) {
      return;
    }
    has_hint_ |= is_hint;
    for (const Modifier choice : group.choices) {
      chosen_.push_back(choice);
      Choose(number + 1);
      chosen_.pop_back();
    }
    has_hint_ &= !is_hint;
  }

  bool Has(std::initializer_list<Modifier> any) const {
    return std::any_of(chosen_.begin(), chosen_.end(), [&](Modifier modifier) {
      return std::find(any.begin(), any.end(), modifier) != any.end();
    });
  }

  // A plain access is tried in everything, one of each order with every type or every vector; other
  // scopes, hints and the word for what is meant anyhow with one type only.
  bool IsWanted(const MemoryVariant& v) const {
    const bool is_ordered = Has({Modifier::kVolatile, Modifier::kRelaxed, Modifier::kAcquire,
                                 Modifier::kRelease, Modifier::kMmio});
    const bool is_writable =
        v.space == Space::kNone || v.space == Space::kGlobal || v.space == Space::kShared;
    const bool changes_nothing =
        has_hint_ || Has({Modifier::kWeak, Modifier::kCta, Modifier::kCluster, Modifier::kSys});
    return (!is_ordered || (is_writable && (v.count == 1 || v.type == Type::kU32))) &&
           (!has_hint_ || Has({Modifier::kGlobal})) &&
           (!changes_nothing || (v.type == Type::kU32 && v.count == 1)) &&
           (!Has({Modifier::kMmio}) || Has({Modifier::kSys}));
  }

  static bool Fits(const MemoryVariant& v) {
    const unsigned bits = ptx::BitsOf(v.type);
    const unsigned bytes = bits / 8 * v.count;
    const bool may_be_wide = v.space == Space::kGlobal && (bits == 32 || bits == 64) && v.count > 1;
    return bytes <= (may_be_wide ? kCellBytes : kUsualBytesMax) && (v.count != 8 || may_be_wide);
  }

  void Finish() {
    MemoryVariant variant;
    variant.opcode = form_.opcode;
    variant.name = std::string(ptx::NameOf(form_.opcode));
    for (const Modifier modifier : chosen_) {
      variant.name += "." + std::string(ptx::NameOf(modifier));
      variant.space = std::max(variant.space, SpaceOfModifier(modifier));
      variant.count = std::max(variant.count, CountOf(modifier));
      variant.type = ptx::TypeOf(modifier) != Type::kNone ? ptx::TypeOf(modifier) : variant.type;
    }
    variant.takes_policy = Has({Modifier::kL2CacheHint});
    // Parameters of functions are no memory; stores into them are tested with calls.
    if (Has({Modifier::kParamFunc}) || !IsWanted(variant) || !Fits(variant) ||
        (!variant.loads() && (variant.space == Space::kConst || variant.space == Space::kParam))) {
      return;
    }
    AddWidths(variant);
  }

  // Integers and bits may lie in wider registers than their own.
  void AddWidths(MemoryVariant variant) {
    const unsigned bits = ptx::BitsOf(variant.type);
    const ptx::TypeClass type_class = ptx::InfoOf(variant.type).type_class;
    const bool may_be_wider =
        variant.count == 1 && (ptx::IsInteger(variant.type) || type_class == ptx::TypeClass::kBits);
    for (const unsigned width : {16u, 32u, 64u, 128u}) {
      if (width < bits || (bits == 128) != (width == 128)) {
        continue;
      }
      variant.register_bits = width;
      variants_.push_back(variant);
      if (!may_be_wider) {
        return;
      }
    }
  }

  const ptx::Form& form_;
  std::vector<MemoryVariant>& variants_;
  std::vector<Modifier> chosen_;
  bool has_hint_ = false;
};

}  // namespace

std::vector<MemoryVariant> MemoryVariants() {
  std::vector<MemoryVariant> all;
  for (const Opcode opcode : {Opcode::kLd, Opcode::kLdu, Opcode::kSt}) {
    for (const ptx::Form& form : ptx::FormsOf(opcode)) {
      if (form.stage <= ptx::Stage::kS2) {
        Chooser(form, &all).Run();
      }
    }
  }
  std::set<std::pair<std::string, unsigned>> seen;
  std::erase_if(all, [&](const MemoryVariant& variant) {
    return !seen.emplace(variant.name, variant.register_bits).second;
  });
  return all;
}

RegisterBits Loaded(const MemoryVariant& variant,
                    const std::array<uint8_t, kCellBytes>& cell,
                    unsigned index) {
  const unsigned bytes = ptx::BytesOf(variant.type);
  RegisterBits bits{};
  for (unsigned i = 0; i < bytes; ++i) {
    bits[i / 8] |= uint64_t{cell[index * bytes + i]} << i % 8 * 8;
  }
  const bool is_negative = bytes < 8 && (bits[0] >> (bytes * 8 - 1) & 1) != 0;
  if (ptx::IsSigned(variant.type) && is_negative) {
    bits[0] |= ~uint64_t{0} << bytes * 8;
  }
  if (variant.register_bits < 64) {
    bits[0] &= (uint64_t{1} << variant.register_bits) - 1;
  }
  return bits;
}

std::array<uint8_t, kCellBytes> Stored(const MemoryVariant& variant,
                                       std::array<uint8_t, kCellBytes> cell,
                                       const std::vector<RegisterBits>& registers) {
  const unsigned bytes = ptx::BytesOf(variant.type);
  for (unsigned element = 0; element < variant.count; ++element) {
    for (unsigned i = 0; i < bytes; ++i) {
      cell[element * bytes + i] = static_cast<uint8_t>(registers[element][i / 8] >> i % 8 * 8);
    }
  }
  return cell;
}

}  // namespace farlane::soft::isa

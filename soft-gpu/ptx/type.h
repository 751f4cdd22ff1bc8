// SPDX-License-Identifier: Apache-2.0
// Type and Space name what a PTX value is made of and where it lives.
// The numbers are ours and never leave the process; new types go where TypeInfo's table keeps them
// in order.
#pragma once

#include <cstdint>
#include <string_view>

namespace farlane::soft::ptx {

// X(enumerator, spelling without the dot, bits of one value, class)
// Packed types (f16x2, e4m3x2 …) count the whole packet; 4- and 6-bit elements count their own
// bits.
#define FARLANE_PTX_TYPES(X)                \
  X(kPred, "pred", 1, kPredicate)           \
  X(kB1, "b1", 1, kBits)                    \
  X(kB2, "b2", 2, kBits)                    \
  X(kB4, "b4", 4, kBits)                    \
  X(kB8, "b8", 8, kBits)                    \
  X(kB16, "b16", 16, kBits)                 \
  X(kB32, "b32", 32, kBits)                 \
  X(kB64, "b64", 64, kBits)                 \
  X(kB128, "b128", 128, kBits)              \
  X(kU2, "u2", 2, kUnsigned)                \
  X(kU4, "u4", 4, kUnsigned)                \
  X(kU8, "u8", 8, kUnsigned)                \
  X(kU16, "u16", 16, kUnsigned)             \
  X(kU32, "u32", 32, kUnsigned)             \
  X(kU64, "u64", 64, kUnsigned)             \
  X(kS2, "s2", 2, kSigned)                  \
  X(kS4, "s4", 4, kSigned)                  \
  X(kS8, "s8", 8, kSigned)                  \
  X(kS16, "s16", 16, kSigned)               \
  X(kS32, "s32", 32, kSigned)               \
  X(kS64, "s64", 64, kSigned)               \
  X(kF16, "f16", 16, kFloat)                \
  X(kBf16, "bf16", 16, kFloat)              \
  X(kTf32, "tf32", 32, kFloat)              \
  X(kF32, "f32", 32, kFloat)                \
  X(kF64, "f64", 64, kFloat)                \
  X(kF16x2, "f16x2", 32, kPacked)           \
  X(kBf16x2, "bf16x2", 32, kPacked)         \
  X(kF32x2, "f32x2", 64, kPacked)           \
  X(kU16x2, "u16x2", 32, kPacked)           \
  X(kS16x2, "s16x2", 32, kPacked)           \
  X(kU8x4, "u8x4", 32, kPacked)             \
  X(kS8x4, "s8x4", 32, kPacked)             \
  X(kE4m3, "e4m3", 8, kSmallFloat)          \
  X(kE5m2, "e5m2", 8, kSmallFloat)          \
  X(kE3m2, "e3m2", 6, kSmallFloat)          \
  X(kE2m3, "e2m3", 6, kSmallFloat)          \
  X(kE2m1, "e2m1", 4, kSmallFloat)          \
  X(kE0m3, "e0m3", 4, kSmallFloat)          \
  X(kUe8m0, "ue8m0", 8, kSmallFloat)        \
  X(kUe4m3, "ue4m3", 8, kSmallFloat)        \
  X(kE4m3x2, "e4m3x2", 16, kPacked)         \
  X(kE5m2x2, "e5m2x2", 16, kPacked)         \
  X(kE3m2x2, "e3m2x2", 16, kPacked)         \
  X(kE2m3x2, "e2m3x2", 16, kPacked)         \
  X(kE2m1x2, "e2m1x2", 8, kPacked)          \
  X(kUe8m0x2, "ue8m0x2", 16, kPacked)       \
  X(kE4m3x4, "e4m3x4", 32, kPacked)         \
  X(kE5m2x4, "e5m2x4", 32, kPacked)         \
  X(kE3m2x4, "e3m2x4", 32, kPacked)         \
  X(kE2m3x4, "e2m3x4", 32, kPacked)         \
  X(kE2m1x4, "e2m1x4", 16, kPacked)         \
  X(kB6x16P32, "b6x16_p32", 128, kPacked)   \
  X(kB4x16P64, "b4x16_p64", 128, kPacked)   \
  X(kB4x16, "b4x16", 64, kPacked)           \
  X(kB6p2x16, "b6p2x16", 128, kPacked)      \
  X(kTexref, "texref", 64, kOpaque)         \
  X(kSamplerref, "samplerref", 64, kOpaque) \
  X(kSurfref, "surfref", 64, kOpaque)

enum class Type : uint8_t {
  kNone = 0,
#define FARLANE_PTX_ENUMERATOR(name, text, bits, klass) name,
  FARLANE_PTX_TYPES(FARLANE_PTX_ENUMERATOR)
#undef FARLANE_PTX_ENUMERATOR
      kCount
};

enum class TypeClass : uint8_t {
  kNone,
  kPredicate,
  kBits,
  kUnsigned,
  kSigned,
  kFloat,       // f16 bf16 tf32 f32 f64
  kSmallFloat,  // one 8-, 6- or 4-bit float
  kPacked,      // several values in one register
  kOpaque,      // texture, sampler, surface
};

struct TypeInfo {
  std::string_view name;  // without the dot
  uint16_t bits = 0;
  TypeClass type_class = TypeClass::kNone;
};

// Name, width and class of a type; an empty row for kNone.
const TypeInfo& InfoOf(Type type);

inline uint32_t BitsOf(Type type) {
  return InfoOf(type).bits;
}

// Bytes that one value takes in memory: predicates and sub-byte types take one.
inline uint32_t BytesOf(Type type) {
  return (InfoOf(type).bits + 7u) / 8u;
}

inline bool IsSigned(Type type) {
  return InfoOf(type).type_class == TypeClass::kSigned;
}

inline bool IsFloat(Type type) {
  return InfoOf(type).type_class == TypeClass::kFloat;
}

inline bool IsInteger(Type type) {
  const TypeClass c = InfoOf(type).type_class;
  return c == TypeClass::kBits || c == TypeClass::kUnsigned || c == TypeClass::kSigned;
}

// State spaces of variables. kNone in an instruction means generic addressing.
enum class Space : uint8_t { kNone, kRegister, kGlobal, kConst, kShared, kLocal, kParam, kTexture };

std::string_view NameOf(Space space);  // without the dot

}  // namespace farlane::soft::ptx

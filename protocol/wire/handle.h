// SPDX-License-Identifier: Apache-2.0
// Handles name objects on the wire and in the program: the client gives them out, so that creating
// needs no reply. A handle is an index into its kind's table, a generation that tells a reused
// index from its former life, and the kind itself. It is never an address, so nothing is
// dereferenced before it is proved.
#pragma once

#include <cstdint>

namespace farlane::wire {

enum class HandleKind : uint8_t {
  kNone = 0,
  kContext = 1,
  kStream = 2,
  kEvent = 3,
  kModule = 4,     // CUmodule and CUlibrary
  kFunction = 5,   // CUfunction and CUkernel
  kTransfer = 6,   // device-to-host data under way
  kGraph = 7,      // known to the client only
  kGraphNode = 8,  // known to the client only
  kGraphExec = 9,
  kPhysical = 10,   // memory without an address, as cuMemCreate makes it
  kArray = 11,      // CUarray and CUmipmappedArray
  kGraphHome = 12,  // where graphs with conditions are recorded
  kReference = 13,  // CUtexref and CUsurfref
};
inline constexpr uint8_t kHandleKinds = 14;

// bits 0..31 index, 32..55 generation (from 1), 56..63 kind. 0 is no object. A program with several
// servers has a table for each of them, whose generations begin in another sixteenth: the four
// highest bits of a generation are the server's number.
using Handle = uint64_t;

// More live objects of one kind than any program makes; bounds what a peer can make a table hold.
inline constexpr uint32_t kHandleIndexMax = 1u << 22;
inline constexpr uint32_t kHandleGenerationMax = (1u << 24) - 1;
inline constexpr uint32_t kServersMax = 16;  // of one program
inline constexpr uint32_t kServerGenerations = (kHandleGenerationMax + 1) / kServersMax;

constexpr Handle MakeHandle(HandleKind kind, uint32_t index, uint32_t generation) {
  return static_cast<uint64_t>(kind) << 56 |
         static_cast<uint64_t>(generation & kHandleGenerationMax) << 32 | index;
}

constexpr HandleKind KindOf(Handle handle) {
  return static_cast<HandleKind>(handle >> 56);
}

constexpr uint32_t IndexOf(Handle handle) {
  return static_cast<uint32_t>(handle);
}

constexpr uint32_t GenerationOf(Handle handle) {
  return static_cast<uint32_t>(handle >> 32) & kHandleGenerationMax;
}

// Which of a program's servers knows the object.
constexpr uint32_t ServerOf(Handle handle) {
  return GenerationOf(handle) / kServerGenerations;
}

// A handle as the pointer that a program sees, and back; neither is ever followed.
template <typename T>
Handle ToWire(T* handle) {
  return reinterpret_cast<uint64_t>(handle);
}

template <typename T>
T FromWire(Handle handle) {
  return reinterpret_cast<T>(handle);
}

}  // namespace farlane::wire
